"""Adadelta."""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.base.naming import shown_in
from nacre.ops import elementwise as ew
from nacre.optim.update import Updater, check_settings, downhill, or_zeros


@shown_in("torch.optim.adadelta")
class Adadelta(Updater):
    r"""Adadelta: steps in proportion to the running average of the steps before.

    For a gradient g (negated if `maximize`) with weight decay λ:

    .. math::
        g ← g + λθ; \quad v ← ρv + (1 - ρ)g^2; \quad d = \frac{\sqrt{u + ε}}{\sqrt{v + ε}} g;
        \quad u ← ρu + (1 - ρ)d^2; \quad θ ← θ - lr · d

    Raises:
        ValueError: a setting is out of its range.

    Source: Zeiler, "ADADELTA: An Adaptive Learning Rate Method" (2012).

    Example:
        >>> w = nacre.tensor([1.0], requires_grad=True)
        >>> opt = nacre.optim.Adadelta([w], lr=0.1)
        >>> (w * 3).sum().backward()
        >>> opt.step()
        >>> w
        tensor([0.9997], requires_grad=True)
    """

    counted = True

    def __init__(
        self,
        params,
        lr=1.0,
        rho=0.9,
        eps=1e-6,
        weight_decay=0,
        foreach=None,
        *,
        capturable=False,
        maximize=False,
        differentiable=False,
    ):
        check_settings(lr=lr)
        if not 0.0 <= rho <= 1.0:
            fail(ValueError, f"Invalid rho value: {rho}")
        check_settings(lr=lr, epsilon=eps, weight_decay=weight_decay)
        defaults = {
            "lr": lr,
            "rho": rho,
            "eps": eps,
            "weight_decay": weight_decay,
            "maximize": maximize,
            "capturable": capturable,
            "foreach": foreach,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _plan(self, group):
        rho, decay = float(group["rho"]), float(group["weight_decay"])
        settings = ("square_avg", "acc_delta"), decay != 0, bool(group["maximize"])
        return settings, (rho, 1 - rho, float(group["eps"]), decay, -float(group["lr"]))

    def _corrections(self, group, count):
        return ()

    def _update(self, settings, numbers, p, g, square=None, moved=None):
        _, decays, maximize = settings
        rho, rest, eps, decay, rate = numbers
        g = downhill(g, p, maximize, decay if decays else None)
        square = ew.addcmul(ew.mul(or_zeros(square, p), rho), g, g, rest)
        moved = or_zeros(moved, p)
        change = ew.div(ew.sqrt(ew.add(moved, eps)), ew.sqrt(ew.add(square, eps)))
        change = ew.mul(change, g)
        moved = ew.addcmul(ew.mul(moved, rho), change, change, rest)
        return ew.add_scaled(p, change, rate), square, moved

    def _writes(self, settings, first):
        return 1, 2, 2
