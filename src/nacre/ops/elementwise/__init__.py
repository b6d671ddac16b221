"""Operations on one element at a time, by kind."""

from nacre.ops.elementwise.arithmetic import (
    add,
    add_scaled,
    addcdiv,
    addcmul,
    div,
    lerp,
    mul,
    neg,
    rsub,
    sub,
    sub_scaled,
)
from nacre.ops.elementwise.choose import (
    clamp,
    clamp_between,
    clamp_max,
    clamp_min,
    masked_fill,
    maximum,
    minimum,
    where,
)
from nacre.ops.elementwise.compare import (
    bitwise_and,
    bitwise_not,
    bitwise_or,
    bitwise_xor,
    eq,
    ge,
    gt,
    isnan,
    le,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    lt,
    ne,
)
from nacre.ops.elementwise.copies import cast, clone, copy, to_copy
from nacre.ops.elementwise.error_function import erf
from nacre.ops.elementwise.functions import (
    abs_,
    ceil,
    cos,
    exp,
    exp2,
    expm1,
    floor,
    log,
    log1p,
    log2,
    log10,
    reciprocal,
    relu,
    round_,
    rsqrt,
    sigmoid,
    sign,
    sin,
    sqrt,
    tan,
    tanh,
    threshold_backward,
    trunc,
)
from nacre.ops.elementwise.powers import floor_divide, pow_number, pow_to, power, remainder
from nacre.ops.rules import common_dtype

__all__ = [
    "abs_", "add", "add_scaled", "addcdiv", "addcmul", "bitwise_and", "bitwise_not", "bitwise_or",
    "bitwise_xor", "cast", "ceil", "clamp", "clamp_between", "clamp_max", "clamp_min", "clone",
    "common_dtype", "copy", "cos", "div", "eq", "erf", "exp", "exp2", "expm1", "floor",
    "floor_divide", "ge", "gt", "isnan", "le", "lerp", "log", "log10", "log1p", "log2",
    "logical_and", "logical_not", "logical_or", "logical_xor", "lt", "masked_fill", "maximum",
    "minimum", "mul", "ne", "neg", "pow_number", "pow_to", "power", "reciprocal", "relu",
    "remainder", "round_", "rsqrt", "rsub", "sigmoid", "sign", "sin", "sqrt", "sub", "sub_scaled",
    "tan", "tanh", "threshold_backward", "to_copy", "trunc", "where",
]  # fmt: skip
