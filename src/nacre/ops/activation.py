"""Activations made of other operations; relu, sigmoid and tanh are operations of their own."""

from __future__ import annotations

import math

from nacre.base.errors import fail
from nacre.ir.trace import long_name
from nacre.ops.create import zeros_like
from nacre.ops.elementwise import (
    abs_,
    add,
    clamp,
    div,
    erf,
    exp,
    expm1,
    ge,
    gt,
    le,
    log1p,
    logical_or,
    minimum,
    mul,
    neg,
    rsub,
    sigmoid,
    sub,
    tanh,
    where,
)
from nacre.ops.loss import dense
from nacre.ops.record import Composite
from nacre.ops.samples import f32, f64, i64, refused, sample

NAN, INF = float("nan"), float("inf")


def _samples(*more):
    """Samples of an activation: layouts, special values, and calls with other numbers."""

    def samples():
        return [
            sample(f32(2, 3)),
            sample(f64(4)),
            sample(f32()),
            sample(f32(0, 3)),
            sample(f32(3, 2, layout="turned")),
            sample(f64(2, 2, layout="step")),
            sample(f32(3, 2, layout="expanded")),
            sample(f32(data=(0.0, -0.0, 25.0, -25.0, 100.0, INF, -INF, NAN))).rough(),
            *[sample(f32(2, 3), *args) for args in more],
        ]

    return samples


def _refused(kernel):
    return lambda: [
        refused(NotImplementedError, f"\"{kernel}\" not implemented for 'Long'", i64(3))
    ]


def need_floating(x, kernel):
    """Refuse integers in PyTorch's words."""
    d = x._m.dtype
    if not d.is_floating_point:
        fail(
            NotImplementedError,
            f"\"{kernel}\" not implemented for '{long_name(d)}'",
            "convert the tensor first, for example with .float()",
        )


# ---- with a slope or a tail for negative values -------------------------------------------------
prelu = Composite(
    "prelu",
    lambda x, w: where(gt(x, 0.0), x, mul(x, w)),
    lambda ctx, g: (
        where(gt(ctx[0], 0.0), g, mul(g, ctx[1])) if ctx.needs[0] else None,
        where(gt(ctx[0], 0.0), 0.0, mul(g, ctx[0])) if ctx.needs[1] else None,
    ),
    ((0, 1), (0,)),
    grad_name="PreluKernelBackward0",
    torch=("F.prelu",),
    samples=lambda: [
        sample(f32(2, 3), f32(1, low=0.1, high=0.5)),
        sample(f32(2, 3), f32(3, low=0.1, high=0.5)),
        sample(f64(2, 3, 2), f64(3, low=0.1, high=0.5)),
    ],
)
leaky_relu_backward = Composite(
    "leaky_relu_backward",
    lambda g, x, slope: where(gt(x, 0.0), g, mul(g, slope)),
    lambda ctx, g: (
        leaky_relu_backward(g, ctx[1], ctx.numbers[0]) if ctx.needs[0] else None,
        zeros_like(g) if ctx.needs[1] else None,
        None,
    ),
    ((1,), ()),
    internal=True,
)
leaky_relu = Composite(
    "leaky_relu",
    lambda x, slope: where(gt(x, 0.0), x, mul(x, slope)),
    lambda ctx, g: (leaky_relu_backward(g, ctx[0], ctx.numbers[0]), None),
    ((0,),),
    torch=("F.leaky_relu",),
    samples=_samples((0.2,), (-0.5,)),
    errors=_refused("leaky_relu_cpu"),
)
elu = Composite(
    "elu",
    lambda x, alpha: where(gt(x, 0.0), x, mul(expm1(x), alpha)),
    lambda ctx, g: (
        where(le(ctx[0], 0.0), mul(mul(g, ctx.numbers[0]), exp(ctx[0])), g),
        None,
    ),
    ((0,),),
    torch=("F.elu",),
    samples=_samples((0.5,)),
    errors=_refused("elu_cpu"),
)


def _softplus_body(x, beta, threshold):
    z = mul(x, beta)
    return where(gt(z, threshold), x, div(log1p(exp(z)), beta))


def _softplus_grad(ctx, g):
    beta, threshold = ctx.numbers
    z = mul(ctx[0], beta)
    return where(gt(z, threshold), g, mul(g, sigmoid(z))), None, None


softplus = Composite(
    "softplus",
    _softplus_body,
    _softplus_grad,
    ((0,),),
    torch=("F.softplus",),
    samples=_samples((2.0,), (1.0, 0.5)),
    errors=_refused("softplus_cpu"),
)


def _log_sigmoid(x):
    return sub(minimum(x, 0.0), log1p(exp(neg(abs_(x)))))


log_sigmoid = Composite(
    "log_sigmoid",
    lambda x: _log_sigmoid(dense(x)),
    lambda ctx, g: (mul(g, sigmoid(neg(ctx[0]))),),
    ((0,),),
    torch=("F.logsigmoid",),
    samples=_samples(),
    errors=_refused("log_sigmoid_cpu"),
)


# ---- bounded ------------------------------------------------------------------------------------
hardtanh_backward = Composite(
    "hardtanh_backward",
    lambda g, x, low, high: where(logical_or(le(x, low), ge(x, high)), 0.0, g),
    lambda ctx, g: (
        hardtanh_backward(g, ctx[1], *ctx.numbers) if ctx.needs[0] else None,
        zeros_like(g) if ctx.needs[1] else None,
        None,
        None,
    ),
    ((1,), ()),
    internal=True,
)
hardtanh = Composite(
    "hardtanh",
    lambda x, low, high: clamp(x, low, high, attrs=(True, True)),
    lambda ctx, g: (hardtanh_backward(g, ctx[0], *ctx.numbers), None, None),
    ((0,),),
    torch=("F.hardtanh", "F.relu6"),
    samples=lambda: [
        *_samples((-0.5, 1.5))(),
        sample(f32(2, 3, low=-3.0, high=9.0)).by("F.relu6"),
        sample(i64(4)),
    ],
)

# ---- smooth -------------------------------------------------------------------------------------
ROOT_HALF = math.sqrt(0.5)
GAUSS_PEAK = 1 / math.sqrt(2 * math.pi)


def _gelu_grad(ctx, g):
    x = ctx[0]
    below = mul(add(erf(mul(x, ROOT_HALF)), 1.0), 0.5)
    density = mul(exp(mul(mul(x, x), -0.5)), GAUSS_PEAK)
    return (mul(g, add(below, mul(x, density))),)


gelu = Composite(
    "gelu",
    lambda x: mul(mul(x, 0.5), add(erf(mul(x, ROOT_HALF)), 1.0)),
    _gelu_grad,
    ((0,),),
    torch=("F.gelu",),
    samples=lambda: [s for s in _samples()() if s.smooth],
    errors=_refused("GeluKernelImpl"),
)
TANH_SCALE = math.sqrt(2 / math.pi)
TANH_CUBE = 0.044715


def _gelu_tanh_inner(x):
    return mul(add(x, mul(mul(mul(x, x), x), TANH_CUBE)), TANH_SCALE)


def _gelu_tanh_grad(ctx, g):
    x = ctx[0]
    t = tanh(_gelu_tanh_inner(x))
    slope = mul(add(mul(mul(x, x), 3 * TANH_CUBE), 1.0), TANH_SCALE)
    left = mul(add(t, 1.0), 0.5)
    right = mul(mul(mul(x, 0.5), rsub(mul(t, t), 1.0)), slope)
    return (mul(g, add(left, right)),)


gelu_tanh = Composite(
    "gelu_tanh",
    lambda x: mul(mul(x, 0.5), add(tanh(_gelu_tanh_inner(x)), 1.0)),
    _gelu_tanh_grad,
    ((0,),),
    grad_name="GeluBackward0",
    torch=("F.gelu",),
    samples=lambda: [
        sample(f32(2, 3), approximate="tanh"),
        sample(f64(4), approximate="tanh"),
        sample(f32(data=(0.0, 10.0, -10.0)), approximate="tanh").rough(),
    ],
)


def _silu_grad(ctx, g):
    x = ctx[0]
    s = sigmoid(x)
    return (mul(g, mul(s, add(mul(x, rsub(s, 1.0)), 1.0))),)


silu = Composite(
    "silu",
    lambda x: mul(x, sigmoid(x)),
    _silu_grad,
    ((0,),),
    torch=("F.silu",),
    samples=_samples(),
    errors=_refused("silu_cpu"),
)
