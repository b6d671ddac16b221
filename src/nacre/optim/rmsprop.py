"""RMSprop."""

from __future__ import annotations

from nacre.base.naming import shown_in
from nacre.ops import elementwise as ew
from nacre.optim.update import Updater, check_settings, downhill, or_zeros


@shown_in("torch.optim.rmsprop")
class RMSprop(Updater):
    r"""RMSprop: steps divided by the root of a running average of the squared gradient.

    For a gradient g (negated if `maximize`) with weight decay λ:

    .. math::
        g ← g + λθ; \quad v ← αv + (1 - α)g^2; \quad θ ← θ - lr · \frac{g}{\sqrt{v} + ε}

    `centered` subtracts the square of a running average of g from v; with momentum μ a buffer
    b ← μb + g / (√v + ε) takes the quotient's place.

    Raises:
        ValueError: a setting is negative.

    Source: Hinton, "Neural Networks for Machine Learning", lecture 6 (2012).

    Example:
        >>> w = nacre.tensor([1.0], requires_grad=True)
        >>> opt = nacre.optim.RMSprop([w], lr=0.01)
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
        alpha=0.99,
        eps=1e-8,
        weight_decay=0,
        momentum=0,
        centered=False,
        capturable=False,
        foreach=None,
        maximize=False,
        differentiable=False,
    ):
        check_settings(
            lr=lr, epsilon=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha
        )
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def _plan(self, group):
        names = ["square_avg"]
        if group["momentum"] > 0:
            names.append("momentum_buffer")
        if group["centered"]:
            names.append("grad_avg")
        alpha, decay = float(group["alpha"]), float(group["weight_decay"])
        settings = tuple(names), decay != 0, bool(group["maximize"])
        numbers = alpha, 1 - alpha, float(group["eps"]), decay
        return settings, (*numbers, -float(group["lr"]), float(group["momentum"]))

    def _corrections(self, group, count):
        return ()

    def _update(self, settings, numbers, p, g, *buffers):
        names, decays, maximize = settings
        alpha, rest, eps, decay, rate, momentum = numbers
        held = {name: or_zeros(b, p) for name, b in zip(names, buffers, strict=True)}
        g = downhill(g, p, maximize, decay if decays else None)
        square = ew.addcmul(ew.mul(held["square_avg"], alpha), g, g, rest)
        held["square_avg"] = spread = square
        if "grad_avg" in held:
            mean = held["grad_avg"] = ew.lerp(held["grad_avg"], g, rest)
            spread = ew.addcmul(square, mean, mean, -1.0)
        scale = ew.add(ew.sqrt(spread), eps)
        if "momentum_buffer" in held:
            b = ew.addcdiv(ew.mul(held["momentum_buffer"], momentum), g, scale, 1.0)
            held["momentum_buffer"] = b
            return (ew.add_scaled(p, b, rate), *held.values())
        return (ew.addcdiv(p, g, scale, rate), *held.values())

    def _writes(self, settings, first):
        counts = {"square_avg": 2, "momentum_buffer": 2, "grad_avg": 1}
        return (1, *[counts[name] for name in settings[0]])
