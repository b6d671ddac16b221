"""Attaches functions to `Tensor` as methods, operators and in-place twins."""

from __future__ import annotations

import copy as copying
import warnings

import numpy as np

from nacre.base.errors import fail
from nacre.ir.trace import Services, Symbol, Value
from nacre.ops import elementwise as ew
from nacre.ops import matmul as mm_ops
from nacre.tensor import cell, creation, elements, functions, printing, rand_in_place
from nacre.tensor.tensor import Tensor, operand

_NUMBERS = (int, float, bool)


def _operand(x, other):
    if isinstance(other, Value) or other.__class__ in _NUMBERS or type(other) is Symbol:
        return other
    return operand(x, other)


def _operator(op, check=None):
    def method(self, other):
        y = _operand(self, other)
        if y is None:
            return NotImplemented
        if check is not None:
            check(self, y)
        if not self._m.rank and self._c.data is not None:
            found = elements.computed(op, self, y)
            if found is not None:
                return found
        return op(self, y)

    return method


def _reflected(function):
    def method(self, other):
        y = _operand(self, other)
        return NotImplemented if y is None else function(self, y)

    return method


def _given(name, x, other):
    y = _operand(x, other)
    if y is None:
        fail(
            TypeError,
            f"{name}(): argument 'other' (position 1) must be Tensor, not {type(other).__name__}",
        )
    return y


def _named(method, name):
    method.__name__ = method.__qualname__ = name
    method.__doc__ = f"`{name[:-1]}` in place."
    return method


def _in_place_scaled(op, scaled, name, check=None):
    def method(self, other, *, alpha=1):
        y = _given(name, self, other)
        if check is not None:
            check(self, y)
        if type(alpha) is Symbol or alpha != 1:
            functions._check_alpha(self, y, alpha)
            return cell.in_place(self, scaled, (y, alpha))
        return cell.in_place(self, op, (y,))

    return _named(method, name)


def _in_place_binary(op, name, check=None):
    def method(self, other):
        y = _given(name, self, other)
        if check is not None:
            check(self, y)
        return cell.in_place(self, op, (y,))

    return _named(method, name)


def _in_place_unary(op, name):
    def method(self):
        return cell.in_place(self, op)

    return _named(method, name)


def _div_(self, other, *, rounding_mode=None):
    """Divide in place, rounded down ('floor') or towards zero ('trunc') if asked."""
    y = _given("div_", self, other)
    if rounding_mode is None:
        return cell.in_place(self, ew.div, (y,))
    return self.copy_(functions.div(self, y, rounding_mode=rounding_mode))


def _round_(self, *, decimals=0):
    """The nearest integer, or multiple of a power of ten, in place; halves to even."""
    if decimals:
        return self.copy_(functions.round(self, decimals=decimals))
    return cell.in_place(self, ew.round_)


_BINARY = {
    "add", "sub", "mul", "div", "eq", "ne", "lt", "le", "gt", "ge", "logical_and", "logical_or",
    "logical_xor",
    "bitwise_and", "bitwise_or", "bitwise_xor", "floor_divide", "remainder",
}  # fmt: skip


def _logic(logical, bitwise):
    return lambda x, y: bitwise(x, y)


def _needs_tensor(name):
    def check(x, y):
        if not isinstance(y, Value):
            fail(
                TypeError,
                f"{name}(): argument 'other' (position 1) must be Tensor, not {type(y).__name__}",
            )

    return check


def attach():
    """Give `Tensor` its methods."""
    for name in functions.METHODS:
        setattr(Tensor, name, getattr(functions, name))
    for name, d in functions._CONVERT.items():
        setattr(Tensor, name, functions._converter(d))
    for name, op in functions.IN_PLACE.items():
        if name == "lerp":
            continue
        check = None
        if name in ("floor_divide", "remainder"):
            check = functions._zero_division
        if name.startswith("logical_"):
            check = _needs_tensor(name + "_")
        maker = (
            _in_place_binary(op, name + "_", check)
            if name in _BINARY
            else _in_place_unary(op, name + "_")
        )
        setattr(Tensor, name + "_", maker)
    Tensor.add_ = _in_place_scaled(ew.add, ew.add_scaled, "add_")
    Tensor.sub_ = _in_place_scaled(ew.sub, ew.sub_scaled, "sub_", functions._no_bool)
    Tensor.div_ = _div_
    Tensor.round_ = _round_
    for alias, name in (
        ("subtract_", "sub_"),
        ("multiply_", "mul_"),
        ("divide_", "div_"),
        ("true_divide_", "div_"),
    ):
        setattr(Tensor, alias, getattr(Tensor, name))
    _operators()
    _others()


def _operators():
    pairs = {
        "add": (ew.add, None),
        "sub": (ew.sub, functions._no_bool),
        "mul": (ew.mul, None),
        "truediv": (ew.div, None),
        "and": (ew.bitwise_and, None),
        "or": (ew.bitwise_or, None),
        "xor": (ew.bitwise_xor, None),
        "lt": (ew.lt, None),
        "le": (ew.le, None),
        "gt": (ew.gt, None),
        "ge": (ew.ge, None),
    }
    for name, (op, check) in pairs.items():
        setattr(Tensor, f"__{name}__", _operator(op, check))
        if name in ("add", "mul", "and", "or", "xor"):
            setattr(Tensor, f"__r{name}__", _operator(op, check))
    Tensor.__rsub__ = _reflected(functions.rsub)
    Tensor.__rtruediv__ = _reflected(lambda x, y: ew.mul(ew.reciprocal(x), y))
    Tensor.__floordiv__ = _reflected(functions.floor_divide)
    Tensor.__rfloordiv__ = _reflected(lambda x, y: functions.floor_divide(y, x))
    Tensor.__mod__ = _reflected(functions.remainder)
    Tensor.__rmod__ = _reflected(lambda x, y: functions.remainder(y, x))
    Tensor.__pow__ = _reflected(functions.pow)
    Tensor.__rpow__ = _reflected(lambda x, y: functions.pow(y, x))
    Tensor.__matmul__ = _matmul
    Tensor.__rmatmul__ = _rmatmul
    Tensor.__neg__ = lambda self: ew.neg(self)
    Tensor.__pos__ = lambda self: self
    Tensor.__abs__ = lambda self: ew.abs_(self)
    Tensor.__invert__ = _invert
    for name in ("add", "sub", "mul", "and", "or", "xor"):
        plain = {"and": "bitwise_and", "or": "bitwise_or", "xor": "bitwise_xor"}.get(name, name)
        setattr(Tensor, f"__i{name}__", getattr(Tensor, plain + "_"))
    Tensor.__itruediv__ = Tensor.div_
    Tensor.__ifloordiv__ = Tensor.floor_divide_
    Tensor.__imod__ = Tensor.remainder_
    Tensor.__ipow__ = _pow_


def _rmatmul(self, other):
    other = operand(self, other)
    return mm_ops.matmul(other, self) if isinstance(other, Value) else NotImplemented


def _invert(self):
    if self._m.dtype.is_floating_point:
        fail(
            TypeError,
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors",
        )
    return ew.bitwise_not(self)


def _matmul(self, other):
    if isinstance(other, np.ndarray):
        other = operand(self, other)
    if not isinstance(other, Value):
        return NotImplemented
    return mm_ops.matmul(self, other)


def _pow_(self, exponent):
    """To a power, in place."""
    if isinstance(exponent, Value):
        return cell.in_place(self, ew.power, (exponent,))
    return cell.in_place(self, ew.pow_number, (), (exponent, exponent.__class__))


def _clamp_(self, min=None, max=None):
    """Bring values between two bounds, in place."""
    bounds = [b for b in (min, max) if b is not None]
    if not bounds:
        fail(RuntimeError, "torch.clamp: At least one of 'min' or 'max' must not be None")
    if isinstance(min, Value) or isinstance(max, Value):
        attrs = (("low", min is not None), ("high", max is not None))
        return cell.in_place(self, ew.clamp_between, tuple(bounds), attrs)
    return cell.in_place(self, ew.clamp, tuple(bounds), (min is not None, max is not None))


def _clamp_min_(self, min):
    """Raise values to a bound, in place."""
    if isinstance(min, Value):
        return _clamp_(self, min)
    return cell.in_place(self, ew.clamp_min, (min,), functions.LOW)


def _clamp_max_(self, max):
    """Lower values to a bound, in place."""
    if isinstance(max, Value):
        return _clamp_(self, None, max)
    return cell.in_place(self, ew.clamp_max, (max,), functions.HIGH)


def _masked_fill_(self, mask, value):
    """Write a number where the mask holds."""
    return cell.masked_fill(self, mask, value)


def _scatter_(self, dim, index, src=None, *, value=None, reduce=None):
    """Write values at index places along a dimension."""
    src = value if src is None else src
    dim = functions.wrap_dim(dim, len(self._m.shape))
    mode = "add" if reduce == "add" else "set"
    if mode == "set" and not isinstance(src, Value):
        return cell.in_place(self, functions.ix.scatter_value, (index, src), (("dim", dim),))
    src = functions._scatter_value(self, index, src)
    return cell.in_place(self, functions.ix.scatter, (index, src), (dim, mode))


def _scatter_add_(self, dim, index, src):
    """Add values at index places along a dimension."""
    dim = functions.wrap_dim(dim, len(self._m.shape))
    return cell.in_place(self, functions.ix.scatter, (index, src), (dim, "add"))


def _index_add_(self, dim, index, source, *, alpha=1):
    """Add slices at these indices of a dimension."""
    dim = functions.wrap_dim(dim, len(self._m.shape))
    index = functions.ew.cast(index, functions.int64)
    source = source if alpha == 1 else functions.ew.mul(source, alpha)
    return cell.in_place(self, functions.ix.index_add_, (index, source), (("dim", dim),))


def _addcmul_(self, tensor1, tensor2, *, value=1):
    """Add value * tensor1 * tensor2."""
    return cell.in_place(self, ew.addcmul, (tensor1, tensor2, value))


def _addcdiv_(self, tensor1, tensor2, *, value=1):
    """Add value * tensor1 / tensor2."""
    return cell.in_place(self, ew.addcdiv, (tensor1, tensor2, value))


def _lerp_(self, end, weight):
    """Move towards `end` by a weight."""
    return cell.in_place(self, ew.lerp, (end, weight))


def _square_(self):
    """The square, in place."""
    return _pow_(self, 2)


def _where(self, condition, other):
    """The tensor where the condition holds, else `other`."""
    return functions.where(condition, self, other)


def _norm(self, p="fro", dim=None, keepdim=False, dtype=None):
    """The p-norm over dimensions; p=2 by default."""
    return functions.norm(self, p, dim, keepdim, dtype=dtype)


# ---- new tensors of the same type ----------------------------------------------------------------
def _new_tensor(
    self, data, *, dtype=None, device=None, requires_grad=False, layout=None, pin_memory=False
):
    """A tensor of `data` with this tensor's type."""
    d = self._m.dtype if dtype is None else dtype
    return creation.tensor(data, dtype=d, device=device, requires_grad=requires_grad)


def _made_by(make, meaning):
    def method(self, *size, dtype=None, device=None, requires_grad=False, **more):
        d = self._m.dtype if dtype is None else dtype
        return make(*size, dtype=d, device=device, requires_grad=requires_grad, **more)

    method.__doc__ = meaning
    return method


_new_zeros = _made_by(creation.zeros, "Zeros of this size, with this tensor's type.")
_new_ones = _made_by(creation.ones, "Ones of this size, with this tensor's type.")
_new_empty = _made_by(creation.empty, "A tensor of this size and this tensor's type, not set.")


def _new_full(self, size, fill_value, *, dtype=None, device=None, requires_grad=False, **more):
    """A tensor of this size filled with a number, with this tensor's type."""
    d = self._m.dtype if dtype is None else dtype
    return creation.full(
        size, fill_value, dtype=d, device=device, requires_grad=requires_grad, **more
    )


def _new(self, *args):
    """A tensor of these sizes, or of this data, with this tensor's type."""
    return Services.legacy(self._m.dtype, args)


def _others():
    Tensor.pow_ = _pow_
    Tensor.clamp_ = Tensor.clip_ = _clamp_
    Tensor.clamp_min_ = _clamp_min_
    Tensor.clamp_max_ = _clamp_max_
    Tensor.masked_fill_ = _masked_fill_
    Tensor.scatter_ = _scatter_
    Tensor.scatter_add_ = _scatter_add_
    Tensor.index_add_ = _index_add_
    Tensor.addcmul_ = _addcmul_
    Tensor.addcdiv_ = _addcdiv_
    Tensor.lerp_ = _lerp_
    Tensor.square_ = _square_
    Tensor.where = _where
    Tensor.norm = _norm
    Tensor.new_tensor = _new_tensor
    Tensor.new_zeros = _new_zeros
    Tensor.new_ones = _new_ones
    Tensor.new_empty = _new_empty
    Tensor.new_full = _new_full
    Tensor.new = _new
    rand_in_place.attach(Tensor)


def _legacy(d, args):
    """`FloatTensor(2, 3)` or `FloatTensor([1, 2])`."""
    if not args:
        return creation.empty(0, dtype=d)
    if len(args) == 1 and not isinstance(args[0], int):
        data = args[0]
        if isinstance(data, Value):
            return data.detach()
        if isinstance(data, tuple) and type(data).__name__ == "Size":
            return creation.empty(data, dtype=d)
        return creation._from_data(data, d)
    return creation.empty(*args, dtype=d)


def _deep_copy(t, memo):
    s = cell.storage_of(t)
    key = ("storage", id(t._c))
    copied = memo.get(key)
    if copied is None:
        copied = cell.Cell(t._c.meta, cell.Storage(s.array.copy()))
        memo[key] = copied
        memo[("keep", id(t._c))] = t._c
    made = object.__new__(type(t))
    made._c, made._v, made._m = copied, t._v, t._m
    made._gf, made._rg, made._vc = None, t._rg, [1]  # PyTorch fills an empty tensor
    memo[id(t)] = made
    made.__dict__.update(
        {k: copying.deepcopy(v, memo) for k, v in t.__dict__.items() if not k.startswith("_")}
    )
    if t._grad is not None:
        made._grad = copying.deepcopy(t._grad, memo)
    return made


def rebuild(kind, array, name, requires_grad, attributes):
    """A tensor from its pickled parts."""
    t = creation.from_array(array, creation.dtypes.BY_NAME[name])
    made = t if kind is None else t.as_subclass(kind)
    made._rg = requires_grad
    made.__dict__.update(attributes)
    return made


def _reduce(t):
    attributes = {k: v for k, v in t.__dict__.items() if not k.startswith("_")}
    array = np.ascontiguousarray(cell.array_of(t))
    kind = None if type(t) is Tensor else type(t)
    return rebuild, (kind, array, t._m.dtype.name, t._rg and t._gf is None, attributes)


def _warn_grad():
    warnings.warn(
        "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its .grad "
        "attribute won't be populated during autograd.backward(). If you indeed want the .grad "
        "field "
        "to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf Tensor.",
        UserWarning,
        stacklevel=3,
    )


def _warn_scalar():
    warnings.warn(
        "Converting a tensor with requires_grad=True to a scalar may lead to unexpected behavior.\n"
        "Consider using tensor.detach() first.",
        UserWarning,
        stacklevel=4,
    )


def _show(t):
    m = t._m
    try:
        g = t.grad_fn
        name = None if g is None else type(g).__name__
    except RuntimeError:  # a view that was written where gradients cannot be recorded through it
        name = "Invalid"
    return printing.tensor_text(cell.array_of(t), m.dtype, t.requires_grad, name, m.device)


Services.legacy = _legacy
Services.deep_copy = _deep_copy
Services.reduce = _reduce
Services.warn_grad = _warn_grad
Services.warn_scalar = _warn_scalar
Services.show = _show
Services.as_tensor = creation.as_tensor
Services.check_device = creation.device_name
attach()
