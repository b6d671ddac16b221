"""Operations on one element at a time: arithmetic, comparison, casts, the usual functions."""

from __future__ import annotations

import math

import numpy as np

from nacre.base.dtypes import bool_, dtype
from nacre.base.errors import fail
from nacre.ir.node import Meta, meta_of
from nacre.ops.record import (
    Composite,
    Operation,
    boolean,
    common_dtype,
    elementwise_meta,
    floating,
    same_type,
)


def _value(samples):
    return samples


# ---- moving values ------------------------------------------------------------------------------
def _clone_infer(attrs, x):
    if attrs is not None:
        return meta_of(x.shape, x.dtype, attrs, x.device)
    return elementwise_meta(x.dtype, x)


clone = Operation(
    "clone",
    _clone_infer,
    lambda attrs, meta, x: x,
    lambda ctx, g: (g,),
    exact=True,
    scalar=lambda e, x: x,
    torch=("torch.clone", "Tensor.clone", "Tensor.contiguous"),
)
copy = Operation(
    "copy",
    lambda attrs, x: attrs,
    lambda attrs, meta, x: x,
    lambda ctx, g: (g,),
    grad_name="CopyBackwards",
    exact=True,
    scalar=lambda e, x: x,
    compute=lambda attrs, out, x: out,
    torch=("Tensor.copy_",),
)
to_copy = Operation(
    "cast",
    lambda attrs, x: elementwise_meta(attrs, x),
    lambda attrs, meta, x: x,
    lambda ctx, g: (g,),
    grad_name="ToCopyBackward0",
    exact=True,
    scalar=lambda e, x: x,
    compute=lambda attrs, out, x: out,
    torch=("Tensor.to", "Tensor.float", "Tensor.type"),
)


def cast(x, to: dtype):
    """x with another element type; x itself if it has that type."""
    return x if x._m.dtype is to else to_copy(x, attrs=to)


# ---- arithmetic ---------------------------------------------------------------------------------
def _arithmetic(name, function, grad, saves, scalar, infer=same_type, **more):
    return Operation(
        name,
        infer,
        lambda attrs, meta, x, y: function(x, y),
        grad,
        saves,
        exact=True,
        scalar=scalar,
        **more,
    )


def _add_grad(ctx, g):
    return g, g


def _is_bool(x):
    return x.dtype is bool_


add = _arithmetic(
    "add",
    np.add,
    _add_grad,
    (),
    lambda e, x, y: e.or_(x, y) if _is_bool(x) else e.add(x, y),
    torch=("torch.add", "Tensor.add", "Tensor.add_"),
)
sub = _arithmetic(
    "sub",
    np.subtract,
    lambda ctx, g: (g, neg(g) if ctx.needs[1] else None),
    (),
    lambda e, x, y: e.sub(x, y),
    torch=("torch.sub", "Tensor.sub", "Tensor.sub_"),
)
rsub = _arithmetic(
    "rsub",
    lambda x, y: np.subtract(y, x),
    lambda ctx, g: (neg(g) if ctx.needs[0] else None, g),
    (),
    lambda e, x, y: e.sub(y, x),
    torch=("torch.rsub", "Tensor.__rsub__"),
)


def _mul_grad(ctx, g):
    return (
        mul(g, _other(ctx, 1)) if ctx.needs[0] else None,
        mul(g, _other(ctx, 0)) if ctx.needs[1] else None,
    )


def _other(ctx, i):
    return ctx[i] if isinstance(ctx.metas[i], Meta) else ctx.numbers[0]


def _binary_saves(name, first, second):
    return (first, second)


mul = _arithmetic(
    "mul",
    np.multiply,
    _mul_grad,
    ((1,), (0,)),
    lambda e, x, y: e.and_(x, y) if _is_bool(x) else e.mul(x, y),
    torch=("torch.mul", "Tensor.mul", "Tensor.mul_"),
)


def _div_grad(ctx, g):
    y = _other(ctx, 1)
    return (
        div(g, y) if ctx.needs[0] else None,
        mul(neg(g), div(div(_other(ctx, 0), y), y)) if ctx.needs[1] else None,
    )


div = _arithmetic(
    "div",
    np.true_divide,
    _div_grad,
    ((1,), (0, 1)),
    lambda e, x, y: e.div(x, y),
    infer=floating,
    compute=lambda attrs, out, *m: out,
    torch=("torch.div", "Tensor.div", "Tensor.div_", "torch.true_divide"),
)
add_scaled = Operation(
    "add_scaled",
    same_type,
    lambda attrs, meta, x, y, alpha: x + y * alpha,
    lambda ctx, g: (g, mul(g, ctx.numbers[-1]) if ctx.needs[1] else None, None),
    (),
    grad_name="AddBackward0",
    exact=True,
    scalar=lambda e, x, y, alpha: e.add(x, e.mul(y, alpha)),
    torch=("torch.add(alpha=)", "Tensor.add_(alpha=)"),
)
sub_scaled = Operation(
    "sub_scaled",
    same_type,
    lambda attrs, meta, x, y, alpha: x - y * alpha,
    lambda ctx, g: (g, mul(g, -ctx.numbers[-1]) if ctx.needs[1] else None, None),
    (),
    grad_name="SubBackward0",
    exact=True,
    scalar=lambda e, x, y, alpha: e.sub(x, e.mul(y, alpha)),
    torch=("torch.sub(alpha=)", "Tensor.sub_(alpha=)"),
)


def _addc_grad(sign):
    def grad(ctx, g):
        scaled = mul(g, ctx.numbers[0])
        a, b = ctx[1], ctx[2]
        if sign > 0:
            return g, mul(scaled, b), mul(scaled, a), None
        return g, div(scaled, b), neg(mul(scaled, div(div(a, b), b))), None

    return grad


addcmul = Operation(
    "addcmul",
    same_type,
    lambda attrs, meta, x, a, b, value: x + (a * value) * b,
    _addc_grad(1),
    ((), (1, 2), (1, 2)),
    exact=True,
    scalar=lambda e, x, a, b, value: e.add(x, e.mul(e.mul(a, value), b)),
    torch=("torch.addcmul", "Tensor.addcmul_"),
)
addcdiv = Operation(
    "addcdiv",
    floating,
    lambda attrs, meta, x, a, b, value: x + (a * value) / b,
    _addc_grad(-1),
    ((), (1, 2), (1, 2)),
    exact=True,
    scalar=lambda e, x, a, b, value: e.add(x, e.div(e.mul(a, value), b)),
    torch=("torch.addcdiv", "Tensor.addcdiv_"),
)
lerp = Operation(
    "lerp",
    same_type,
    lambda attrs, meta, x, y, w: np.where(
        np.abs(w) < 0.5, x + w * (y - x), y - (y - x) * (np.asarray(1, x.dtype) - w)
    ),
    lambda ctx, g: (
        mul(g, rsub(_other(ctx, 2), 1)) if ctx.needs[0] else None,
        mul(g, _other(ctx, 2)) if ctx.needs[1] else None,
        mul(g, sub(ctx[1], ctx[0])) if ctx.needs[2] else None,
    ),
    ((2,), (2,), (0, 1)),
    exact=True,
    scalar=lambda e, x, y, w: e.select(
        e.lt(e.abs(w), e.const(0.5, w)),
        e.add(x, e.mul(w, e.sub(y, x))),
        e.sub(y, e.mul(e.sub(y, x), e.sub(e.const(1, w), w))),
    ),
    torch=("torch.lerp", "Tensor.lerp_"),
)


# ---- comparison and logic -----------------------------------------------------------------------
def _compare(name, function, method):
    return Operation(
        name,
        boolean,
        lambda attrs, meta, x, y: function(x, y),
        exact=True,
        scalar=lambda e, x, y: getattr(e, method)(x, y),
        compute=lambda attrs, out, *m: common_dtype(*m),
        torch=(f"torch.{name}", f"Tensor.{name}", f"Tensor.__{name}__"),
    )


eq = _compare("eq", np.equal, "eq")
ne = _compare("ne", np.not_equal, "ne")
lt = _compare("lt", np.less, "lt")
le = _compare("le", np.less_equal, "le")
gt = _compare("gt", np.greater, "gt")
ge = _compare("ge", np.greater_equal, "ge")


def _logical(name, function, method):
    return Operation(
        name,
        boolean,
        lambda attrs, meta, x, y: function(x, y),
        exact=True,
        scalar=lambda e, x, y: getattr(e, method)(x, y),
        compute=lambda attrs, out, *m: bool_,
        torch=(f"torch.{name}", f"Tensor.{name}"),
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
    torch=("torch.logical_not", "Tensor.logical_not"),
)


def _integral(name, words):
    def infer(attrs, *operands):
        d = common_dtype(*operands)
        if d.is_floating_point:
            fail(RuntimeError, f'"{words}_cpu" not implemented for \'{_kind(d)}\'')
        return elementwise_meta(d, *operands)

    return infer


def _kind(d):
    return {"float32": "Float", "float64": "Double", "float16": "Half", "bfloat16": "BFloat16"}[
        d.name
    ]


def _bitwise(name, function, method, words):
    return Operation(
        name,
        _integral(name, words),
        lambda attrs, meta, x, y: function(x, y),
        exact=True,
        scalar=lambda e, x, y: getattr(e, method)(x, y),
        torch=(f"torch.{name}", f"Tensor.{name}"),
    )


bitwise_and = _bitwise("bitwise_and", np.bitwise_and, "and_", "bitwise_and")
bitwise_or = _bitwise("bitwise_or", np.bitwise_or, "or_", "bitwise_or")
bitwise_xor = _bitwise("bitwise_xor", np.bitwise_xor, "xor", "bitwise_xor")
bitwise_not = Operation(
    "bitwise_not",
    _integral("bitwise_not", "bitwise_not"),
    lambda attrs, meta, x: np.invert(x),
    exact=True,
    scalar=lambda e, x: e.not_(x),
    torch=("torch.bitwise_not", "Tensor.__invert__"),
)
isnan = Operation(
    "isnan",
    boolean,
    lambda attrs, meta, x: np.isnan(x) if meta is not None and x.dtype.kind not in "iub" else x != x,
    exact=True,
    scalar=lambda e, x: e.ne(x, x),
    compute=lambda attrs, out, m: m.dtype,
    torch=("torch.isnan", "Tensor.isnan"),
)


# ---- choosing -----------------------------------------------------------------------------------
def _where_infer(attrs, condition, x, y):
    if condition.dtype is not bool_:
        fail(
            RuntimeError,
            f"where expected condition to be a boolean tensor, but got a tensor with dtype "
            f"{_type_name(condition.dtype)}",
        )
    return elementwise_meta(common_dtype(x, y), condition, x, y)


def _type_name(d):
    from_name = d.legacy.removesuffix("Tensor")
    return from_name


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
)


def _masked_fill_infer(attrs, x, mask, value):
    if mask.dtype is not bool_:
        fail(RuntimeError, "masked_fill only supports boolean masks, but got mask with dtype "
             f"{mask.dtype.name}")
    return elementwise_meta(x.dtype, x, mask)


masked_fill = Operation(
    "masked_fill",
    _masked_fill_infer,
    lambda attrs, meta, x, mask, value: np.where(mask, value, x),
    lambda ctx, g: (
        where(ctx[1], 0.0, g) if ctx.needs[0] else None,
        None,
        _sum(where(ctx[1], g, 0.0)) if ctx.needs[2] else None,
    ),
    ((1,), (), (1,)),
    exact=True,
    scalar=lambda e, x, mask, value: e.select(mask, value, x),
    compute=lambda attrs, out, *m: (out, bool_, out),
    torch=("torch.masked_fill", "Tensor.masked_fill_"),
)


def _sum(x):
    from_reduce = REDUCE["sum"]
    return from_reduce(x)


REDUCE: dict = {}


def _extreme(name, function, method, greater):
    def grad(ctx, g):
        x, y = _other(ctx, 0), _other(ctx, 1)
        half = div(masked_fill(g, _as_bool(ne(x, y)), 0.0), 2.0)
        first = greater(x, y)
        second = greater(y, x)
        return (
            add(where(first, g, 0.0), half) if ctx.needs[0] else None,
            add(where(second, g, 0.0), half) if ctx.needs[1] else None,
        )

    return Operation(
        name,
        same_type,
        lambda attrs, meta, x, y: function(x, y),
        grad,
        ((0, 1), (0, 1)),
        exact=True,
        scalar=lambda e, x, y: getattr(e, method)(x, y),
        torch=(f"torch.{name}", f"Tensor.{name}"),
    )


def _as_bool(x):
    return x


maximum = _extreme("maximum", np.maximum, "maximum", lambda x, y: gt(x, y))
minimum = _extreme("minimum", np.minimum, "minimum", lambda x, y: lt(x, y))


# ---- functions of one value ---------------------------------------------------------------------
def unary(name, function, grad, saves, scalar, infer=floating, exact=False, compute=None, **more):
    """The record of a function of one tensor."""
    more.setdefault("torch", (f"torch.{name}", f"Tensor.{name}", f"Tensor.{name}_"))
    return Operation(
        name,
        infer,
        lambda attrs, meta, x: function(x),
        grad,
        saves,
        exact=exact,
        scalar=scalar,
        compute=compute or (lambda attrs, out, *m: out),
        **more,
    )


def _not_bool(words):
    def infer(attrs, x):
        if x.dtype is bool_:
            fail(RuntimeError, words)
        return elementwise_meta(x.dtype, x)

    return infer


neg = unary(
    "neg",
    np.negative,
    lambda ctx, g: (neg(g),),
    (),
    lambda e, x: e.neg(x),
    _not_bool(
        "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert "
        "a mask, use the `~` or `logical_not()` operator instead."
    ),
    exact=True,
)
abs_ = unary(
    "abs",
    np.abs,
    lambda ctx, g: (mul(g, sign(ctx[0])),),
    ((0,),),
    lambda e, x: e.abs(x),
    same_type,
    exact=True,
)


def _sign(x):
    return np.sign(x) if x.dtype != np.bool_ else x


sign = unary(
    "sign",
    lambda x: np.where(np.isnan(x), np.zeros((), x.dtype), np.sign(x)) if x.dtype.kind == "f"
    else _sign(x),
    lambda ctx, g: (mul(g, 0.0),),
    (),
    lambda e, x: x
    if _is_bool(x)
    else e.sub(e.cast(e.gt(x, e.const(0, x)), x.dtype), e.cast(e.lt(x, e.const(0, x)), x.dtype)),
    same_type,
    exact=True,
)
relu = unary(
    "relu",
    lambda x: np.where(x < 0, np.zeros((), x.dtype), x),
    lambda ctx, g: (threshold_backward(g, ctx.out),),
    ((-1,),),
    lambda e, x: e.select(e.lt(x, e.const(0, x)), e.const(0, x), x),
    _not_bool("Boolean inputs not supported for relu"),
    exact=True,
    torch=("torch.relu", "Tensor.relu", "Tensor.relu_", "F.relu"),
)
threshold_backward = Operation(
    "threshold_backward",
    same_type,
    lambda attrs, meta, g, y: np.where(y <= 0, np.zeros((), g.dtype), g),
    lambda ctx, g: (threshold_backward(g, ctx[1]), None),
    ((1,), ()),
    exact=True,
    scalar=lambda e, g, y: e.select(e.le(y, e.const(0, y)), e.const(0, g), g),
)
exp = unary(
    "exp", np.exp, lambda ctx, g: (mul(g, ctx.out),), ((-1,),), lambda e, x: e.exp(x)
)
exp2 = unary(
    "exp2",
    np.exp2,
    lambda ctx, g: (mul(mul(g, ctx.out), math.log(2)),),
    ((-1,),),
    lambda e, x: e.exp2(x),
)
expm1 = unary(
    "expm1",
    np.expm1,
    lambda ctx, g: (mul(g, add(ctx.out, 1.0)),),
    ((-1,),),
    lambda e, x: e.expm1(x),
)
log = unary("log", np.log, lambda ctx, g: (div(g, ctx[0]),), ((0,),), lambda e, x: e.log(x))
log2 = unary(
    "log2",
    np.log2,
    lambda ctx, g: (div(g, mul(ctx[0], math.log(2))),),
    ((0,),),
    lambda e, x: e.log2(x),
)
log10 = unary(
    "log10",
    np.log10,
    lambda ctx, g: (div(g, mul(ctx[0], math.log(10))),),
    ((0,),),
    lambda e, x: e.log10(x),
)
log1p = unary(
    "log1p", np.log1p, lambda ctx, g: (div(g, add(ctx[0], 1.0)),), ((0,),), lambda e, x: e.log1p(x)
)
sqrt = unary(
    "sqrt",
    np.sqrt,
    lambda ctx, g: (div(g, mul(ctx.out, 2.0)),),
    ((-1,),),
    lambda e, x: e.sqrt(x),
    exact=True,
)
rsqrt = unary(
    "rsqrt",
    lambda x: (np.ones((), x.dtype) / np.sqrt(x)),
    lambda ctx, g: (mul(mul(g, -0.5), mul(ctx.out, mul(ctx.out, ctx.out))),),
    ((-1,),),
    lambda e, x: e.div(e.const(1, x), e.sqrt(x)),
    exact=True,
)
reciprocal = unary(
    "reciprocal",
    lambda x: np.ones((), x.dtype) / x,
    lambda ctx, g: (neg(mul(g, mul(ctx.out, ctx.out))),),
    ((-1,),),
    lambda e, x: e.div(e.const(1, x), x),
    exact=True,
)
sin = unary("sin", np.sin, lambda ctx, g: (mul(g, cos(ctx[0])),), ((0,),), lambda e, x: e.sin(x))
cos = unary(
    "cos", np.cos, lambda ctx, g: (neg(mul(g, sin(ctx[0]))),), ((0,),), lambda e, x: e.cos(x)
)
tan = unary(
    "tan",
    np.tan,
    lambda ctx, g: (mul(g, add(mul(ctx.out, ctx.out), 1.0)),),
    ((-1,),),
    lambda e, x: e.tan(x),
)
tanh = unary(
    "tanh",
    np.tanh,
    lambda ctx, g: (mul(g, rsub(mul(ctx.out, ctx.out), 1.0)),),
    ((-1,),),
    lambda e, x: e.tanh(x),
)
sigmoid = unary(
    "sigmoid",
    lambda x: np.ones((), x.dtype) / (np.ones((), x.dtype) + np.exp(-x)),
    lambda ctx, g: (mul(g, mul(rsub(ctx.out, 1.0), ctx.out)),),
    ((-1,),),
    lambda e, x: e.sigmoid(x),
    torch=("torch.sigmoid", "Tensor.sigmoid", "Tensor.sigmoid_", "F.sigmoid"),
)
erf = unary(
    "erf",
    lambda x: np.vectorize(math.erf, otypes=[x.dtype])(x) if x.size else x,
    lambda ctx, g: (mul(g, mul(exp(neg(mul(ctx[0], ctx[0]))), 2 / math.sqrt(math.pi))),),
    ((0,),),
    lambda e, x: e.erf(x),
)


def _rounding(name, function, method):
    return unary(
        name,
        lambda x: function(x) if x.dtype.kind not in "iub" else x,
        lambda ctx, g: (mul(g, 0.0),),
        (),
        lambda e, x: getattr(e, method)(x) if x.dtype.is_floating_point else x,
        same_type,
        exact=True,
    )


floor = _rounding("floor", np.floor, "floor")
ceil = _rounding("ceil", np.ceil, "ceil")
trunc = _rounding("trunc", np.trunc, "trunc")
round_ = _rounding("round", np.round, "round")


# ---- powers -------------------------------------------------------------------------------------
def _pow_number_infer(attrs, x, exponent=None):
    d = x.dtype
    if isinstance(attrs, float) and not d.is_floating_point:
        return floating(None, x)
    if isinstance(attrs, int) and not isinstance(attrs, bool) and attrs < 0:
        if not d.is_floating_point:
            fail(RuntimeError, "Integers to negative integer powers are not allowed.")
    return elementwise_meta(common_dtype(x, type(attrs)), x)


def _pow_number_numpy(attrs, meta, x):
    return np.power(x, np.asarray(attrs, x.dtype))


def _pow_number_grad(ctx, g):
    exponent = ctx.attrs
    if exponent == 0:
        return (mul(g, 0.0),)
    return (mul(g, mul(pow_number(ctx[0], attrs=exponent - 1), float(exponent))),)


def _pow_number_scalar(e, x, exponent=None):
    raise NotImplementedError


pow_number = Operation(
    "pow_number",
    _pow_number_infer,
    _pow_number_numpy,
    _pow_number_grad,
    ((0,),),
    grad_name="PowBackward0",
    scalar=lambda e, x, value=None: _power_of(e, x, value),
    compute=lambda attrs, out, *m: out,
    torch=("torch.pow", "Tensor.pow", "Tensor.__pow__"),
)


def _power_of(e, x, exponent):
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
    if exponent == -1 and x.dtype.is_floating_point:
        return e.div(e.const(1, x), x)
    if exponent == -2 and x.dtype.is_floating_point:
        return e.div(e.const(1, x), e.mul(x, x))
    if not x.dtype.is_floating_point:
        result = None
        square = x
        power = int(exponent)
        while power:
            if power & 1:
                result = square if result is None else e.mul(result, square)
            square = e.mul(square, square)
            power >>= 1
        return result
    return e.pow(x, e.const(exponent, x))


def _pow_grad(ctx, g):
    x, y = _other(ctx, 0), _other(ctx, 1)
    first = second = None
    if ctx.needs[0]:
        first = mul(g, mul(y, power(x, sub(y, 1.0))))
        first = masked_fill(first, eq(y, 0.0), 0.0)
    if ctx.needs[1]:
        base = log(x) if isinstance(ctx.metas[0], Meta) else math.log(x) if x > 0 else math.nan
        second = mul(g, mul(ctx.out, base))
        second = masked_fill(second, logical_and(eq(x, 0.0), ge(y, 0.0)), 0.0) if isinstance(
            ctx.metas[0], Meta
        ) else second
    return first, second


power = Operation(
    "pow",
    same_type,
    lambda attrs, meta, x, y: np.power(x, y),
    _pow_grad,
    ((0, 1), (0, 1, -1)),
    grad_name="PowBackward1",
    scalar=lambda e, x, y: e.pow(x, y),
    torch=("torch.pow", "Tensor.pow", "Tensor.__pow__", "Tensor.__rpow__"),
)


# ---- division with a remainder ------------------------------------------------------------------
floor_divide = Operation(
    "floor_divide",
    same_type,
    lambda attrs, meta, x, y: np.floor_divide(x, y),
    scalar=lambda e, x, y: e.floor_div(x, y),
    torch=("torch.floor_divide", "Tensor.__floordiv__"),
)
remainder = Operation(
    "remainder",
    same_type,
    lambda attrs, meta, x, y: np.remainder(x, y),
    lambda ctx, g: (
        g,
        neg(mul(g, floor(div(_other(ctx, 0), _other(ctx, 1))))) if ctx.needs[1] else None,
    ),
    ((), (0, 1)),
    scalar=lambda e, x, y: e.remainder(x, y),
    torch=("torch.remainder", "Tensor.__mod__"),
)


# ---- clamp --------------------------------------------------------------------------------------
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


clamp = Operation(
    "clamp",
    same_type,
    _clamp_numpy,
    _clamp_grad,
    ((0,),),
    exact=True,
    scalar=_clamp_scalar,
    torch=("torch.clamp", "Tensor.clamp_", "torch.clip"),
)
__all__ = ["Composite"]
