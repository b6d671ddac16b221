"""Stochastic gradient descent."""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.base.naming import shown_in
from nacre.ops import elementwise as ew
from nacre.optim.update import Updater, check_fused, check_settings, downhill

_PLAIN = ((), False, False, False)
_BUFFER = ("momentum_buffer",)


@shown_in("torch.optim.sgd")
class SGD(Updater):
    r"""Stochastic gradient descent, with momentum if wanted.

    For a gradient g (negated if `maximize`), with weight decay λ, momentum μ, dampening τ:

    .. math::
        g ← g + λθ; \quad b ← μb + (1 - τ)g; \quad θ ← θ - lr · b

    where b is the first g at the first step, and Nesterov's form takes g + μb in place of b.
    `foreach` and `fused` are accepted: a step is always one.

    Raises:
        ValueError: a setting is negative, or `nesterov` goes without momentum or with dampening.

    Example:
        >>> w = nacre.tensor([1.0], requires_grad=True)
        >>> opt = nacre.optim.SGD([w], lr=0.1, momentum=0.9)
        >>> (w * 3).sum().backward()
        >>> opt.step()
        >>> w
        tensor([0.7000], requires_grad=True)
    """

    def __init__(
        self,
        params,
        lr=1e-3,
        momentum=0,
        dampening=0,
        weight_decay=0,
        nesterov=False,
        *,
        maximize=False,
        foreach=None,
        differentiable=False,
        fused=None,
    ):
        check_settings(lr=lr, momentum=momentum, weight_decay=weight_decay)
        if nesterov and (momentum <= 0 or dampening != 0):
            fail(ValueError, "Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        check_fused(fused, foreach, differentiable)

    def __setstate__(self, state):
        super().__setstate__(state)
        for group in self.param_groups:
            group.setdefault("nesterov", False)
            group.setdefault("maximize", False)
            group.setdefault("foreach", None)
            group.setdefault("differentiable", False)
            group.setdefault("fused", False)

    def _plan(self, group):
        momentum, decay, maximize = group["momentum"], group["weight_decay"], group["maximize"]
        rate = -float(group["lr"])
        if not momentum and not decay and not maximize:
            return _PLAIN, (rate,)
        settings = (
            _BUFFER if momentum != 0 else (),
            decay != 0,
            bool(group["nesterov"]),
            bool(maximize),
        )
        return settings, (rate, float(decay), float(momentum), 1.0 - float(group["dampening"]))

    def _update(self, settings, numbers, p, g, b=None):
        names, decays, nesterov, maximize = settings
        g = downhill(g, p, maximize, numbers[1] if decays else None)
        if not names:
            return (ew.add_scaled(p, g, numbers[0]),)
        momentum, weight = numbers[2:]
        b = ew.clone(g) if b is None else ew.add_scaled(ew.mul(b, momentum), g, weight)
        g = ew.add_scaled(g, b, momentum) if nesterov else b
        return ew.add_scaled(p, g, numbers[0]), b

    def _writes(self, settings, first):
        return (1, 0 if first else 2) if settings[0] else (1,)
