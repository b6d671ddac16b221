"""PyTorch's functions and methods: arguments read, then one operation or a few recorded.

Each public function here becomes `torch.NAME` and, where `METHODS` lists it, `Tensor.NAME`; the
functions in `IN_PLACE` also get a twin `NAME_` that writes its first argument.
"""

from __future__ import annotations

import builtins
import math

import numpy as np

from nacre.base import dtypes
from nacre.base.dtypes import bool_, float64, get_default_dtype, int64, promote_types
from nacre.base.errors import fail
from nacre.base.shapes import broadcast_shapes, numel, wrap_dim, wrap_dims
from nacre.ir.node import meta_of
from nacre.ir.trace import Symbol, Value
from nacre.ops import elementwise as ew
from nacre.ops import index as ix
from nacre.ops import join, loss, reduce, scan, statistics
from nacre.ops import matmul as mm_ops
from nacre.ops import view as vw
from nacre.ops import view_many as vm
from nacre.ops.create import full as full_op
from nacre.tensor.cell import array_of
from nacre.tensor.creation import from_array
from nacre.tensor.out import into
from nacre.tensor.tensor import Tensor, operand

_builtin_all = builtins.all


def _pair(name, x, other):
    if isinstance(x, Value):
        y = operand(x, other)
        if y is not None:
            return x, y
    elif isinstance(other, Value):
        y = operand(other, x)
        if y is not None:
            return y, other
    bad, at, word = (x, 1, "input") if not isinstance(x, Value) else (other, 2, "other")
    fail(
        TypeError,
        f"{name}(): argument '{word}' (position {at}) must be Tensor, not {type(bad).__name__}",
    )


def _tensor(name, x, position=1, word="input"):
    if not isinstance(x, Value):
        fail(
            TypeError,
            f"{name}(): argument '{word}' (position {position}) must be Tensor, not "
            f"{type(x).__name__}",
        )
    return x


# ---- arithmetic
# -------------------------------------------------------------------------------------
def add(input, other, *, alpha=1, out=None):
    """input + alpha * other."""
    x, y = _pair("add", input, other)
    if type(alpha) is Symbol or alpha != 1:
        _check_alpha(x, y, alpha)
        r = ew.add_scaled(x, y, alpha)
        return r if out is None else into(out, r, "add")
    r = ew.add(x, y)
    return r if out is None else into(out, r, "add")


def sub(input, other, *, alpha=1, out=None):
    """input - alpha * other."""
    x, y = _pair("sub", input, other)
    _no_bool(x, y)
    if type(alpha) is Symbol or alpha != 1:
        _check_alpha(x, y, alpha)
        r = ew.sub_scaled(x, y, alpha)
        return r if out is None else into(out, r, "sub")
    r = ew.sub(x, y)
    return r if out is None else into(out, r, "sub")


def _check_alpha(x, y, alpha):
    if isinstance(alpha, float):
        floats = [v for v in (x, y) if isinstance(v, Value) and v._m.dtype.is_floating_point]
        if not floats and not isinstance(y, float):
            fail(
                RuntimeError,
                "For integral input tensors, argument alpha must not be a floating point number.",
            )


def _no_bool(x, y):
    both = [isinstance(v, bool) or (isinstance(v, Value) and v._m.dtype is bool_) for v in (x, y)]
    if both[0] and both[1]:
        fail(
            RuntimeError,
            "Subtraction, the `-` operator, with two bool tensors is not supported. Use the `^` or "
            "`logical_xor()` operator instead.",
        )
    if both[0] or both[1]:
        fail(
            RuntimeError,
            "Subtraction, the `-` operator, with a bool tensor is not supported. If you are trying "
            "to invert a mask, use the `~` or `logical_not()` operator instead.",
        )


subtract = sub


def rsub(input, other, *, alpha=1):
    """other - alpha * input."""
    x, y = _pair("rsub", input, other)
    _no_bool(x, y)
    return ew.rsub(x if alpha == 1 else ew.mul(x, alpha), y)


def mul(input, other, *, out=None):
    """input * other."""
    r = ew.mul(*_pair("mul", input, other))
    return r if out is None else into(out, r, "mul")


multiply = mul


def div(input, other, *, rounding_mode=None, out=None):
    """input / other, rounded down ('floor') or towards zero ('trunc') if asked."""
    x, y = _pair("div", input, other)
    if rounding_mode is None:
        r = ew.div(x, y)
        return r if out is None else into(out, r, "div")
    if rounding_mode == "floor":
        r = floor_divide(x, y)
        return r if out is None else into(out, r, "div")
    if rounding_mode == "trunc":
        whole = not _floating(x) and not _floating(y)
        r = ew.trunc(ew.div(_wide(x) if whole else x, y))
        r = ew.cast(r, _promoted(x, y)) if whole else r
        return r if out is None else into(out, r, "div")
    fail(
        RuntimeError,
        "div expected rounding_mode to be one of None, 'trunc', or 'floor' but found "
        f"'{rounding_mode}'",
    )


def _wide(x):
    return ew.cast(x, float64) if isinstance(x, Value) else x


def _floating(x):
    return x._m.dtype.is_floating_point if isinstance(x, Value) else isinstance(x, float)


def _promoted(x, y):
    return ew.common_dtype(*[v._m if isinstance(v, Value) else type(v) for v in (x, y)])


divide = true_divide = div


def floor_divide(input, other, *, out=None):
    """The quotient rounded down."""
    x, y = _pair("floor_divide", input, other)
    _zero_division(x, y)
    r = ew.floor_divide(x, y)
    return r if out is None else into(out, r, "floor_divide")


def _zero_division(x, y):
    if not _floating(x) and not _floating(y):
        zero = y == 0 if not isinstance(y, Value) else (array_of(y) == 0).any()
        if zero:
            fail(RuntimeError, "ZeroDivisionError")


def remainder(input, other, *, out=None):
    """The rest of division, with the sign of the divisor."""
    x, y = _pair("remainder", input, other)
    _zero_division(x, y)
    r = ew.remainder(x, y)
    return r if out is None else into(out, r, "remainder")


def fmod(input, other, *, out=None):
    """The rest of division, with the sign of the dividend."""
    x, y = _pair("fmod", input, other)
    r = ew.sub(x, ew.mul(div(x, y, rounding_mode="trunc"), y))
    return r if out is None else into(out, r, "fmod")


def pow(input, exponent, *, out=None):
    """input to a power."""
    x, y = _pair("pow", input, exponent)
    if isinstance(x, Value) and isinstance(y, int | float) and not isinstance(y, bool):
        r = ew.pow_to(x, y)
        return r if out is None else into(out, r, "pow")
    r = ew.power(x, y)
    return r if out is None else into(out, r, "pow")


def addcmul(input, tensor1, tensor2, *, value=1, out=None):
    """input + value * tensor1 * tensor2."""
    r = ew.addcmul(input, tensor1, tensor2, value)
    return r if out is None else into(out, r, "addcmul")


def addcdiv(input, tensor1, tensor2, *, value=1, out=None):
    """input + value * tensor1 / tensor2."""
    r = ew.addcdiv(input, tensor1, tensor2, value)
    return r if out is None else into(out, r, "addcdiv")


def lerp(input, end, weight, *, out=None):
    """input + weight * (end - input)."""
    r = ew.lerp(input, end, weight)
    return r if out is None else into(out, r, "lerp")


def neg(input, *, out=None):
    """The negative."""
    r = ew.neg(input)
    return r if out is None else into(out, r, "neg")


negative = neg


def _simple(op, name):
    def function(input, *, out=None):
        r = op(_tensor(name, input))
        return r if out is None else into(out, r, name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` of each element."
    return function


abs = _simple(ew.abs_, "abs")
absolute = abs
sign = _simple(ew.sign, "sign")
sgn = sign
exp = _simple(ew.exp, "exp")
exp2 = _simple(ew.exp2, "exp2")
expm1 = _simple(ew.expm1, "expm1")
log = _simple(ew.log, "log")
log2 = _simple(ew.log2, "log2")
log10 = _simple(ew.log10, "log10")
log1p = _simple(ew.log1p, "log1p")
sqrt = _simple(ew.sqrt, "sqrt")
rsqrt = _simple(ew.rsqrt, "rsqrt")
reciprocal = _simple(ew.reciprocal, "reciprocal")
sin = _simple(ew.sin, "sin")
cos = _simple(ew.cos, "cos")
tan = _simple(ew.tan, "tan")
tanh = _simple(ew.tanh, "tanh")
sigmoid = _simple(ew.sigmoid, "sigmoid")
erf = _simple(ew.erf, "erf")
floor = _simple(ew.floor, "floor")
ceil = _simple(ew.ceil, "ceil")
trunc = _simple(ew.trunc, "trunc")
relu = _simple(ew.relu, "relu")
isnan = _simple(ew.isnan, "isnan")
logical_not = _simple(ew.logical_not, "logical_not")


def round(input, *, decimals=0, out=None):
    """The nearest integer, halves to even."""
    if decimals:
        scale = 10.0**decimals
        r = ew.div(ew.round_(ew.mul(input, scale)), scale)
        return r if out is None else into(out, r, "round")
    r = ew.round_(input)
    return r if out is None else into(out, r, "round")


def square(input, *, out=None):
    """The square."""
    r = pow(input, 2)
    return r if out is None else into(out, r, "square")


def clamp(input, min=None, max=None, *, out=None):
    """Values brought between two bounds."""
    if min is None and max is None:
        fail(RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None")
    bounds = [b for b in (min, max) if b is not None]
    if isinstance(min, Value) or isinstance(max, Value):
        attrs = (("low", min is not None), ("high", max is not None))
        r = ew.clamp_between(input, *bounds, attrs=attrs)
        return r if out is None else into(out, r, "clamp")
    r = ew.clamp(input, *bounds, attrs=(min is not None, max is not None))
    return r if out is None else into(out, r, "clamp")


clip = clamp
LOW, HIGH = (True, False), (False, True)


def clamp_min(input, min, *, out=None):
    """Values not below a bound."""
    r = clamp(input, min) if isinstance(min, Value) else ew.clamp_min(input, min, attrs=LOW)
    return r if out is None else into(out, r, "clamp_min")


def clamp_max(input, max, *, out=None):
    """Values not above a bound."""
    if isinstance(max, Value):
        r = clamp(input, None, max)
        return r if out is None else into(out, r, "clamp_max")
    r = ew.clamp_max(input, max, attrs=HIGH)
    return r if out is None else into(out, r, "clamp_max")


def isinf(input):
    """Whether each element is infinite."""
    return ew.eq(ew.abs_(input), math.inf) if _floating(input) else ew.ne(input, input)


def isfinite(input):
    """Whether each element is neither infinite nor NaN."""
    if not _floating(input):
        return ew.eq(input, input)
    return ew.lt(ew.abs_(input), math.inf)


# ---- comparison
# --------------------------------------------------------------------------------------
def _comparison(op, name):
    def function(input, other, *, out=None):
        r = op(*_pair(name, input, other))
        return r if out is None else into(out, r, name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = f"`{name}` of each pair of elements, as bool."
    return function


eq = _comparison(ew.eq, "eq")
ne = _comparison(ew.ne, "ne")
lt = _comparison(ew.lt, "lt")
le = _comparison(ew.le, "le")
gt = _comparison(ew.gt, "gt")
ge = _comparison(ew.ge, "ge")
not_equal, less, less_equal, greater, greater_equal = ne, lt, le, gt, ge


def _of_tensors(op, name, meaning):
    def function(input, other, *, out=None):
        r = op(_tensor(name, input), _tensor(name, other, 2, "other"))
        return r if out is None else into(out, r, name)

    function.__name__ = function.__qualname__ = name
    function.__doc__ = meaning
    return function


logical_and = _of_tensors(ew.logical_and, "logical_and", "Whether both are true.")
logical_or = _of_tensors(ew.logical_or, "logical_or", "Whether any of both is true.")
logical_xor = _of_tensors(ew.logical_xor, "logical_xor", "Whether one of both is true.")
maximum = _of_tensors(ew.maximum, "maximum", "The larger of each pair.")
minimum = _of_tensors(ew.minimum, "minimum", "The smaller of each pair.")
bitwise_and = _comparison(ew.bitwise_and, "bitwise_and")
bitwise_or = _comparison(ew.bitwise_or, "bitwise_or")
bitwise_xor = _comparison(ew.bitwise_xor, "bitwise_xor")
bitwise_not = _simple(ew.bitwise_not, "bitwise_not")


def where(condition, input=None, other=None, *, out=None):
    """`input` where the condition holds, else `other`; the places where it holds if alone."""
    if not isinstance(condition, Value):
        _tensor("where", condition, 1, "condition")
    if input is None:
        return nonzero(condition, as_tuple=True)
    if not isinstance(input, Value) and not isinstance(other, Value):
        d = ew.common_dtype(type(input), type(other))
        input = full_op(input, attrs=meta_of((), d))
    r = ew.where(condition, input, other)
    return r if out is None else into(out, r, "where")


def masked_fill(input, mask, value):
    """A number where the mask holds."""
    return ew.masked_fill(input, mask, value)


def equal(input, other):
    """Whether two tensors have the same shape and values."""
    if input._m.shape != other._m.shape:
        return False
    return builtins.bool(all(ew.eq(input, other)).item())


def isclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether elements differ by at most atol + rtol * |other|."""
    a, b = array_of(input), array_of(other)
    return from_array(np.isclose(a, b, rtol, atol, equal_nan))


def allclose(input, other, rtol=1e-5, atol=1e-8, equal_nan=False):
    """Whether all elements are close."""
    if input._m.dtype is not other._m.dtype:
        fail(
            RuntimeError,
            f"{_long(input)} did not match {_long(other)}",
        )
    return builtins.bool(np.allclose(array_of(input), array_of(other), rtol, atol, equal_nan))


def _long(x):
    return x._m.dtype.legacy.removesuffix("Tensor")


# ---- reductions
# -----------------------------------------------------------------------------------------
def _dims(x, dim):
    return wrap_dims(dim, len(x._m.shape))


def _along(name, dim, axis):
    """The one dimension that a function needs, under PyTorch's name or NumPy's."""
    dim = dim if axis is None else axis
    if dim is None:
        fail(TypeError, f'{name}() missing 1 required positional arguments: "dim"')
    return dim


def sum(input, dim=None, keepdim=False, *, dtype=None, axis=None, keepdims=None, out=None):
    """The sum over dimensions."""
    if not isinstance(input, Value):
        _tensor("sum", input, 1, "input")
    if dim is None and axis is None and dtype is None and not keepdim and not keepdims:
        r = reduce.sum_(input, attrs=input._m.all_dims)
        return r if out is None else into(out, r, "sum")
    x = input if dtype is None else ew.cast(input, dtype)
    dim = axis if dim is None else dim
    record = reduce.sum_ if dim is None else reduce.sum_dim
    r = record(x, attrs=(_dims(x, dim), builtins.bool(keepdims or keepdim)))
    return r if out is None else into(out, r, "sum")


def mean(input, dim=None, keepdim=False, *, dtype=None, axis=None, keepdims=None, out=None):
    """The arithmetic mean over dimensions."""
    if not isinstance(input, Value):
        _tensor("mean", input, 1, "input")
    x = input if dtype is None else ew.cast(input, dtype)
    r = reduce.mean(x, axis if dim is None else dim, builtins.bool(keepdims or keepdim))
    return r if out is None else into(out, r, "mean")


def prod(input, dim=None, keepdim=False, *, dtype=None, axis=None, keepdims=None, out=None):
    """The product over a dimension or all."""
    if not isinstance(input, Value):
        _tensor("prod", input, 1, "input")
    x = input if dtype is None else ew.cast(input, dtype)
    dim = dim if axis is None else axis
    record = reduce.prod_ if dim is None else reduce.prod_dim
    r = record(x, attrs=(_dims(x, dim), keepdim if keepdims is None else keepdims))
    return r if out is None else into(out, r, "prod")


def var(
    input,
    dim=None,
    unbiased=True,
    keepdim=False,
    *,
    correction=None,
    axis=None,
    keepdims=None,
    out=None,
):
    """The variance over dimensions."""
    if not isinstance(input, Value):
        _tensor("var", input, 1, "input")
    if isinstance(dim, builtins.bool):
        dim, unbiased = None, dim
    correction = (1 if unbiased else 0) if correction is None else correction
    keepdim = keepdim if keepdims is None else keepdims
    r = statistics.variance(input, axis if dim is None else dim, correction, keepdim)
    return r if out is None else into(out, r, "var")


def std(
    input,
    dim=None,
    unbiased=True,
    keepdim=False,
    *,
    correction=None,
    axis=None,
    keepdims=None,
    out=None,
):
    """The standard deviation over dimensions."""
    if not isinstance(input, Value):
        _tensor("std", input, 1, "input")
    if isinstance(dim, builtins.bool):
        dim, unbiased = None, dim
    correction = (1 if unbiased else 0) if correction is None else correction
    keepdim = keepdim if keepdims is None else keepdims
    r = statistics.std(input, axis if dim is None else dim, correction, keepdim)
    return r if out is None else into(out, r, "std")


def var_mean(input, dim=None, **more):
    """The variance and the mean."""
    return var(input, dim, **more), mean(input, dim, more.get("keepdim", False))


def std_mean(input, dim=None, **more):
    """The standard deviation and the mean."""
    return std(input, dim, **more), mean(input, dim, more.get("keepdim", False))


def any(input, dim=None, keepdim=False, *, axis=None, keepdims=None, out=None):
    """Whether any element is true."""
    if not isinstance(input, Value):
        _tensor("any", input, 1, "input")
    dim = dim if axis is None else axis
    keepdim = keepdim if keepdims is None else keepdims
    r = reduce.any_(input, attrs=(_dims(input, dim), keepdim))
    return r if out is None else into(out, r, "any")


def all(input, dim=None, keepdim=False, *, axis=None, keepdims=None, out=None):
    """Whether all elements are true."""
    if not isinstance(input, Value):
        _tensor("all", input, 1, "input")
    dim = dim if axis is None else axis
    keepdim = keepdim if keepdims is None else keepdims
    r = reduce.all_(input, attrs=(_dims(input, dim), keepdim))
    return r if out is None else into(out, r, "all")


def amax(input, dim=(), keepdim=False, *, axis=None, keepdims=None, out=None):
    """The largest elements over dimensions."""
    dim = dim if axis is None else axis
    keepdim = keepdim if keepdims is None else keepdims
    r = reduce.amax(input, attrs=(_dims(input, dim), keepdim))
    return r if out is None else into(out, r, "amax")


def amin(input, dim=(), keepdim=False, *, axis=None, keepdims=None, out=None):
    """The smallest elements over dimensions."""
    dim = dim if axis is None else axis
    keepdim = keepdim if keepdims is None else keepdims
    r = reduce.amin(input, attrs=(_dims(input, dim), keepdim))
    return r if out is None else into(out, r, "amin")


def argmax(input, dim=None, keepdim=False, *, axis=None, keepdims=None, out=None):
    """The place of the largest element."""
    if not isinstance(input, Value):
        _tensor("argmax", input, 1, "input")
    dim = dim if axis is None else axis
    keepdim = keepdim if keepdims is None else keepdims
    r = reduce.argmax(input, attrs=(_dims(input, dim), keepdim))
    return r if out is None else into(out, r, "argmax")


def argmin(input, dim=None, keepdim=False, *, axis=None, keepdims=None, out=None):
    """The place of the smallest element."""
    if not isinstance(input, Value):
        _tensor("argmin", input, 1, "input")
    dim = dim if axis is None else axis
    keepdim = keepdim if keepdims is None else keepdims
    r = reduce.argmin(input, attrs=(_dims(input, dim), keepdim))
    return r if out is None else into(out, r, "argmin")


class _Named(tuple):
    """A pair (values, indices) that prints and unpacks as PyTorch's."""

    __slots__ = ()
    kind = "torch.return_types"
    values = property(lambda self: self[0])
    indices = property(lambda self: self[1])

    def __repr__(self):
        return f"torch.return_types.{self.kind}(\nvalues={self[0]!r},\nindices={self[1]!r})"


def _named(kind):
    return type(kind, (_Named,), {"kind": kind, "__slots__": ()})


_MAX, _MIN = _named("max"), _named("min")


def _extreme(x, args, dim, keepdim, kind, whole, place, pairwise):
    given = list(args)
    if given and isinstance(given[0], Value):
        return pairwise(x, given[0])
    if given:
        dim = given.pop(0)
    if given:
        keepdim = given.pop(0)
    if dim is None:
        if not x._m.numel:
            fail(
                RuntimeError,
                f"{kind.kind}(): Expected reduction dim to be specified for input.numel() == 0. "
                "Specify the reduction dim with the 'dim' argument.",
            )
        return whole(x, attrs=(_dims(x, None), False))
    dim = wrap_dim(dim, len(x._m.shape))
    along = ix.max_along if place is reduce.argmax else ix.min_along
    if not x._m.shape:
        indices = full_op(0, attrs=meta_of((), int64))
        return kind((along(x, indices, attrs=(("dim", 0), ("keep", True))), indices))
    indices = place(x, attrs=((dim,), True))
    values = along(x, indices, attrs=(("dim", dim), ("keep", builtins.bool(keepdim))))
    return kind((values, indices if keepdim else vw.squeeze(indices, dim)))


def _into_both(out, r, name):
    """Write values and places into a pair of tensors, or one result into one tensor."""
    if not isinstance(r, tuple):
        return into(out, r, name)
    return type(r)([into(x, y, name) for x, y in zip(out, r, strict=True)])


def max(
    input,
    *args,
    dim=None,
    keepdim=False,
    other=None,
    axis=None,
    keepdims=None,
    out=None,
):
    """The largest element; with a dimension, the largest along it and where; with a tensor,
    pairs.
    """
    if not isinstance(input, Value):
        _tensor("max", input, 1, "input")
    args = args if other is None else (other,)
    dim = dim if axis is None else axis
    keepdim = keepdim if keepdims is None else keepdims
    r = _extreme(input, args, dim, keepdim, _MAX, reduce.max_whole, reduce.argmax, maximum)
    return r if out is None else _into_both(out, r, "max")


def min(
    input,
    *args,
    dim=None,
    keepdim=False,
    other=None,
    axis=None,
    keepdims=None,
    out=None,
):
    """The smallest element; with a dimension, the smallest along it and where; with a tensor,
    pairs.
    """
    if not isinstance(input, Value):
        _tensor("min", input, 1, "input")
    args = args if other is None else (other,)
    dim = dim if axis is None else axis
    keepdim = keepdim if keepdims is None else keepdims
    r = _extreme(input, args, dim, keepdim, _MIN, reduce.min_whole, reduce.argmin, minimum)
    return r if out is None else _into_both(out, r, "min")


def norm(input, p="fro", dim=None, keepdim=False, out=None, dtype=None):
    """The p-norm over dimensions; p=2 by default."""
    if not isinstance(input, Value):
        _tensor("norm", input, 1, "input")
    p = 2.0 if p in ("fro", None) else float(p)
    x = input if dtype is None else ew.cast(input, dtype)
    attrs = (("p", p), ("dims", _dims(x, dim)), ("keep", keepdim))
    r = statistics.norm_(x, attrs=attrs)
    return r if out is None else into(out, r, "norm")


def logsumexp(input, dim=None, keepdim=False, *, axis=None, keepdims=None, out=None):
    """log of the sum of exponentials."""
    keepdim = keepdim if keepdims is None else keepdims
    r = statistics.logsumexp(input, _along("logsumexp", dim, axis), keepdim)
    return r if out is None else into(out, r, "logsumexp")


def count_nonzero(input, dim=None, *, axis=None):
    """How many elements are not zero."""
    return sum(ew.ne(input, 0), dim if axis is None else axis)


# ---- products
# -----------------------------------------------------------------------------------------
def _product_pair(name, a, b):
    _tensor(name, a)
    return a, _tensor(name, b, 2, "mat2" if name in ("mm", "bmm") else "other")


def mm(input, mat2, *, out=None):
    """The product of two matrices."""
    r = mm_ops.mm(*_product_pair("mm", input, mat2))
    return r if out is None else into(out, r, "mm")


def bmm(input, mat2, *, out=None):
    """The products of two batches of matrices."""
    r = mm_ops.bmm(*_product_pair("bmm", input, mat2))
    return r if out is None else into(out, r, "bmm")


def matmul(input, other, *, out=None):
    """The product that `@` means."""
    if isinstance(other, np.ndarray):
        other = operand(input, other)
    r = mm_ops.matmul(*_product_pair("matmul", input, other))
    return r if out is None else into(out, r, "matmul")


def mv(input, vec, *, out=None):
    """A matrix times a vector."""
    r = mm_ops.mv(input, vec)
    return r if out is None else into(out, r, "mv")


def dot(input, tensor, *, out=None):
    """The sum of products of two vectors."""
    r = mm_ops.dot(input, tensor)
    return r if out is None else into(out, r, "dot")


def inner(input, other, *, out=None):
    """Sums of products over the last dimensions."""
    x, y = _product_pair("inner", input, other)
    if not x._m.shape or not y._m.shape:
        r = ew.mul(x, y)
        return r if out is None else into(out, r, "inner")
    if x._m.shape[-1] != y._m.shape[-1]:
        fail(
            RuntimeError,
            "inner() the last dimension must match on both input tensors but got shapes "
            f"{list(x._m.shape)} and {list(y._m.shape)}",
        )
    shape = (*x._m.shape[:-1], *y._m.shape[:-1])
    left, right = (vw.reshape(v, (numel(v._m.shape[:-1]), v._m.shape[-1])) for v in (x, y))
    r = vw.reshape(mm_ops.mm(left, vw.transpose2(right)), shape)
    return r if out is None else into(out, r, "inner")


def outer(input, vec2, *, out=None):
    """All products of two vectors' elements."""
    r = ew.mul(vw.unsqueeze(input, 1), vec2)
    return r if out is None else into(out, r, "outer")


ger = outer


def addmm(input, mat1, mat2, *, beta=1, alpha=1, out=None):
    """beta * input + alpha * (mat1 @ mat2)."""
    r = mm_ops.addmm(input, mat1, mat2, beta, alpha)
    return r if out is None else into(out, r, "addmm")


# ---- views
# ------------------------------------------------------------------------------------------
def _sizes(sizes, name, word="size"):
    given = sizes
    if len(sizes) == 1 and not isinstance(sizes[0], int):
        first = sizes[0]
        if isinstance(first, Value) and not first._m.shape:
            return (int(first),)
        if isinstance(first, builtins.str | builtins.float):
            _no_sizes(given, given, name, word)
        sizes = tuple(first)
    try:
        return tuple([n if type(n) is int else n.__index__() for n in sizes])
    except AttributeError:
        _no_sizes(given, sizes, name, word)


def _no_sizes(given, sizes, name, word):
    """Refuse sizes that are no integers, such as a quotient."""
    at = next(i for i, n in enumerate(sizes) if not hasattr(n, "__index__"))
    kind = type(sizes[at]).__name__
    first = f"{name}(): argument '{word}' (position 1) must be tuple of ints, "
    if len(given) > 1:
        first = f"{name}() takes 1 positional argument but {len(given)} were given"
    elif given is sizes:
        first += f"not {kind}"
    else:
        first += f"but found element of type {kind} at pos {at}"
    notes = ["sizes are integers: divide with // or convert with int()"] if kind == "float" else []
    if len(given) > 1:
        notes.insert(0, f"element {at} is of type {kind}")
    fail(TypeError, first, *notes)


def reshape(input, *shape, **named):
    """The same elements under another shape."""
    if not isinstance(input, Value):
        _tensor("reshape", input, 1, "input")
    if not shape and "shape" not in named:
        fail(TypeError, 'reshape() missing 1 required positional arguments: "shape"')
    return vw.reshape(input, _sizes(shape or (named["shape"],), "reshape", "shape"))


def view(input, *shape, dtype=None):
    """The same memory under another shape."""
    if len(shape) == 1 and isinstance(shape[0], dtypes.dtype):
        fail(NotImplementedError, "view(dtype) is not supported by nacre yet")
    return vw.view(input, _sizes(shape, "view"))


def view_as(input, other):
    """The same memory under another tensor's shape."""
    return vw.view(input, tuple(other._m.shape))


def reshape_as(input, other):
    """The same elements under another tensor's shape."""
    return vw.reshape(input, tuple(other._m.shape))


def permute(input, *dims):
    """Dimensions in another order."""
    return vw.permute(input, _sizes(dims, "permute", "dims"))


def transpose(input, dim0, dim1):
    """Two dimensions exchanged."""
    if not isinstance(input, Value):
        _tensor("transpose", input, 1, "input")
    return vw.transpose(input, dim0, dim1)


def swapaxes(input, axis0, axis1):
    """Two dimensions exchanged."""
    return transpose(input, axis0, axis1)


swapdims = transpose


def t(input):
    """The transpose of a matrix."""
    return vw.transpose2(input)


def expand(input, *sizes):
    """Repeat dimensions of size 1 without copying."""
    return vw.expand(input, _sizes(sizes, "expand"))


def expand_as(input, other):
    """Repeat dimensions to another tensor's shape."""
    return vw.expand(input, tuple(other._m.shape))


def broadcast_to(input, size):
    """Repeat dimensions to a shape."""
    return vw.expand(input, tuple(size))


def broadcast_tensors(*tensors):
    """All tensors expanded to their common shape."""
    shape = broadcast_shapes(*[x._m.shape for x in tensors])
    return tuple([vw.expand(x, shape) for x in tensors])


def unsqueeze(input, dim=None, *, axis=None):
    """A new dimension of size 1."""
    if not isinstance(input, Value):
        _tensor("unsqueeze", input, 1, "input")
    if dim is None or axis is not None:
        dim = _along("unsqueeze", dim, axis)
    return vw.unsqueeze(input, dim)


def squeeze(input, dim=None, *, axis=None):
    """Without dimensions of size 1."""
    if not isinstance(input, Value):
        _tensor("squeeze", input, 1, "input")
    return vw.squeeze(input, dim if axis is None else axis)


def narrow(input, dim, start, length):
    """A stretch of a dimension."""
    return vw.narrow(input, dim, start.item() if isinstance(start, Value) else start, length)


def select(input, dim, index):
    """One index of a dimension."""
    return vw.select(input, dim, int(index))


def diagonal(input, offset=0, dim1=0, dim2=1):
    """The diagonal as a view."""
    return vw.diagonal(input, offset, dim1, dim2)


def as_strided(input, size, stride, storage_offset=None):
    """The storage with any geometry."""
    return vw.as_strided(input, tuple(size), tuple(stride), storage_offset)


def detach(input):
    """The same memory without gradients."""
    return vw.detached(input)


def alias(input):
    """A view of everything."""
    return vw.whole(input)


def view_of(input):
    """A view of everything."""
    return vw.whole(input)


def flatten(input, start_dim=0, end_dim=-1):
    """Dimensions start_dim … end_dim as one."""
    if not isinstance(input, Value):
        _tensor("flatten", input, 1, "input")
    shape = tuple(input._m.shape)
    if not shape:
        return vw.reshape(input, (1,))
    start, end = wrap_dim(start_dim, len(shape)), wrap_dim(end_dim, len(shape))
    if start > end:
        fail(RuntimeError, "flatten() has invalid args: start_dim cannot come after end_dim")
    if start == end:
        return input
    return vw.reshape(input, (*shape[:start], numel(shape[start : end + 1]), *shape[end + 1 :]))


def ravel(input):
    """All elements in one dimension."""
    return vw.reshape(input, (-1,)) if input._m.numel else vw.reshape(input, (0,))


def unflatten(input, dim, sizes):
    """One dimension as several."""
    shape = tuple(input._m.shape)
    dim = wrap_dim(dim, len(shape))
    sizes = tuple(sizes)
    if numel(sizes) != shape[dim] and -1 not in sizes:
        fail(
            RuntimeError,
            f"unflatten: Provided sizes {list(sizes)} don't multiply up to the size of dim {dim} "
            f"({shape[dim]}) in the input tensor",
        )
    sizes = vw.resolve(sizes, shape[dim])
    return vw.view(input, (*shape[:dim], *sizes, *shape[dim + 1 :]))


def movedim(input, source, destination):
    """Dimensions moved to other places."""
    rank = len(input._m.shape)
    if not rank:
        return vw.whole(input)
    sources = [wrap_dim(d, rank) for d in ([source] if isinstance(source, int) else source)]
    places = [
        wrap_dim(d, rank) for d in ([destination] if isinstance(destination, int) else destination)
    ]
    order = [d for d in range(rank) if d not in sources]
    for place, d in sorted(zip(places, sources, strict=True)):
        order.insert(place, d)
    return vw.permute(input, tuple(order))


moveaxis = movedim


def unbind(input, dim=0, *, axis=None):
    """All indices of a dimension, as a tuple of views."""
    return vm.unbind(input, dim if axis is None else axis)


def _split_dim(name, x, dim):
    if not x._m.shape:
        fail(RuntimeError, f"{name} expects at least a 1-dimensional tensor")
    dim = wrap_dim(dim, len(x._m.shape))
    return dim, x._m.shape[dim]


def split(tensor, split_size_or_sections, dim=0):
    """Parts of a size, or of these sizes."""
    parts = split_size_or_sections
    if isinstance(parts, int):
        dim, size = _split_dim("split", tensor, dim)
        return vm.split(tensor, _equal_parts(parts, size), dim, vm.split_)
    if not isinstance(parts, list | tuple):
        fail(
            TypeError,
            "split_with_sizes(): argument 'split_sizes' (position 2) must be tuple of ints, not "
            f"{type(parts).__name__}",
        )
    dim, size = _split_dim("split_with_sizes", tensor, dim)
    parts = _sizes(parts, "split_with_sizes", "split_sizes")
    if builtins.min(parts, default=0) < 0:
        fail(
            RuntimeError,
            "split_with_sizes expects split_sizes have only non-negative entries, but got "
            f"split_sizes={list(parts)}",
        )
    if builtins.sum(parts) != size:
        fail(
            RuntimeError,
            f"split_with_sizes expects split_sizes to sum exactly to {size} (input tensor's size "
            f"at "
            f"dimension {dim}), but got split_sizes={list(parts)}",
        )
    return vm.split(tensor, parts, dim)


def _equal_parts(n, size):
    if n < 0:
        fail(RuntimeError, f"split expects split_size be non-negative, but got split_size={n}")
    if not n and size:
        fail(
            RuntimeError,
            f"split_size can only be 0 if dimension size is 0, but got dimension size of {size}",
        )
    return [builtins.min(n, size - i) for i in range(0, size, n or 1)] or [0]


def chunk(input, chunks, dim=0):
    """At most this many parts of equal size."""
    dim, size = _split_dim("chunk", input, dim)
    if chunks <= 0:
        fail(RuntimeError, f"chunk expects `chunks` to be greater than 0, got: {chunks}")
    if not size:
        return vm.split(input, [0] * chunks, dim)
    return vm.split(input, _equal_parts(-(-size // chunks), size), dim, vm.split_)


def cumsum(input, dim=None, *, dtype=None, axis=None, out=None):
    """Running sums along a dimension."""
    r = scan.cumsum(input, _along("cumsum", dim, axis), dtype)
    return r if out is None else into(out, r, "cumsum")


def flip(input, *dims):
    """The order of elements reversed along dimensions."""
    return scan.flip(input, _sizes(dims, "flip", "dims"))


def roll(input, shifts, dims=None):
    """Elements moved on along dimensions, those from the end to the front."""
    return scan.roll(input, shifts, dims)


def diag(input, diagonal=0, *, out=None):
    """The diagonal of a matrix, or a matrix with this diagonal."""
    if len(input._m.shape) == 2:
        r = vw.clone(vw.diagonal(input, diagonal))
        return r if out is None else into(out, r, "diag")
    n = input._m.shape[0] + builtins.abs(diagonal)
    start = diagonal if diagonal >= 0 else -diagonal * n
    r = vw.embed(input, (n, n), start, (n + 1,))
    return r if out is None else into(out, r, "diag")


def trace(input):
    """The sum of the diagonal."""
    return sum(vw.diagonal(input))


# ---- joining and indexing
# ----------------------------------------------------------------------------
def cat(tensors, dim=0, *, axis=None, out=None):
    """Tensors joined along a dimension."""
    r = join.cat(tensors, dim if axis is None else axis)
    return r if out is None else into(out, r, "cat")


concat = concatenate = cat


def stack(tensors, dim=0, *, axis=None, out=None):
    """Tensors joined along a new dimension."""
    r = join.stack(tensors, dim if axis is None else axis)
    return r if out is None else into(out, r, "stack")


def hstack(tensors, *, out=None):
    """Tensors joined along their second dimension (first for vectors)."""
    tensors = [vw.reshape(x, (1,)) if not x._m.shape else x for x in tensors]
    r = join.cat(tensors, 0 if len(tensors[0]._m.shape) == 1 else 1)
    return r if out is None else into(out, r, "hstack")


def vstack(tensors, *, out=None):
    """Tensors joined as rows."""
    rows = [vw.reshape(x, (1, -1)) if len(x._m.shape) < 2 else x for x in tensors]
    r = join.cat(rows, 0)
    return r if out is None else into(out, r, "vstack")


def gather(input, dim, index, *, sparse_grad=False, out=None):
    """Elements at index tensor places along a dimension."""
    r = ix.gather(input, index, attrs=wrap_dim(dim, len(input._m.shape)))
    return r if out is None else into(out, r, "gather")


def index_select(input, dim, index, *, out=None):
    """Entries at these indices of a dimension."""
    r = ix.index_select(input, dim, index)
    return r if out is None else into(out, r, "index_select")


def _scatter_value(input, index, src):
    if isinstance(src, Value):
        return src
    return full_op(src, attrs=meta_of(tuple(index._m.shape), input._m.dtype))


def scatter(input, dim, index, src=None, *, value=None, reduce=None, out=None):
    """Values written at index places along a dimension."""
    src = value if src is None else src
    mode = "add" if reduce == "add" else "set"
    dim = wrap_dim(dim, len(input._m.shape))
    if mode == "set" and not isinstance(src, Value):
        r = ix.scatter_value(input, index, src, attrs=(("dim", dim),))
        return r if out is None else into(out, r, "scatter")
    r = ix.scatter(input, index, _scatter_value(input, index, src), attrs=(dim, mode))
    return r if out is None else into(out, r, "scatter")


def scatter_add(input, dim, index, src, *, out=None):
    """Values added at index places along a dimension."""
    r = ix.scatter(input, index, src, attrs=(wrap_dim(dim, len(input._m.shape)), "add"))
    return r if out is None else into(out, r, "scatter_add")


def index_add(input, dim, index, source, *, alpha=1, out=None):
    """Slices added at these indices of a dimension."""
    r = ix.index_add(input, dim, index, source if alpha == 1 else ew.mul(source, alpha))
    return r if out is None else into(out, r, "index_add")


def take(input, index, *, out=None):
    """Elements by their place in row-major order."""
    if index._m.dtype is not int64:
        fail(
            RuntimeError,
            f"take(): Expected a long tensor for index, but got {_long(index)}",
            "convert it with .long()",
        )
    r = ix.take(input, index)
    return r if out is None else into(out, r, "take")


def masked_select(input, mask, *, out=None):
    """The elements where the mask holds, in one dimension."""
    x, m = broadcast_tensors(input, mask)
    r = x[m]
    return r if out is None else into(out, r, "masked_select")


def nonzero(input, *, out=None, as_tuple=False):
    """The places of elements that are not zero."""
    places = np.nonzero(array_of(input))
    if as_tuple:
        return tuple([from_array(p.astype(np.int64)) for p in places])
    r = from_array(np.stack(places, 1).astype(np.int64) if places else np.zeros((1, 0), np.int64))
    return r if out is None else into(out, r, "nonzero")


argwhere = nonzero


# ---- softmax
# ---------------------------------------------------------------------------------------------
def softmax(input, dim=None, dtype=None, *, axis=None):
    """exp(x) / sum(exp(x)) along a dimension."""
    if not isinstance(input, Value):
        _tensor("softmax", input, 1, "input")
    return loss.softmax(input, _along("softmax", dim, axis), dtype)


def log_softmax(input, dim=None, dtype=None, *, axis=None):
    """log of softmax along a dimension."""
    if not isinstance(input, Value):
        _tensor("log_softmax", input, 1, "input")
    return loss.log_softmax(input, _along("log_softmax", dim, axis), dtype)


def clone(input, *, memory_format=None):
    """A copy that gradients flow through."""
    return ew.clone(input)


def numel_of(input):
    """The number of elements."""
    return input._m.numel


def is_tensor(obj):
    """Whether it is a tensor."""
    return isinstance(obj, Value)


def is_floating_point(input):
    """Whether the element type is a floating one."""
    return input._m.dtype.is_floating_point


def result_type(tensor1, tensor2):
    """The type of tensor1 + tensor2."""
    return _promoted(tensor1, tensor2)


def can_cast(from_, to):
    """Whether a type may be written into another."""
    return from_.category <= to.category


# ---- types as methods
# --------------------------------------------------------------------------------
def _converter(d):
    def convert(self, memory_format=None):
        return ew.cast(self, d)

    convert.__doc__ = f"The tensor as {d.name}."
    return convert


_CONVERT = {
    "float": dtypes.float32,
    "double": dtypes.float64,
    "half": dtypes.float16,
    "bfloat16": dtypes.bfloat16,
    "long": dtypes.int64,
    "int": dtypes.int32,
    "short": dtypes.int16,
    "char": dtypes.int8,
    "byte": dtypes.uint8,
    "bool": dtypes.bool_,
}

METHODS = """
add sub subtract mul multiply div divide true_divide floor_divide remainder fmod pow addcmul addcdiv
lerp neg negative abs absolute sign sgn exp exp2 expm1 log log2 log10 log1p sqrt rsqrt reciprocal
sin
cos tan tanh sigmoid erf floor ceil trunc relu isnan logical_not round square clamp clip clamp_min
clamp_max isinf isfinite eq ne lt le gt ge not_equal less less_equal greater greater_equal
logical_and
logical_or logical_xor bitwise_and bitwise_or bitwise_xor bitwise_not maximum minimum masked_fill
equal
isclose allclose sum mean prod var std any all amax amin argmax argmin max min norm logsumexp
count_nonzero mm bmm matmul mv dot inner outer ger addmm reshape view view_as reshape_as permute
transpose swapaxes swapdims t expand expand_as broadcast_to unsqueeze squeeze narrow select diagonal
as_strided flatten ravel unflatten movedim moveaxis unbind split chunk diag trace gather
index_select
scatter scatter_add index_add cumsum flip roll take masked_select nonzero softmax log_softmax
""".split()

IN_PLACE = {
    "add": ew.add,
    "sub": ew.sub,
    "mul": ew.mul,
    "div": ew.div,
    "neg": ew.neg,
    "abs": ew.abs_,
    "sign": ew.sign,
    "exp": ew.exp,
    "exp2": ew.exp2,
    "expm1": ew.expm1,
    "log": ew.log,
    "log2": ew.log2,
    "log10": ew.log10,
    "log1p": ew.log1p,
    "sqrt": ew.sqrt,
    "rsqrt": ew.rsqrt,
    "reciprocal": ew.reciprocal,
    "sin": ew.sin,
    "cos": ew.cos,
    "tan": ew.tan,
    "tanh": ew.tanh,
    "sigmoid": ew.sigmoid,
    "erf": ew.erf,
    "floor": ew.floor,
    "ceil": ew.ceil,
    "trunc": ew.trunc,
    "round": ew.round_,
    "relu": ew.relu,
    "logical_not": ew.logical_not,
    "bitwise_not": ew.bitwise_not,
    "eq": ew.eq,
    "ne": ew.ne,
    "lt": ew.lt,
    "le": ew.le,
    "gt": ew.gt,
    "ge": ew.ge,
    "logical_and": ew.logical_and,
    "logical_or": ew.logical_or,
    "logical_xor": ew.logical_xor,
    "bitwise_and": ew.bitwise_and,
    "bitwise_or": ew.bitwise_or,
    "bitwise_xor": ew.bitwise_xor,
    "floor_divide": ew.floor_divide,
    "remainder": ew.remainder,
    "lerp": ew.lerp,
}
Tensor_class = Tensor
promote_types = promote_types
get_default_dtype = get_default_dtype
