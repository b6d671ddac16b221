"""Comparison and logic: results are bool, or the bits of integers."""

from __future__ import annotations

import numpy as np

from nacre.base.dtypes import bool_
from nacre.base.errors import fail
from nacre.ir.trace import long_name
from nacre.ops.create import zeros_like
from nacre.ops.record import Operation
from nacre.ops.rules import boolean, common_dtype, elementwise_meta, overloads
from nacre.ops.samples import (
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
    unary,
    unequal,
    unequal_sizes,
)


def _ties():
    return [
        sample(f32(data=(1.0, 2.0, 3.0)), f32(data=(1.0, 3.0, 2.0))),
        sample(i64(data=(1, 2, 3)), 2),
        sample(u8(data=(0, 200, 255)), -1),
        sample(i32(data=(1, 2, 3)), 1.5),
    ]


def _compare(name, function, method, *more):
    return Operation(
        name,
        boolean,
        lambda attrs, meta, x, y: function(x, y),
        lambda ctx, g: (zeros_like(g), zeros_like(g)),
        names=overloads(name.capitalize(), 1, 0),
        exact=True,
        scalar=lambda e, x, y: getattr(e, method)(x, y),
        compute=lambda attrs, out, *m: common_dtype(*m),
        torch=(f"torch.{name}", f"Tensor.{name}", f"Tensor.__{name}__", f"Tensor.{name}_", *more),
        samples=lambda: binary()() + _ties(),
        errors=unequal_sizes,
    )


eq = _compare("eq", np.equal, "eq")
ne = _compare("ne", np.not_equal, "ne", "torch.not_equal")
lt = _compare("lt", np.less, "lt", "torch.less")
le = _compare("le", np.less_equal, "le", "torch.less_equal")
gt = _compare("gt", np.greater, "gt", "torch.greater")
ge = _compare("ge", np.greater_equal, "ge", "torch.greater_equal")


def _logical(name, function, method):
    return Operation(
        name,
        boolean,
        lambda attrs, meta, x, y: function(x, y),
        exact=True,
        scalar=lambda e, x, y: getattr(e, method)(x, y),
        compute=lambda attrs, out, *m: bool_,
        torch=(f"torch.{name}", f"Tensor.{name}", f"Tensor.{name}_"),
        samples=binary(numbers=False),
        errors=lambda: unequal_sizes() + not_a_number(),
    )


logical_and = _logical("logical_and", np.logical_and, "and_")
logical_or = _logical("logical_or", np.logical_or, "or_")
logical_xor = _logical("logical_xor", np.logical_xor, "xor")
logical_not = Operation(
    "logical_not",
    boolean,
    lambda attrs, meta, x: np.logical_not(x),
    exact=True,
    scalar=lambda e, x: e.not_(x),
    compute=lambda attrs, out, *m: bool_,
    torch=("torch.logical_not", "Tensor.logical_not", "Tensor.logical_not_"),
    samples=unary(),
)


# ---- bits ---------------------------------------------------------------------------------------
def _integral(name):
    def infer(attrs, *operands):
        d = common_dtype(*operands)
        if d.is_floating_point:
            fail(NotImplementedError, f"\"{name}_cpu\" not implemented for '{long_name(d)}'")
        return elementwise_meta(d, *operands)

    return infer


def _of_bits():
    return [
        sample(i64(2, 3), i64(2, 3)),
        sample(i64(2, 3), i32(3)),
        sample(i32(2, 1), u8(1, 3)),
        sample(u8(4), u8(4)),
        sample(b1(4), b1(2, 1)),
        sample(b1(4), i64(4)),
        sample(i64(), i64()),
        sample(i64(0, 2), i64(2)),
        sample(i64(3), 3),
        sample(b1(3), True),
        sample(i32(3, 2, layout="turned"), i32(3, 2)),
    ]


def _bitwise(name, function, method, operator):
    return Operation(
        name,
        _integral(name),
        lambda attrs, meta, x, y: function(x, y),
        exact=True,
        scalar=lambda e, x, y: getattr(e, method)(x, y),
        torch=(f"torch.{name}", f"Tensor.{name}", f"Tensor.{operator}", f"Tensor.{name}_"),
        samples=_of_bits,
        errors=lambda: [
            refused(NotImplementedError, "not implemented for 'Float'", f32(3), f32(3)),
            refused(NotImplementedError, "not implemented for 'Double'", f64(3), i64(3)),
            refused(RuntimeError, unequal(2, 3, 0), b1(2), b1(3)),
        ],
    )


bitwise_and = _bitwise("bitwise_and", np.bitwise_and, "and_", "__and__")
bitwise_or = _bitwise("bitwise_or", np.bitwise_or, "or_", "__or__")
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor, "xor", "__xor__")
bitwise_not = Operation(
    "bitwise_not",
    _integral("bitwise_not"),
    lambda attrs, meta, x: np.invert(x),
    exact=True,
    scalar=lambda e, x: e.not_(x),
    torch=("torch.bitwise_not", "Tensor.bitwise_not", "Tensor.__invert__", "Tensor.bitwise_not_"),
    samples=lambda: [
        sample(x)
        for x in (i64(2, 3), i32(3), u8(4), b1(4), i64(), i64(0), i32(3, 2, layout="turned"))
    ],
    errors=lambda: [
        refused(NotImplementedError, "not implemented for 'Float'", f32(3)).only(
            "torch.bitwise_not"
        ),
        refused(TypeError, "is only implemented on integer", f32(3)).only("Tensor.__invert__"),
    ],
)
isnan = Operation(
    "isnan",
    boolean,
    lambda attrs, meta, x: x != x,
    exact=True,
    scalar=lambda e, x: e.ne(x, x),
    compute=lambda attrs, out, m: m.dtype,
    torch=("torch.isnan", "Tensor.isnan"),
    samples=unary(),
)
