"""Losses that grow less than quadratically, and losses of a single probability."""

from __future__ import annotations

from nacre.ops import view
from nacre.ops.activation import log_sigmoid
from nacre.ops.elementwise import (
    abs_,
    add,
    clamp,
    div,
    log,
    log1p,
    lt,
    mul,
    neg,
    rsub,
    sigmoid,
    sign,
    sub,
    where,
)
from nacre.ops.record import Composite
from nacre.ops.reduce import sum_
from nacre.ops.samples import f32, f64, refused, sample


def reduced(values, reduction):
    """The mean, the sum, or each value."""
    if reduction == "none":
        return values
    total = sum_(values, attrs=(tuple(range(len(values._m.shape))), False))
    return total if reduction == "sum" else div(total, values._m.numel)


def spread(g, reduction, shape):
    """The gradient of a reduced loss as one of each element."""
    if reduction == "none":
        return g
    if reduction == "mean":
        n = 1
        for d in shape:
            n *= d
        g = div(g, n) if n else mul(g, float("nan"))
    return view.expand(g, tuple(shape))


# The mean over a number of classes; its own record, since PyTorch prints it under its own name.
share = Composite(
    "share",
    div,
    lambda ctx, g: (div(g, ctx.numbers[0]), None),
    grad_name="DivBackward1",
    internal=True,
)


# ---- differences --------------------------------------------------------------------------------
def _smooth_body(x, y, beta, reduction):
    size = abs_(sub(x, y))
    near = div(mul(mul(size, size), 0.5), beta)
    return reduced(where(lt(size, beta), near, sub(size, beta * 0.5)), reduction)


def _smooth_grad(ctx, g):
    reduction = dict(ctx.attrs)["reduction"]
    beta = ctx.numbers[0]
    d = sub(ctx[0], ctx[1])
    slope = where(lt(abs_(d), beta), div(d, beta), sign(d))
    step = mul(slope, spread(g, reduction, d._m.shape))
    return step if ctx.needs[0] else None, neg(step) if ctx.needs[1] else None, None


def _huber_body(x, y, delta, reduction):
    size = abs_(sub(x, y))
    near = mul(mul(size, size), 0.5)
    far = mul(sub(size, delta * 0.5), delta)
    return reduced(where(lt(size, delta), near, far), reduction)


def _huber_grad(ctx, g):
    reduction = dict(ctx.attrs)["reduction"]
    delta = ctx.numbers[0]
    d = sub(ctx[0], ctx[1])
    slope = where(lt(abs_(d), delta), d, mul(sign(d), delta))
    step = mul(slope, spread(g, reduction, d._m.shape))
    return step if ctx.needs[0] else None, neg(step) if ctx.needs[1] else None, None


def _difference_samples(name):
    def samples():
        return [
            sample(f32(2, 3), f32(2, 3)),
            sample(f64(4), f64(4), reduction="sum"),
            sample(f32(2, 3), f32(2, 3), reduction="none"),
            sample(f32(2, 3), f32(2, 3), **{name: 0.25}),
            sample(f64(2, 3), f64(2, 3), reduction="none", **{name: 2.0}),
            sample(f32(), f32()),
            sample(f32(3, 2, layout="turned"), f32(3, 2)),
        ]

    return samples


smooth_l1 = Composite(
    "smooth_l1_loss",
    _smooth_body,
    _smooth_grad,
    ((0, 1), (0, 1)),
    grad_name="SmoothL1LossBackward0",
    torch=("F.smooth_l1_loss",),
    samples=_difference_samples("beta"),
)
huber = Composite(
    "huber_loss",
    _huber_body,
    _huber_grad,
    ((0, 1), (0, 1)),
    grad_name="HuberLossBackward0",
    torch=("F.huber_loss",),
    samples=_difference_samples("delta"),
)

# ---- one probability ----------------------------------------------------------------------------
LEAST_LOG = -100.0
LEAST_VARIANCE = 1e-12


def _weighted(values, weight):
    return values if weight is None else mul(values, weight)


def _bce_body(x, y, weight=None, *, reduction):
    of_one = clamp(log(x), LEAST_LOG, attrs=(True, False))
    of_zero = clamp(log1p(neg(x)), LEAST_LOG, attrs=(True, False))
    values = sub(mul(sub(y, 1.0), of_zero), mul(y, of_one))
    return reduced(_weighted(values, weight), reduction)


def _bce_grad(ctx, g):
    reduction = dict(ctx.attrs)["reduction"]
    x, y = ctx[0], ctx[1]
    weight = ctx[2] if len(ctx.metas) > 2 else None
    g = _weighted(spread(g, reduction, x._m.shape), weight)
    gx = gy = None
    if ctx.needs[0]:
        variance = clamp(mul(rsub(x, 1.0), x), LEAST_VARIANCE, attrs=(True, False))
        gx = div(mul(g, sub(x, y)), variance)
    if ctx.needs[1]:
        gy = mul(g, sub(log1p(neg(x)), log(x)))
    return (gx, gy, None)[: len(ctx.needs)]


def _bce_samples():
    x, y = f32(2, 3, low=0.05, high=0.95), f32(2, 3, low=0.1, high=0.9)
    return [
        sample(x, y),
        sample(f64(4, low=0.05, high=0.95), f64(4, low=0.1, high=0.9), reduction="sum"),
        sample(x, y, reduction="none"),
        sample(x, y, weight=f32(2, 3, low=0.5, high=2.0, fixed=True)),
        sample(x, y, weight=f32(3, low=0.5, high=2.0, fixed=True), reduction="none"),
        sample(f32(data=(0.0, 1.0, 0.0, 1.0)), f32(data=(0.0, 0.0, 1.0, 1.0))).rough(),
    ]


bce = Composite(
    "binary_cross_entropy",
    _bce_body,
    _bce_grad,
    ((0, 1, 2), (0, 1, 2)),
    torch=("F.binary_cross_entropy",),
    samples=_bce_samples,
    errors=lambda: [
        refused(ValueError, "Using a target size (torch.Size([2]))", f32(3, low=0.1), f32(2)),
    ],
)


def _given(found, given):
    """The optional tensors (weight, weight of the positive class), None where there is none."""
    found = iter(found)
    return [next(found) if there else None for there in given]


def _logits_body(x, y, *more, reduction, given):
    weight, positive = _given(more, given)
    logs = log_sigmoid(x)
    if positive is not None:
        logs = mul(logs, add(mul(sub(positive, 1.0), y), 1.0))
    values = sub(mul(rsub(y, 1.0), x), logs)
    return reduced(_weighted(values, weight), reduction)


def _logits_grad(ctx, g):
    attrs = dict(ctx.attrs)
    x, y = ctx[0], ctx[1]
    weight, positive = _given([ctx[i] for i in range(2, len(ctx.metas))], attrs["given"])
    g = _weighted(spread(g, attrs["reduction"], x._m.shape), weight)
    gx = gy = None
    if ctx.needs[0]:
        s = sigmoid(x)
        if positive is None:
            gx = mul(sub(s, y), g)
        else:
            t = mul(positive, y)
            gx = mul(sub(mul(sub(add(t, 1.0), y), s), t), g)
    if ctx.needs[1]:
        if positive is None:
            gy = mul(neg(x), g)
        else:
            gy = mul(sub(log_sigmoid(neg(x)), mul(positive, log_sigmoid(x))), g)
    return (gx, gy, None, None)[: len(ctx.needs)]


def _logits_samples():
    x, y = f32(2, 3), f32(2, 3, low=0.1, high=0.9)
    return [
        sample(x, y),
        sample(f64(4), f64(4, low=0.1, high=0.9), reduction="sum"),
        sample(x, y, reduction="none"),
        sample(x, y, weight=f32(3, low=0.5, high=2.0, fixed=True)),
        sample(x, y, pos_weight=f32(3, low=0.5, high=2.0, fixed=True)),
        sample(f32(data=(100.0, -100.0)), f32(data=(0.0, 1.0))).rough(),
    ]


bce_with_logits = Composite(
    "binary_cross_entropy_with_logits",
    _logits_body,
    _logits_grad,
    ((0, 1, 2, 3), (0, 1, 2, 3)),
    torch=("F.binary_cross_entropy_with_logits",),
    samples=_logits_samples,
    errors=lambda: [
        refused(ValueError, "Target size (torch.Size([2])) must be the same", f32(3), f32(2)),
    ],
)
