"""Functions of one value: exponentials, logarithms, roots, activations, rounding."""

from __future__ import annotations

import math

import numpy as np

from nacre.ops.create import zeros_like
from nacre.ops.elementwise.arithmetic import add, div, is_bool, mul, neg, not_bool, rsub
from nacre.ops.record import Operation
from nacre.ops.rules import floating, same_type
from nacre.ops.samples import b1, f32, f64, i64, refused, sample, unary

HALVES = (0.5, -0.5, 1.5, 2.5, -1.5, 0.0, -0.0, 1e10, float("inf"), float("nan"))


def function(name, numpy, grad, saves, scalar, *, samples=None, compute=None, more=(), **rest):
    """The record of a function of one tensor; integers become floating unless `infer` says else."""
    rest.setdefault("torch", (f"torch.{name}", f"Tensor.{name}", f"Tensor.{name}_", *more))
    rest.setdefault("infer", floating)
    return Operation(
        name,
        numpy=lambda attrs, meta, x: numpy(x),
        grad=grad,
        saves=saves,
        scalar=scalar,
        compute=compute or (lambda attrs, out, *m: out),
        samples=samples or unary(),
        **rest,
    )


# ---- sign and size ------------------------------------------------------------------------------
abs_ = function(
    "abs",
    np.abs,
    lambda ctx, g: (mul(g, sign(ctx[0])),),
    ((0,),),
    lambda e, x: e.abs(x),
    infer=same_type,
    exact=True,
    more=("torch.absolute", "Tensor.__abs__"),
    samples=unary(bools=False),
)


def _sign_numpy(x):
    if x.dtype == np.bool_:
        return x
    if x.dtype.kind != "f":
        return np.sign(x)
    return np.where(np.isnan(x), np.zeros((), x.dtype), np.sign(x))


def _sign_scalar(e, x):
    if is_bool(x):
        return x
    zero = e.const(0, x)
    return e.sub(e.cast(e.gt(x, zero), x.dtype), e.cast(e.lt(x, zero), x.dtype))


sign = function(
    "sign",
    _sign_numpy,
    lambda ctx, g: (zeros_like(g),),
    (),
    _sign_scalar,
    infer=same_type,
    exact=True,
    more=("torch.sgn",),
)

# ---- activations --------------------------------------------------------------------------------
_RELU_WORDS = "Boolean inputs not supported for relu"
relu = function(
    "relu",
    lambda x: np.where(x < 0, np.zeros((), x.dtype), x),
    lambda ctx, g: (threshold_backward(g, ctx.out),),
    ((-1,),),
    lambda e, x: e.select(e.lt(x, e.const(0, x)), e.const(0, x), x),
    infer=not_bool(_RELU_WORDS),
    exact=True,
    more=("F.relu",),
    samples=unary(bools=False),
    errors=lambda: [refused(RuntimeError, _RELU_WORDS, b1(3))],
)
threshold_backward = Operation(
    "threshold_backward",
    same_type,
    lambda attrs, meta, g, y: np.where(y <= 0, np.zeros((), g.dtype), g),
    lambda ctx, g: (
        threshold_backward(g, ctx[1]) if ctx.needs[0] else None,
        zeros_like(g) if ctx.needs[1] else None,
    ),
    ((1,), ()),
    exact=True,
    scalar=lambda e, g, y: e.select(e.le(y, e.const(0, y)), e.const(0, g), g),
    internal=True,
)
tanh = function(
    "tanh",
    np.tanh,
    lambda ctx, g: (mul(g, rsub(mul(ctx.out, ctx.out), 1.0)),),
    ((-1,),),
    lambda e, x: e.tanh(x),
    more=("F.tanh",),
)
sigmoid = function(
    "sigmoid",
    lambda x: np.ones((), x.dtype) / (np.ones((), x.dtype) + np.exp(-x)),
    lambda ctx, g: (mul(g, mul(rsub(ctx.out, 1.0), ctx.out)),),
    ((-1,),),
    lambda e, x: e.sigmoid(x),
    more=("F.sigmoid",),
)

# ---- exponentials and logarithms ----------------------------------------------------------------
exp = function("exp", np.exp, lambda ctx, g: (mul(g, ctx.out),), ((-1,),), lambda e, x: e.exp(x))
exp2 = function(
    "exp2",
    np.exp2,
    lambda ctx, g: (mul(mul(g, ctx.out), math.log(2)),),
    ((-1,),),
    lambda e, x: e.exp2(x),
)
expm1 = function(
    "expm1",
    np.expm1,
    lambda ctx, g: (mul(g, add(ctx.out, 1.0)),),
    ((-1,),),
    lambda e, x: e.expm1(x),
)
_positive = unary(low=0.125, high=3.0)
log = function(
    "log",
    np.log,
    lambda ctx, g: (div(g, ctx[0]),),
    ((0,),),
    lambda e, x: e.log(x),
    samples=_positive,
)
log2 = function(
    "log2",
    np.log2,
    lambda ctx, g: (div(g, mul(ctx[0], math.log(2))),),
    ((0,),),
    lambda e, x: e.log2(x),
    samples=_positive,
)
log10 = function(
    "log10",
    np.log10,
    lambda ctx, g: (div(g, mul(ctx[0], math.log(10))),),
    ((0,),),
    lambda e, x: e.log10(x),
    samples=_positive,
)
log1p = function(
    "log1p",
    np.log1p,
    lambda ctx, g: (div(g, add(ctx[0], 1.0)),),
    ((0,),),
    lambda e, x: e.log1p(x),
    grad_name="Log1PBackward0",
    samples=unary(low=-0.875, high=3.0),
)

# ---- roots --------------------------------------------------------------------------------------
sqrt = function(
    "sqrt",
    np.sqrt,
    lambda ctx, g: (div(g, mul(ctx.out, 2.0)),),
    ((-1,),),
    lambda e, x: e.sqrt(x),
    exact=True,
    samples=_positive,
)
rsqrt = function(
    "rsqrt",
    lambda x: np.ones((), x.dtype) / np.sqrt(x),
    lambda ctx, g: (mul(mul(g, -0.5), mul(ctx.out, mul(ctx.out, ctx.out))),),
    ((-1,),),
    lambda e, x: e.div(e.const(1, x), e.sqrt(x)),
    exact=True,
    samples=_positive,
)
reciprocal = function(
    "reciprocal",
    lambda x: np.ones((), x.dtype) / x,
    lambda ctx, g: (neg(mul(g, mul(ctx.out, ctx.out))),),
    ((-1,),),
    lambda e, x: e.div(e.const(1, x), x),
    exact=True,
)

# ---- angles -------------------------------------------------------------------------------------
sin = function("sin", np.sin, lambda ctx, g: (mul(g, cos(ctx[0])),), ((0,),), lambda e, x: e.sin(x))
cos = function(
    "cos", np.cos, lambda ctx, g: (neg(mul(g, sin(ctx[0]))),), ((0,),), lambda e, x: e.cos(x)
)
tan = function(
    "tan",
    np.tan,
    lambda ctx, g: (mul(g, add(mul(ctx.out, ctx.out), 1.0)),),
    ((-1,),),
    lambda e, x: e.tan(x),
    samples=unary(low=-1.25, high=1.25),
)


# ---- rounding -----------------------------------------------------------------------------------
def _rounding_samples():
    return [
        *unary(bools=False)(),
        sample(f32(data=HALVES)).rough(),
        sample(f64(data=HALVES)).rough(),
        sample(i64(data=(3, -4))),
    ]


def _rounding(name, numpy):
    return function(
        name,
        lambda x: numpy(x) if x.dtype.kind not in "iub" else x,
        lambda ctx, g: (zeros_like(g),),
        (),
        lambda e, x: getattr(e, name)(x) if x.dtype.is_floating_point else x,
        infer=same_type,
        exact=True,
        samples=_rounding_samples,
    )


floor = _rounding("floor", np.floor)
ceil = _rounding("ceil", np.ceil)
trunc = _rounding("trunc", np.trunc)
round_ = _rounding("round", np.round)
