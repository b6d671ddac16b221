"""Operations that reduce dimensions: sums, products, extremes, tests."""

from __future__ import annotations

import numpy as np

from nacre.base.dtypes import bool_, int64
from nacre.base.errors import fail
from nacre.base.shapes import wrap_dims
from nacre.ir.node import meta_of
from nacre.ops import view
from nacre.ops.elementwise import (
    abs_,
    cast,
    div,
    eq,
    exp,
    log,
    masked_fill,
    mul,
    ne,
    pow_number,
    sign,
    sqrt,
    sub,
    where,
)
from nacre.ops.record import Composite, Operation


def reduced_shape(shape, dims, keep):
    """The shape with these dimensions removed, or kept with size 1."""
    if keep:
        return tuple(1 if i in dims else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dims)


def _infer(dtype_rule, empty_words=None):
    def infer(attrs, x):
        dims, keep = attrs
        if empty_words and x.numel == 0 and any(x.shape[d] == 0 for d in dims):
            fail(IndexError, empty_words(x, dims))
        return meta_of(reduced_shape(x.shape, dims, keep), dtype_rule(x.dtype), None, x.device)

    return infer


def _reduction(name, kind, function, rule, grad=None, saves=(), empty=None, **more):
    return Operation(
        name,
        _infer(rule, empty),
        lambda attrs, meta, x: function(x, axis=attrs[0], keepdims=attrs[1]),
        grad,
        saves,
        kind="reduce",
        lower=kind,
        compute=lambda attrs, out, x: out if kind in ("sum", "prod") else x.dtype,
        **more,
    )


def _same(d):
    return d


def _widened(d):
    return d if d.is_floating_point else int64


def spread(g, ctx):
    """A gradient of reduced shape as one of the operand's shape (an expanded view)."""
    dims, keep = ctx.attrs
    shape = ctx.metas[0].shape
    if not keep:
        g = view.reshape(g, reduced_shape(shape, dims, True))
    return view.expand(g, tuple(shape))


sum_ = _reduction(
    "sum",
    "sum",
    np.sum,
    _widened,
    lambda ctx, g: (spread(g, ctx),),
    torch=("torch.sum", "Tensor.sum"),
)


def sum_dims(x, dims=None, keep=False):
    """The sum over dimensions, all of them by default."""
    return sum_(x, attrs=(wrap_dims(dims, len(x._m.shape)), keep))


def sum_to(x, shape):
    """Sum a broadcast value back to `shape`."""
    extra = len(x._m.shape) - len(shape)
    dims = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and x._m.shape[i + extra] != 1
    )
    if dims:
        x = sum_(x, attrs=(dims, True))
    return view.reshape(x, tuple(shape)) if extra else x


def _mean_body(x, dims, keep):
    n = 1
    for d in dims:
        n *= x._m.shape[d]
    total = sum_(x, attrs=(dims, keep))
    return div(total, n)


def _mean_grad(ctx, g):
    attrs = dict(ctx.attrs)
    shape = ctx.metas[0].shape
    dims = attrs["dims"]
    n = 1
    for d in dims:
        n *= shape[d]
    if not attrs["keep"]:
        g = view.reshape(g, reduced_shape(shape, dims, True))
    return (div(view.expand(g, tuple(shape)), n),)


mean_ = Composite(
    "mean",
    _mean_body,
    _mean_grad,
    torch=("torch.mean", "Tensor.mean"),
)


def mean(x, dims=None, keep=False):
    """The arithmetic mean over dimensions, all of them by default."""
    d = x._m.dtype
    if not d.is_floating_point:
        fail(
            RuntimeError,
            "mean(): could not infer output dtype. Input dtype must be either a floating point or "
            f"complex dtype. Got: {_scalar_name(d)}",
            "convert it first: x.float().mean()",
        )
    dims = wrap_dims(dims, len(x._m.shape))
    return mean_(x, attrs=(("dims", dims), ("keep", keep)))


def _scalar_name(d):
    return d.legacy.removesuffix("Tensor")


prod_ = _reduction(
    "prod",
    "prod",
    np.prod,
    _widened,
    lambda ctx, g: (_prod_grad(ctx, g),),
    ((0,),),
    torch=("torch.prod", "Tensor.prod"),
)


def _prod_grad(ctx, g):
    x = ctx[0]
    spread_g = spread(g, ctx)
    zero = eq(x, 0.0)
    zeros = sum_(cast(zero, int64), attrs=(ctx.attrs[0], True))
    filled = masked_fill(x, zero, 1.0)
    others = prod_(filled, attrs=(ctx.attrs[0], True))
    none = div(mul(spread_g, others), filled)
    none = where(eq(zeros, 0), none, 0.0)
    one = where(zero, mul(spread_g, others), 0.0)
    return where(eq(zeros, 1), one, none)


def _empty_words(x, dims):
    d = next(d for d in dims if x.shape[d] == 0)
    return f"amax(): Expected reduction dim {d} to have non-zero size."


def _even(ctx, g):
    """The gradient of an extreme goes in equal parts to all elements that attain it."""
    x = ctx[0]
    out = ctx.out
    dims, keep = ctx.attrs
    if not keep:
        out = view.reshape(out, reduced_shape(x._m.shape, dims, True))
    hit = eq(x, out)
    count = sum_(cast(hit, x._m.dtype), attrs=(dims, True))
    return (mul(div(spread(g, ctx), count), cast(hit, x._m.dtype)),)


amax = _reduction(
    "amax",
    "max",
    np.max,
    _same,
    _even,
    ((0, -1),),
    _empty_words,
    torch=("torch.amax", "Tensor.max"),
)
amin = _reduction(
    "amin",
    "min",
    np.min,
    _same,
    _even,
    ((0, -1),),
    lambda x, dims: _empty_words(x, dims).replace("amax", "amin"),
    torch=("torch.amin", "Tensor.min"),
)
any_ = _reduction("any", "any", np.any, lambda d: bool_, torch=("torch.any", "Tensor.any"))
all_ = _reduction("all", "all", np.all, lambda d: bool_, torch=("torch.all", "Tensor.all"))


def _arg_numpy(function):
    def meaning(x, axis, keepdims):
        if len(axis) == x.ndim and x.ndim != 1:
            r = np.asarray(function(x.reshape(-1), axis=0))
            return r.reshape((1,) * x.ndim) if keepdims else r
        return function(x, axis=axis[0], keepdims=keepdims) if axis else np.zeros((), np.int64)

    return meaning


def _arg(name, function):
    return _reduction(
        name,
        name,
        _arg_numpy(function),
        lambda d: int64,
        empty=lambda x, dims: f"{name}(): Expected reduction dim {dims[0]} to have non-zero size.",
        torch=(f"torch.{name}", f"Tensor.{name}"),
    )


argmax = _arg("argmax", np.argmax)
argmin = _arg("argmin", np.argmin)


def variance(x, dims=None, correction=1, keep=False):
    """The mean squared distance from the mean, over n - correction."""
    if not x._m.dtype.is_floating_point:
        fail(RuntimeError, "std and var only support floating point and complex dtypes")
    dims = wrap_dims(dims, len(x._m.shape))
    return var_(x, attrs=(("dims", dims), ("correction", correction), ("keep", keep)))


def _count(shape, dims):
    n = 1
    for d in dims:
        n *= shape[d]
    return n


def _var_body(x, dims, correction, keep):
    n = _count(x._m.shape, dims)
    centred = sub(x, mean(x, dims, True))
    total = sum_(mul(centred, centred), attrs=(dims, keep))
    return div(total, float(max(n - correction, 0)))


def _var_grad(ctx, g):
    attrs = dict(ctx.attrs)
    x = ctx[0]
    dims = attrs["dims"]
    if not attrs["keep"]:
        g = view.reshape(g, reduced_shape(x._m.shape, dims, True))
    n = _count(x._m.shape, dims) - attrs["correction"]
    scale = 2.0 / n if n > 0 else float("nan")
    return (mul(mul(sub(x, mean(x, dims, True)), scale), g),)


var_ = Composite("var", _var_body, _var_grad, ((0,),), torch=("torch.var", "Tensor.var"))


def _std_grad(ctx, g):
    attrs = dict(ctx.attrs)
    x, out = ctx[0], ctx.out
    dims = attrs["dims"]
    if not attrs["keep"]:
        shape = reduced_shape(x._m.shape, dims, True)
        g, out = view.reshape(g, shape), view.reshape(out, shape)
    n = _count(x._m.shape, dims) - attrs["correction"]
    scale = 1.0 / n if n > 0 else float("nan")
    ratio = masked_fill(div(g, out), eq(out, 0.0), 0.0)
    return (mul(mul(sub(x, mean(x, dims, True)), scale), ratio),)


std_ = Composite(
    "std",
    lambda x, dims, correction, keep: sqrt(_var_body(x, dims, correction, keep)),
    _std_grad,
    ((0, -1),),
    torch=("torch.std", "Tensor.std"),
)


def std(x, dims=None, correction=1, keep=False):
    """The square root of the variance."""
    if not x._m.dtype.is_floating_point:
        fail(RuntimeError, "std and var only support floating point and complex dtypes")
    dims = wrap_dims(dims, len(x._m.shape))
    return std_(x, attrs=(("dims", dims), ("correction", correction), ("keep", keep)))


def _norm_body(x, p, dims, keep):
    if p == 2:
        return sqrt(sum_(mul(x, x), attrs=(dims, keep)))
    if p == 1:
        return sum_(abs_(x), attrs=(dims, keep))
    if p == float("inf"):
        return amax(abs_(x), attrs=(dims, keep))
    if p == float("-inf"):
        return amin(abs_(x), attrs=(dims, keep))
    if p == 0:
        return sum_(cast(ne(x, 0.0), x._m.dtype), attrs=(dims, keep))
    return pow_number(sum_(pow_number(abs_(x), attrs=p), attrs=(dims, keep)), attrs=1.0 / p)


def _norm_grad(ctx, g):
    attrs = dict(ctx.attrs)
    x, out, p = ctx[0], ctx.out, attrs["p"]
    dims = attrs["dims"]
    if not attrs["keep"]:
        shape = reduced_shape(x._m.shape, dims, True)
        g, out = view.reshape(g, shape), view.reshape(out, shape)
    if p == 2:
        return (mul(x, masked_fill(div(g, out), eq(out, 0.0), 0.0)),)
    if p == 1:
        return (mul(sign(x), g),)
    if p == 0:
        return (mul(x, 0.0),)
    if p in (float("inf"), float("-inf")):
        hit = cast(eq(abs_(x), out), x._m.dtype)
        count = sum_(hit, attrs=(dims, True))
        return (mul(mul(sign(x), hit), div(g, count)),)
    scale = masked_fill(div(g, pow_number(out, attrs=p - 1.0)), eq(out, 0.0), 0.0)
    return (mul(mul(sign(x), pow_number(abs_(x), attrs=p - 1.0)), scale),)


norm_ = Composite(
    "norm",
    _norm_body,
    _norm_grad,
    ((0, -1),),
    grad_name="LinalgVectorNormBackward0",
    torch=("torch.norm", "Tensor.norm", "torch.linalg.vector_norm"),
)


def logsumexp(x, dims, keep=False):
    """log of the sum of exponentials, without overflow."""
    dims = wrap_dims(dims, len(x._m.shape))
    top = amax(x.detach(), attrs=(dims, True))
    top = masked_fill(top, eq(abs_(top), float("inf")), 0.0)
    total = log(sum_(exp(sub(x, top)), attrs=(dims, keep)))
    if not keep:
        top = view.reshape(top, reduced_shape(x._m.shape, dims, False))
    return total + top
