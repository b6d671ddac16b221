"""One of two values for each element: by a condition, by size, within bounds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from nacre.base.dtypes import bool_
from nacre.base.errors import fail
from nacre.base.shapes import broadcast_shapes
from nacre.ir.node import Meta, meta_of
from nacre.ir.tape import written
from nacre.ir.trace import long_name
from nacre.ops.elementwise.arithmetic import div, other
from nacre.ops.elementwise.compare import eq, ge, gt, le, logical_and, logical_or, lt
from nacre.ops.record import Composite, Operation
from nacre.ops.rules import (
    c_name,
    common_dtype,
    device_of,
    elementwise_meta,
    overloads,
    same_type,
)
from nacre.ops.samples import (
    SPECIAL,
    b1,
    binary,
    f32,
    f64,
    i32,
    i64,
    not_a_number,
    refused,
    sample,
    u8,
    unequal,
    unequal_sizes,
)

NAN, INF = float("nan"), float("inf")


# ---- by a condition -----------------------------------------------------------------------------
def _where_infer(attrs, condition, x, y):
    if condition.dtype is not bool_:
        fail(
            RuntimeError,
            "where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{long_name(condition.dtype)}",
        )
    return elementwise_meta(common_dtype(x, y), condition, x, y, numbers=True)


def _where_samples():
    return [
        sample(b1(2, 3), f32(2, 3), f32(2, 3)),
        sample(b1(3), f32(2, 3), f32(2, 1)),
        sample(b1(2, 3), f32(2, 3), 0.5),
        sample(b1(2, 3), 0, f64(3)),
        sample(b1(), f32(), f32()),
        sample(b1(0, 3), f32(3), f32()),
        sample(b1(2, 2), i64(2), f32(2, 1)),
        sample(b1(3), i32(3), u8(3)),
        sample(b1(3), b1(3), i64(3)),
        sample(b1(3), i64(3), 1.5),
        sample(b1(3, 2, layout="turned"), f32(3, 2, layout="turned"), f32(2)),
        sample(b1(8), f32(data=SPECIAL), 0.0).rough(),
        sample(f32(2, 3), b1(2, 3), f32(2, 3)).by("Tensor.where"),
        sample(b1(3), 1.0, 2.0),
    ]


def _where_errors():
    words = "where expected condition to be a boolean tensor, but got a tensor with dtype Float"
    return [
        refused(RuntimeError, words, f32(3), f32(3), f32(3)),
        refused(RuntimeError, unequal(3, 2, 0), b1(3), f32(3), f32(2)),
    ]


where = Operation(
    "where",
    _where_infer,
    lambda attrs, meta, c, x, y: np.where(c, x, y),
    lambda ctx, g: (
        None,
        where(ctx[0], g, 0.0) if ctx.needs[1] else None,
        where(ctx[0], 0.0, g) if ctx.needs[2] else None,
    ),
    ((), (0,), (0,)),
    exact=True,
    scalar=lambda e, c, x, y: e.select(c, x, y),
    compute=lambda attrs, out, *m: (bool_, out, out),
    torch=("torch.where", "Tensor.where"),
    samples=_where_samples,
    errors=_where_errors,
)


def _masked_fill_infer(attrs, x, mask, value):
    if mask.dtype is not bool_:
        fail(
            RuntimeError,
            "masked_fill_ only supports boolean masks, but got mask with dtype "
            f"{c_name(mask.dtype)}",
            "compare to make a mask: mask != 0",
        )
    if isinstance(value, Meta) and value.shape:
        fail(
            RuntimeError,
            "masked_fill_ only supports a 0-dimensional value tensor, but got tensor with "
            f"{len(value.shape)} dimension(s).",
        )
    return meta_of(broadcast_shapes(x.shape, mask.shape), x.dtype, None, device_of((x, mask)))


def _masked_fill_samples():
    return [
        sample(f32(2, 3), b1(2, 3), 0.5),
        sample(f32(2, 3), b1(3), -1),
        sample(f32(2, 3), b1(2, 1), INF).rough(),
        sample(f64(2, 2), b1(2, 2), NAN).rough(),
        sample(f32(), b1(), 2.0),
        sample(f32(0, 3), b1(3), 2.0),
        sample(i64(4), b1(4), 7),
        sample(b1(4), b1(2, 1, 4), True).only("torch.masked_fill"),
        sample(f32(3, 2, layout="turned"), b1(3, 2), 0.0),
        sample(f32(2, 3), b1(2, 3), f32()),
    ]


def _masked_fill_errors():
    return [
        refused(RuntimeError, "masked_fill_ only supports boolean masks", f32(3), i64(3), 0.0),
        refused(RuntimeError, "with dtype unsigned char", f32(3), u8(3), 0.0),
        refused(RuntimeError, "supports a 0-dimensional value tensor", f32(3), b1(3), f32(3)),
    ]


masked_fill = Operation(
    "masked_fill",
    _masked_fill_infer,
    lambda attrs, meta, x, mask, value: np.where(mask, value, x),
    lambda ctx, g: (
        masked_fill(g, ctx[1], 0.0) if ctx.needs[0] else None,
        None,
        where(ctx[1], g, 0.0) if ctx.needs[2] else None,
    ),
    ((1,), (), (1,)),
    names=overloads("MaskedFill", 1, 0),
    exact=True,
    scalar=lambda e, x, mask, value: e.select(mask, value, x),
    compute=lambda attrs, out, *m: (out, bool_, out),
    torch=("torch.masked_fill", "Tensor.masked_fill", "Tensor.masked_fill_"),
    samples=_masked_fill_samples,
    errors=_masked_fill_errors,
)


# ---- by size ------------------------------------------------------------------------------------
def _extreme_samples():
    ties = f32(data=(1.0, 2.0, NAN, 0.0, -0.0, INF))
    return [
        *binary(numbers=False)(),
        sample(ties, f32(data=(1.0, 3.0, 1.0, -0.0, 0.0, -INF))).rough(),
        sample(f32(data=(1.0, 2.0)), f32(data=(1.0, 1.0))).rough(),
    ]


def _extreme(name, function, beats):
    def grad(ctx, g):
        x, y = other(ctx, 0), other(ctx, 1)
        shared = where(eq(x, y), div(g, 2.0), g)
        return (
            written(masked_fill(shared, beats(y, x), 0.0)) if ctx.needs[0] else None,
            written(masked_fill(shared, beats(x, y), 0.0)) if ctx.needs[1] else None,
        )

    return Operation(
        name,
        same_type,
        lambda attrs, meta, x, y: function(x, y),
        grad,
        ((0, 1), (0, 1)),
        exact=True,
        scalar=lambda e, x, y: getattr(e, name)(x, y),
        torch=(f"torch.{name}", f"Tensor.{name}"),
        samples=_extreme_samples,
        errors=lambda: unequal_sizes() + not_a_number(),
    )


maximum = _extreme("maximum", np.maximum, gt)
minimum = _extreme("minimum", np.minimum, lt)


# ---- within bounds ------------------------------------------------------------------------------
def _clamp_numpy(attrs, meta, x, *bounds):
    bounds = list(bounds)
    low = bounds.pop(0) if attrs[0] else None
    high = bounds.pop(0) if attrs[1] else None
    if low is not None:
        x = np.where(x < low, low, x)
    return x if high is None else np.where(x > high, high, x)


def _clamp_scalar(e, x, *bounds, low=True, high=True):
    bounds = list(bounds)
    if low:
        bound = bounds.pop(0)
        x = e.select(e.lt(x, bound), bound, x)
    if high:
        bound = bounds.pop(0)
        x = e.select(e.gt(x, bound), bound, x)
    return x


def _clamp_grad(ctx, g):
    x = ctx[0]
    bounds = list(ctx.numbers)
    inside = None
    for on, compare in zip(ctx.attrs, (ge, le), strict=True):
        if on:
            test = compare(x, bounds.pop(0))
            inside = test if inside is None else logical_and(inside, test)
    return (where(inside, g, 0.0), *[None] * len(ctx.numbers))


def _clamp_samples():
    return [
        sample(f32(2, 3), -1.0, 1.0),
        sample(f32(2, 3), min=-0.5),
        sample(f32(2, 3), max=0.5),
        sample(f32(2, 3), 1.0, -1.0),
        sample(f64(4), 0, 1),
        sample(f32(), 0.5, 1.5),
        sample(f32(0, 2), 0.0, 1.0),
        sample(f32(3, 2, layout="turned"), -1, 1),
        sample(i64(4), 0, 2),
        sample(i64(4), -0.5, 2.5).only("torch.clip"),
        sample(u8(4), 1, 3),
        sample(i32(4), max=1),
        sample(f32(data=SPECIAL), -1.0, 1.0).rough(),
    ]


def _one_bound():
    return [
        sample(f32(2, 3), 0.5),
        sample(f64(4), -1),
        sample(i64(4), 1),
        sample(f32(3, 2, layout="turned"), 0),
        sample(f32(), 1.0),
        sample(f32(0, 2), 1.0),
        sample(f32(data=SPECIAL), 1.0).rough(),
    ]


clamp = Operation(
    "clamp",
    lambda attrs, x, *bounds: elementwise_meta(common_dtype(x, *bounds), x),
    _clamp_numpy,
    _clamp_grad,
    ((0,),),
    grad_name="ClampBackward1",
    exact=True,
    scalar=_clamp_scalar,
    constants=lambda attrs: (("low", attrs[0]), ("high", attrs[1])),
    torch=("torch.clamp", "torch.clip", "Tensor.clamp", "Tensor.clip", "Tensor.clamp_"),
    samples=_clamp_samples,
    errors=lambda: [
        refused(RuntimeError, "At least one of 'min' or 'max' must not be None", f32(3))
    ],
)
clamp_min = replace(
    clamp,
    name="clamp_min",
    grad_name="ClampMinBackward0",
    torch=("torch.clamp_min", "Tensor.clamp_min", "Tensor.clamp_min_"),
    samples=_one_bound,
    errors=None,
    _where={},
)
clamp_max = replace(
    clamp,
    name="clamp_max",
    grad_name="ClampMaxBackward0",
    torch=("torch.clamp_max", "Tensor.clamp_max", "Tensor.clamp_max_"),
    samples=_one_bound,
    errors=None,
    _where={},
)


# ---- within bounds that are tensors -------------------------------------------------------------
def _between_body(x, *bounds, low, high):
    bounds = list(bounds)
    if low:
        x = maximum(x, bounds.pop(0))
    return minimum(x, bounds.pop(0)) if high else x


def _between_grad(ctx, g):
    """To the bound that holds x back, else to x; the upper bound wins where they cross."""
    on = dict(ctx.attrs)
    x = ctx[0]
    low = ctx[1] if on["low"] else None
    high = ctx[-1 + len(ctx.metas)] if on["high"] else None
    if low is None:
        return where(le(x, high), g, 0.0), where(gt(x, high), g, 0.0)
    if high is None:
        return where(ge(x, low), g, 0.0), where(lt(x, low), g, 0.0)
    return (
        where(logical_and(ge(x, low), le(x, high)), g, 0.0),
        where(logical_and(lt(x, low), lt(low, high)), g, 0.0),
        where(logical_or(gt(x, high), gt(low, high)), g, 0.0),
    )


def _between_samples():
    low, high = f32(3, low=-1, high=0), f32(1, low=0.5, high=1)
    return [
        sample(f32(2, 3), low, high),
        sample(f32(2, 3), min=low),
        sample(f64(2, 3), max=f64(2, 1)),
        sample(f32(3, 2, layout="turned"), f32(), f32()),
        sample(i64(4), i64(4, low=0, high=1), i64(low=2, high=3)),
        sample(f32(0, 3), low, high),
    ]


clamp_between = Composite(
    "clamp_between",
    _between_body,
    _between_grad,
    ((0, 1, 2), (0, 1, 2), (0, 1, 2)),
    grad_name="ClampBackward0",
    torch=("torch.clamp", "Tensor.clamp", "Tensor.clamp_"),
    samples=_between_samples,
    errors=lambda: [refused(RuntimeError, unequal(3, 4, 0), f32(3), f32(4))],
)
