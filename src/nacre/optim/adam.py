"""Adam."""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.base.naming import shown_in
from nacre.ir.trace import Value
from nacre.ops import elementwise as ew
from nacre.ops.create import full
from nacre.optim.update import (
    Updater,
    check_fused,
    check_settings,
    count_meta,
    downhill,
    or_zeros,
)

_NAMES = ("exp_avg", "exp_avg_sq")
_AMSGRAD = (*_NAMES, "max_exp_avg_sq")


@shown_in("torch.optim.adam")
class Adam(Updater):
    r"""Adam: steps scaled by running averages of the gradient and of its square.

    At step t, for a gradient g (negated if `maximize`) with weight decay λ:

    .. math::
        g ← g + λθ; \quad m ← β_1 m + (1 - β_1) g; \quad v ← β_2 v + (1 - β_2) g^2;
        \quad θ ← θ - lr · \frac{m / (1 - β_1^t)}{\sqrt{v / (1 - β_2^t)} + ε}

    `amsgrad` takes the largest v so far in place of v; `decoupled_weight_decay` multiplies θ by
    1 - lr λ instead of changing g (this is AdamW).

    Raises:
        ValueError: a setting is out of its range.

    Source: Kingma and Ba, "Adam: A Method for Stochastic Optimization" (2014).

    Example:
        >>> w = nacre.tensor([1.0], requires_grad=True)
        >>> opt = nacre.optim.Adam([w], lr=0.1)
        >>> (w * 3).sum().backward()
        >>> opt.step()
        >>> w
        tensor([0.9000], requires_grad=True)
    """

    counted = True

    def __init__(
        self,
        params,
        lr=1e-3,
        betas=(0.9, 0.999),
        eps=1e-8,
        weight_decay=0,
        amsgrad=False,
        *,
        foreach=None,
        maximize=False,
        capturable=False,
        differentiable=False,
        fused=None,
        decoupled_weight_decay=False,
    ):
        check_settings(lr=lr, epsilon=eps)
        for i, beta in enumerate(betas):
            if not 0.0 <= beta < 1.0:
                fail(ValueError, f"Invalid beta parameter at index {i}: {beta}")
        check_settings(lr=lr, weight_decay=weight_decay)
        kinds = {isinstance(beta, Value) for beta in betas}
        if len(kinds) > 1 or not all(isinstance(beta, float | Value) for beta in betas):
            fail(ValueError, "betas must be either both floats or both Tensors")
        defaults = {
            "lr": lr,
            "betas": tuple([b.item() if isinstance(b, Value) else b for b in betas]),
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("amsgrad", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("capturable", False)
            group.setdefault("differentiable", False)
            group.setdefault("decoupled_weight_decay", False)
            group.setdefault("fused", None)
            for p in group["params"]:
                kept = self.state.get(p)
                if kept and not isinstance(kept["step"], Value):
                    kept["step"] = full(float(kept["step"]), attrs=count_meta())

    def _plan(self, group):
        decay = float(group["weight_decay"])
        shrinks = decay != 0 and bool(group["decoupled_weight_decay"])
        settings = (
            _AMSGRAD if group["amsgrad"] else _NAMES,
            decay != 0 and not shrinks,
            shrinks,
            bool(group["maximize"]),
        )
        if shrinks:
            decay = 1 - float(group["lr"]) * decay
        beta1, beta2 = group["betas"]
        return settings, (1 - beta1, beta2, 1 - beta2, float(group["eps"]), decay)

    def _corrections(self, group, count):
        beta1, beta2 = group["betas"]
        return -float(group["lr"]) / (1 - beta1**count), (1 - beta2**count) ** 0.5

    def _update(self, settings, numbers, p, g, mean=None, square=None, largest=None):
        names, decays, shrinks, maximize = settings
        to_mean, beta2, to_square, eps, decay, rate, correction = numbers
        g = downhill(g, p, maximize, decay if decays else None)
        if shrinks:
            p = ew.mul(p, decay)
        mean = ew.lerp(or_zeros(mean, p), g, to_mean)
        square = ew.addcmul(ew.mul(or_zeros(square, p), beta2), g, g, to_square)
        if len(names) == 2:
            held = (mean, square)
        else:
            largest = ew.maximum(or_zeros(largest, p), square)
            held = (mean, square, largest)
        scale = ew.add(ew.div(ew.sqrt(held[-1]), correction), eps)
        return (ew.addcdiv(p, mean, scale, rate), *held)

    def _writes(self, settings, first):
        return (2 if settings[2] else 1, 1, 2, 1)[: 1 + len(settings[0])]
