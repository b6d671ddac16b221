"""Powers, and division with a remainder."""

from __future__ import annotations

import math

import numpy as np

from nacre.base.errors import fail
from nacre.ir.node import Meta
from nacre.ops.create import zeros_like
from nacre.ops.elementwise.arithmetic import div, mul, neg, other, sub
from nacre.ops.elementwise.choose import masked_fill
from nacre.ops.elementwise.compare import eq, ge, logical_and
from nacre.ops.elementwise.functions import floor, log
from nacre.ops.record import Operation
from nacre.ops.rules import common_dtype, elementwise_meta, floating, overloads, same_type
from nacre.ops.samples import (
    SPECIAL,
    f32,
    f64,
    floats_of_two,
    i32,
    i64,
    refused,
    sample,
    u8,
    unequal_sizes,
)


# ---- to a number --------------------------------------------------------------------------------
def _pow_number_infer(attrs, x):
    exponent, kind = attrs
    if not x.dtype.is_floating_point:
        if kind is float:
            return floating(None, x)
        if exponent < 0:
            fail(
                RuntimeError,
                "Integers to negative integer powers are not allowed.",
                "convert the tensor first, for example with .float()",
            )
    return elementwise_meta(common_dtype(x, kind), x)


def _pow_number_grad(ctx, g):
    exponent, _ = ctx.attrs
    if exponent == 0:
        return (zeros_like(g),)
    return (mul(g, mul(pow_to(ctx[0], exponent - 1), float(exponent))),)


def _power_of(e, x, exponent):
    """x to a number that is known when the kernel is made."""
    floating_point = x.dtype.is_floating_point
    if exponent == 2:
        return e.mul(x, x)
    if exponent == 3:
        return e.mul(e.mul(x, x), x)
    if exponent == 1:
        return x
    if exponent == 0:
        return e.const(1, x)
    if exponent == 0.5:
        return e.sqrt(x)
    if exponent == -0.5:
        return e.div(e.const(1, x), e.sqrt(x))
    if exponent == -1 and floating_point:
        return e.div(e.const(1, x), x)
    if exponent == -2 and floating_point:
        return e.div(e.const(1, x), e.mul(x, x))
    return e.pow(x, e.const(exponent, x)) if floating_point else _by_squaring(e, x, int(exponent))


def _by_squaring(e, x, exponent):
    result = None
    while exponent:
        if exponent & 1:
            result = x if result is None else e.mul(result, x)
        x = e.mul(x, x)
        exponent >>= 1
    return result


def _pow_number_samples():
    positive = f32(2, 3, low=0.25, high=2.0)
    found = [sample(f32(2, 3), n) for n in (2, 3, 2.0, 1, 0, -1, -2.0, 4, 5)]
    found += [sample(positive, p) for p in (0.5, 1.5, -0.5, -1.5, 0.3)]
    found += [sample(f64(4), 3), sample(f64(2, 2, low=0.25), 2.5), sample(f32(), 2)]
    found += [sample(f32(0, 2), 2), sample(f32(3, 2, layout="turned"), 2), sample(i64(), 2)]
    found += [sample(i64(4), 2), sample(i64(3), 5), sample(i32(3), 3), sample(u8(3), 2)]
    found += [sample(i64(3), 0), sample(i64(3, low=1, high=5), 0.5), sample(i64(3), 2.0)]
    found += [sample(f32(data=SPECIAL), p).rough() for p in (2, 3, 0.5, -1, 0, 1.5, -2)]
    return found


pow_number = Operation(
    "pow_number",
    _pow_number_infer,
    lambda attrs, meta, x: np.power(x, np.asarray(attrs[0], x.dtype)),
    _pow_number_grad,
    ((0,),),
    grad_name="PowBackward0",
    scalar=lambda e, x, value=None: _power_of(e, x, value),
    constants=lambda attrs: (("value", attrs[0]),),
    compute=lambda attrs, out, *m: out,
    torch=("torch.pow", "Tensor.pow", "Tensor.__pow__", "Tensor.pow_", "Tensor.__ipow__"),
    samples=_pow_number_samples,
    errors=lambda: [
        refused(RuntimeError, "Integers to negative integer powers are not allowed.", i64(3), -1)
    ],
)


def pow_to(x, exponent):
    """x to a number; its type is told too, since 2 and 2.0 are equal and give other types."""
    return pow_number(x, attrs=(exponent, exponent.__class__))


# ---- to a tensor --------------------------------------------------------------------------------
def _pow_grad(ctx, g):
    x, y = other(ctx, 0), other(ctx, 1)
    first = second = None
    if ctx.needs[0]:
        first = mul(g, mul(y, power(x, sub(y, 1.0))))
        first = masked_fill(first, eq(y, 0.0), 0.0)
    if ctx.needs[1]:
        if isinstance(ctx.metas[0], Meta):
            still = logical_and(eq(x, 0.0), ge(y, 0.0))
            second = masked_fill(mul(g, mul(ctx.out, log(x))), still, 0.0)
        else:
            base = math.log(x) if x > 0 else math.nan
            second = mul(g, mul(ctx.out, base))
    return first, second


def _pow_samples():
    rough = [
        sample(f32(data=SPECIAL), f32(8, 1, data=SPECIAL)).rough(),
        sample(f32(data=(0.0, 0.0, -2.0, -2.0)), f32(data=(0.0, 2.0, 2.0, 3.0))).rough(),
    ]
    whole = [
        sample(i64(3), i64(3, low=0, high=4)),
        sample(i32(3), u8(3)),
        sample(i64(3, low=1, high=4), f32(3)),
    ]
    reflected = [
        sample(f32(2, 3), 2.0).by("Tensor.__rpow__"),
        sample(f64(2), 3).by("Tensor.__rpow__"),
        sample(i64(3, low=0, high=4), 2).by("Tensor.__rpow__"),
    ]
    return floats_of_two(low=0.25, high=2.0) + rough + whole + reflected


power = Operation(
    "pow",
    same_type,
    lambda attrs, meta, x, y: np.power(x, y),
    _pow_grad,
    ((0, 1), (0, 1, -1)),
    names=lambda attrs, metas: f"PowBackward{1 if isinstance(metas[0], Meta) else 2}",
    scalar=lambda e, x, y: e.pow(x, y),
    torch=("torch.pow", "Tensor.pow", "Tensor.__pow__", "Tensor.__rpow__", "Tensor.pow_"),
    samples=_pow_samples,
    errors=unequal_sizes,
)


# ---- division with a remainder ------------------------------------------------------------------
def _division_samples():
    whole = [
        sample(i64(data=(7, -7, 7, -7)), i64(data=(2, 2, -2, -2))),
        sample(i32(data=(7, -7)), 3),
        sample(u8(data=(7, 250)), u8(data=(2, 7))),
        sample(i64(3), f32(3, low=0.5, high=2.0)),
        sample(i64(0), i64(0, low=1)),
    ]
    numbers = [sample(f32(2, 3), 0.75), sample(f64(3), -2)]
    x = f32(data=(1.0, -1.0, 0.0, float("inf"), float("nan"), 5.5), fixed=True)
    y = f32(data=(0.0, 0.0, 0.0, 2.0, 1.0, float("inf")), fixed=True)
    rough = [sample(x, y).rough()]
    return floats_of_two(low=0.25, high=2.0) + whole + numbers + rough


def _no_derivative(ctx, g):
    fail(
        RuntimeError,
        "derivative for aten::floor_divide is not implemented",
        "take it out of what is differentiated, for example with .detach()",
    )


floor_divide = Operation(
    "floor_divide",
    same_type,
    lambda attrs, meta, x, y: np.floor_divide(x, y),
    _no_derivative,
    grad_name="NotImplemented",
    scalar=lambda e, x, y: e.floor_div(x, y),
    torch=("torch.floor_divide", "Tensor.floor_divide", "Tensor.__floordiv__",
           "Tensor.floor_divide_"),
    samples=_division_samples,
    errors=lambda: [*unequal_sizes(), refused(RuntimeError, "ZeroDivisionError", i64(3), 0)],
)  # fmt: skip
remainder = Operation(
    "remainder",
    same_type,
    lambda attrs, meta, x, y: np.remainder(x, y),
    lambda ctx, g: (
        g,
        neg(mul(g, floor(div(other(ctx, 0), other(ctx, 1))))) if ctx.needs[1] else None,
    ),
    ((), (0, 1)),
    names=overloads("Remainder", 1, 0),
    scalar=lambda e, x, y: e.remainder(x, y),
    torch=("torch.remainder", "Tensor.remainder", "Tensor.__mod__", "Tensor.remainder_"),
    samples=_division_samples,
    errors=lambda: [*unequal_sizes(), refused(RuntimeError, "ZeroDivisionError", i64(3), 0)],
)
