"""Composites over reductions: variance, standard deviation, norms, log-sum-exp."""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.base.shapes import wrap_dims
from nacre.ops import view
from nacre.ops.elementwise import (
    abs_,
    add,
    cast,
    div,
    eq,
    exp,
    log,
    masked_fill,
    mul,
    ne,
    pow_to,
    sign,
    sqrt,
    sub,
)
from nacre.ops.record import Composite
from nacre.ops.reduce import amax, amin, mean, reduced_shape, restored, size_of, sum_
from nacre.ops.samples import f32, f64, i64, refused, sample

NAN, INF = float("nan"), float("inf")


# ---- spread -------------------------------------------------------------------------------------
def _spread_samples():
    return [
        sample(f32(2, 3)),
        sample(f64(5)),
        sample(f32(2, 3), dim=1),
        sample(f32(2, 3), dim=0, keepdim=True),
        sample(f32(2, 3), dim=1, correction=0),
        sample(f32(2, 3, 2), dim=(0, 2), unbiased=False),
        sample(f64(3, 2, layout="turned"), dim=0),
        sample(f32(2, 3), unbiased=False),
        sample(f32(3, 150), dim=1).rough(),
        sample(f32(0, 3), dim=1),
        sample(f32(3, data=(2.0, 2.0, 2.0))).rough(),
    ]


_FLOATING = "std and var only support floating point and complex dtypes"


def _spread_errors():
    return [
        refused(RuntimeError, _FLOATING, i64(3)),
        refused(IndexError, "Dimension out of range", f32(3), dim=1),
    ]


def _var_body(x, dims, correction, keep):
    centred = sub(x, mean(x, dims, True))
    total = sum_(mul(centred, centred), attrs=(dims, keep))
    return div(total, float(max(size_of(x._m.shape, dims) - correction, 0)))


def _var_grad(ctx, g):
    attrs = dict(ctx.attrs)
    x = ctx[0]
    dims = attrs["dims"]
    g = restored(g, x._m.shape, dims, attrs["keep"])
    n = size_of(x._m.shape, dims) - attrs["correction"]
    centred = sub(x, mean(x, dims, True))
    return (mul(mul(centred, 2.0 / n if n > 0 else NAN), g),)


def _std_grad(ctx, g):
    attrs = dict(ctx.attrs)
    x = ctx[0]
    dims, keep = attrs["dims"], attrs["keep"]
    g, out = (restored(v, x._m.shape, dims, keep) for v in (g, ctx.out))
    n = size_of(x._m.shape, dims) - attrs["correction"]
    ratio = masked_fill(div(g, out), eq(out, 0.0), 0.0)
    centred = sub(x, mean(x, dims, True))
    return (mul(mul(centred, 1.0 / n if n > 0 else NAN), ratio),)


var_ = Composite(
    "var",
    _var_body,
    _var_grad,
    ((0,),),
    torch=("torch.var", "Tensor.var"),
    samples=_spread_samples,
    errors=_spread_errors,
)
std_ = Composite(
    "std",
    lambda x, dims, correction, keep: sqrt(_var_body(x, dims, correction, keep)),
    _std_grad,
    ((0, -1),),
    torch=("torch.std", "Tensor.std"),
    samples=_spread_samples,
    errors=_spread_errors,
)


def _spread(record):
    def function(x, dims=None, correction=1, keep=False):
        if not x._m.dtype.is_floating_point:
            fail(RuntimeError, _FLOATING, "convert it first, for example with .float()")
        dims = wrap_dims(dims, len(x._m.shape))
        return record(x, attrs=(("dims", dims), ("correction", correction), ("keep", keep)))

    return function


variance = _spread(var_)
std = _spread(std_)


# ---- norms --------------------------------------------------------------------------------------
def _norm_body(x, p, dims, keep):
    attrs = (dims, keep)
    if p == 2:
        return sqrt(sum_(mul(x, x), attrs=attrs))
    if p == 1:
        return sum_(abs_(x), attrs=attrs)
    if p == INF:
        return amax(abs_(x), attrs=attrs)
    if p == -INF:
        return amin(abs_(x), attrs=attrs)
    if p == 0:
        return sum_(cast(ne(x, 0.0), x._m.dtype), attrs=attrs)
    return pow_to(sum_(pow_to(abs_(x), p), attrs=attrs), 1.0 / p)


def _norm_grad(ctx, g):
    attrs = dict(ctx.attrs)
    x, p, dims = ctx[0], attrs["p"], attrs["dims"]
    g, out = (restored(v, x._m.shape, dims, attrs["keep"]) for v in (g, ctx.out))
    if p == 2:
        return (mul(x, masked_fill(div(g, out), eq(out, 0.0), 0.0)),)
    if p == 1:
        return (mul(sign(x), g),)
    if p == 0:
        return (None,)
    if p in (INF, -INF):
        hit = cast(eq(abs_(x), out), x._m.dtype)
        return (mul(mul(sign(x), hit), div(g, sum_(hit, attrs=(dims, True)))),)
    scale = masked_fill(div(g, pow_to(out, p - 1.0)), eq(out, 0.0), 0.0)
    return (mul(mul(sign(x), pow_to(abs_(x), p - 1.0)), scale),)


def _norm_samples():
    found = [sample(f32(2, 3), p=p) for p in (2, 1, 3, 1.5, INF, -INF, 0, "fro")]
    return [
        *found,
        sample(f64(5)),
        sample(f32(2, 3), dim=1),
        sample(f32(2, 3), p=1, dim=0, keepdim=True),
        sample(f32(2, 3, 2), dim=(0, 2)),
        sample(f32(3, 2, layout="turned"), dim=0),
        sample(f32()),
        sample(f32(0, 3), dim=1),
        sample(f32(data=(0.0, 0.0))).rough(),
    ]


norm_ = Composite(
    "norm",
    _norm_body,
    _norm_grad,
    ((0, -1),),
    grad_name="LinalgVectorNormBackward0",
    torch=("torch.norm", "Tensor.norm"),
    samples=_norm_samples,
    errors=lambda: [refused(IndexError, "Dimension out of range", f32(3), dim=1)],
)


# ---- log-sum-exp --------------------------------------------------------------------------------
def _logsumexp_body(x, dims, keep):
    """Shifted by the largest element, so that nothing overflows."""
    top = amax(x, attrs=(dims, True))
    top = masked_fill(top, eq(abs_(top), INF), 0.0)
    total = log(sum_(exp(sub(x, top)), attrs=(dims, keep)))
    if not keep:
        top = view.reshape(top, reduced_shape(x._m.shape, dims, False))
    return add(total, top)


def _logsumexp_grad(ctx, g):
    attrs = dict(ctx.attrs)
    x, dims, keep = ctx[0], attrs["dims"], attrs["keep"]
    g, out = (restored(v, x._m.shape, dims, keep) for v in (g, ctx.out))
    return (mul(g, exp(sub(x, out))),)


logsumexp_ = Composite(
    "logsumexp",
    _logsumexp_body,
    _logsumexp_grad,
    ((0, -1),),
    torch=("torch.logsumexp", "Tensor.logsumexp"),
    samples=lambda: [
        sample(f32(2, 3), dim=1),
        sample(f64(2, 3), dim=0, keepdim=True),
        sample(f32(2, 3), dim=(0, 1)),
        sample(f32(), dim=0),
        sample(f32(3, 2, layout="turned"), dim=0),
        sample(f32(data=(1000.0, 1000.0, -INF)), dim=0).rough(),
        sample(f32(data=(-INF, -INF)), dim=0).rough(),
    ],
    errors=lambda: [refused(IndexError, "Dimension out of range", f32(3), dim=1)],
)


def logsumexp(x, dims, keep=False):
    """log of the sum of exponentials, without overflow."""
    dims = wrap_dims(dims, len(x._m.shape))
    return logsumexp_(x, attrs=(("dims", dims), ("keep", keep)))
