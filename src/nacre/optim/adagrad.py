"""Adagrad."""

from __future__ import annotations

from nacre.base.naming import shown_in
from nacre.ops import elementwise as ew
from nacre.ops.create import full
from nacre.optim.update import Updater, check_fused, check_settings, count_meta, downhill


@shown_in("torch.optim.adagrad")
class Adagrad(Updater):
    r"""Adagrad: steps divided by the root of the sum of all squared gradients so far.

    At step t, for a gradient g (negated if `maximize`) with weight decay λ and rate decay η:

    .. math::
        g ← g + λθ; \quad s ← s + g^2;
        \quad θ ← θ - \frac{lr}{1 + (t - 1)η} · \frac{g}{\sqrt{s} + ε}

    where s starts from `initial_accumulator_value`.

    Raises:
        ValueError: a setting is negative.

    Source: Duchi, Hazan and Singer, "Adaptive Subgradient Methods for Online Learning and
    Stochastic Optimization" (2011).

    Example:
        >>> w = nacre.tensor([1.0], requires_grad=True)
        >>> opt = nacre.optim.Adagrad([w], lr=0.1)
        >>> (w * 3).sum().backward()
        >>> opt.step()
        >>> w
        tensor([0.9000], requires_grad=True)
    """

    counted = True

    def __init__(
        self,
        params,
        lr=1e-2,
        lr_decay=0,
        weight_decay=0,
        initial_accumulator_value=0,
        eps=1e-10,
        foreach=None,
        *,
        maximize=False,
        differentiable=False,
        fused=None,
    ):
        check_settings(
            lr=lr,
            lr_decay=lr_decay,
            weight_decay=weight_decay,
            initial_accumulator_value=initial_accumulator_value,
            epsilon=eps,
        )
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)
        start = float(initial_accumulator_value)
        for group in self.param_groups:
            for p in group["params"]:
                if not hasattr(p, "cls_to_become"):  # lazy: no shape yet, its sum is made later
                    self.state[p]["step"] = full(0.0, attrs=count_meta())
                    self.state[p]["sum"] = full(start, attrs=p._m)

    def _plan(self, group):
        decay = float(group["weight_decay"])
        start = float(group["initial_accumulator_value"])
        settings = ("sum",), decay != 0, bool(group["maximize"])
        return settings, (float(group["eps"]), decay, start)

    def _corrections(self, group, count):
        return (-float(group["lr"]) / (1 + (count - 1) * group["lr_decay"]),)

    def _update(self, settings, numbers, p, g, total=None):
        _, decays, maximize = settings
        eps, decay, start, rate = numbers
        g = downhill(g, p, maximize, decay if decays else None)
        total = full(start, attrs=p._m) if total is None else total
        total = ew.addcmul(total, g, g, 1.0)
        return ew.addcdiv(p, g, ew.add(ew.sqrt(total), eps), rate), total

    def _writes(self, settings, first):
        return 1, 1
