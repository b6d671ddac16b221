"""Tensors from Python data, from constants and from random numbers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping, Sequence

import numpy as np

from nacre.base import dtypes
from nacre.base.dtypes import float64, get_default_dtype, int64, of_number
from nacre.base.errors import fail
from nacre.base.shapes import contiguous_strides, preserved_strides
from nacre.ir.node import meta_of
from nacre.ir.trace import Storage, Value, in_memory
from nacre.ops import create
from nacre.ops.rules import preserved_meta
from nacre.tensor.cell import array_of, element_strides, from_numpy
from nacre.tensor.device import device as as_device
from nacre.tensor.out import into


# ---- arguments ----------------------------------------------------------------------------------
def shape_of(sizes, name="empty"):
    """A shape from `f(2, 3)`, `f((2, 3))` or `f(size)`, the arguments of the function `name`."""
    given = sizes
    if len(sizes) == 1 and isinstance(sizes[0], Sequence | np.ndarray):
        sizes = sizes[0]
    out = []
    for i, n in enumerate(sizes):
        if not hasattr(n, "__index__"):
            whole = sizes is given or isinstance(sizes, str)
            element = f"tuple of ints, but found element of type {type(n).__name__} at pos {i}"
            must = f"tuple of ints, not {type(n).__name__}" if whole else element
            fail(TypeError, f"{name}(): argument 'size' (position 1) must be {must}")
        n = int(n.__index__())
        if n < 0:
            words = f"Trying to create tensor with negative dimension {n}: {list(map(int, sizes))}"
            fail(
                RuntimeError,
                "zeros: Dimension size must be non-negative." if name == "zeros" else words,
            )
        out.append(n)
    return tuple(out)


def dtype_of(d, name):
    """A dtype from an argument: PyTorch's, or the Python types float, int and bool."""
    if isinstance(d, dtypes.dtype):
        return d
    found = _PYTHON.get(d) if isinstance(d, type) else None
    if found is None:
        fail(TypeError, f"{name}(): argument 'dtype' must be torch.dtype, not {type(d).__name__}")
    return found


_PYTHON = {float: dtypes.float64, int: int64, bool: dtypes.bool_}


def device_name(device):
    """The device a tensor is made on; only the CPU exists here so far."""
    if device is None:
        return "cpu"
    kind = getattr(device, "type", device)
    if isinstance(kind, str) and kind.partition(":")[0] in ("cpu",):
        return "cpu"
    if isinstance(kind, int) or str(kind).startswith("cuda"):
        fail(AssertionError, "Torch not compiled with CUDA enabled")
    as_device(kind)
    fail(NotImplementedError, f"there is no device of type {kind} here")


def _finish(t, requires_grad):
    if requires_grad:
        if not t._m.dtype.is_floating_point:
            fail(
                RuntimeError,
                "Only Tensors of floating point and complex dtype can require gradients",
                f"this tensor has dtype {t._m.dtype}; give it a floating one with dtype=",
            )
        t.requires_grad_(True)
    return t


def from_array(array, d=None):
    """A tensor that owns a fresh contiguous array."""
    d = dtypes.from_numpy(array.dtype) if d is None else d
    flat = np.ascontiguousarray(array, d.np).reshape(-1)
    return in_memory(
        Storage(flat, flat if flat.base is None else flat.base), meta_of(array.shape, d)
    )


def _copied(array, d, strides):
    """A tensor with the values of an array, its dimensions in memory in the order of `strides`."""
    shape = array.shape
    kept = preserved_strides(shape, strides)
    if kept == contiguous_strides(shape):
        return from_array(_to(array, d), d)
    flat = np.empty(array.size, d.np)
    there = np.lib.stride_tricks.as_strided(flat, shape, [q * flat.itemsize for q in kept])
    if array.size:
        there[...] = _to(array, d)
    return in_memory(Storage(flat, flat), meta_of(shape, d, kept))


# ---- from data ----------------------------------------------------------------------------------
def _check_nesting(data):
    """Raise PyTorch's error where the lengths of nested sequences disagree."""
    first = data
    sizes = []
    while isinstance(first, Sequence) and not isinstance(first, str):
        sizes.append(len(first))
        if not len(first):
            break
        first = first[0]
    stack = [(data, 0)]
    while stack:
        item, depth = stack.pop()
        nested = isinstance(item, Sequence) and not isinstance(item, str)
        if nested and depth >= len(sizes):
            whole = isinstance(first, int)
            words = "'list' object cannot be interpreted as an integer"
            fail(TypeError, words if whole else "must be real number, not list")
        if not nested:
            if depth < len(sizes) and not isinstance(item, Value | np.ndarray | str):
                fail(TypeError, f"expected sequence object with len >= 0 or scalar, got {item!r}")
            continue
        if len(item) != sizes[depth]:
            fail(
                ValueError,
                f"expected sequence of length {sizes[depth]} at dim {depth} (got {len(item)})",
                "every row must have the same length",
            )
        stack.extend((x, depth + 1) for x in item)


def _plain(data):
    """Nested sequences with tensors in them as nested lists of numbers or arrays."""
    if isinstance(data, Value):
        return array_of(data)
    if isinstance(data, list | tuple):
        return [_plain(x) for x in data]
    return data


def _contains_tensor(data):
    while isinstance(data, list | tuple) and data:
        data = data[0]
    return isinstance(data, Value)


def tensor(data, *, dtype=None, device=None, requires_grad=False, pin_memory=False):
    """A new tensor that holds a copy of `data`: numbers, nested sequences, arrays, tensors.

    Example:
        >>> nacre.tensor([[1, 2], [3, 4]])
        tensor([[1, 2],
                [3, 4]])
    """
    device_name(device)
    if isinstance(data, Value):
        warnings.warn(
            "To copy construct from a tensor, it is recommended to use "
            "sourceTensor.detach().clone() "
            "or sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor"
            "(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        d = dtype or data._m.dtype
        return _finish(_copied(array_of(data), d, data._m.strides), requires_grad)
    return _finish(_from_data(data, dtype), requires_grad)


def _from_data(data, d):
    if isinstance(data, np.ndarray | np.generic):
        array = np.asarray(data)
        d = d or dtypes.from_numpy(array.dtype)
        return _copied(array, d, element_strides(array))
    if isinstance(data, bool | int | float):
        d = d or of_number(data)
        return from_array(_to(np.array(data), d), d)
    if isinstance(data, complex):
        fail(TypeError, "complex tensors are not supported")
    if isinstance(data, str) or (not isinstance(data, Sequence) and not hasattr(data, "__array__")):
        if (
            hasattr(data, "__len__")
            and hasattr(data, "__getitem__")
            and not isinstance(data, str | Mapping)
        ):
            return _from_data([data[i] for i in range(len(data))], d)
        if isinstance(data, str):
            fail(TypeError, "new(): invalid data type 'str'")
        fail(RuntimeError, f"Could not infer dtype of {type(data).__name__}")
    if not isinstance(data, Sequence):
        return _from_data(np.asarray(data), d)
    if _contains_tensor(data):
        inner = _first_dtype(data)
        data = _plain(data)
        d = d or inner
    return _from_sequence(data, d)


def _first_dtype(data):
    while isinstance(data, list | tuple):
        data = data[0]
    return data._m.dtype


def _from_sequence(data, d):
    try:
        array = np.array(data)
    except (ValueError, OverflowError):
        _check_nesting(data)
        raise
    if array.dtype == object:
        _check_nesting(data)
        for leaf in array.reshape(-1):
            if not isinstance(leaf, bool | int | float):
                fail(RuntimeError, f"Could not infer dtype of {type(leaf).__name__}")
        fail(ValueError, "Overflow when unpacking long long")
    if array.dtype.kind in "US":
        first = data
        while isinstance(first, Sequence) and not isinstance(first, str):
            first = first[0]
        if isinstance(first, str):
            fail(ValueError, "too many dimensions 'str'")
        fail(TypeError, "new(): invalid data type 'str'")
    if d is None:
        kind = array.dtype.kind
        if array.size == 0 and kind == "f":
            d = get_default_dtype()
        elif kind == "f":
            d = get_default_dtype() if _only_python(data) else dtypes.from_numpy(array.dtype)
        elif kind == "b":
            d = dtypes.bool_
        elif kind in "iu":
            d = int64 if _only_python(data) else dtypes.from_numpy(array.dtype)
        else:
            fail(RuntimeError, f"Could not infer dtype of {type(data).__name__}")
    return from_array(_to(array, d), d)


def _only_python(data):
    while isinstance(data, Sequence) and len(data):
        data = data[0]
    return not isinstance(data, np.ndarray | np.generic)


def _to(array, d):
    with np.errstate(all="ignore"):
        return array.astype(d.np)


def as_tensor(data, dtype=None, device=None):
    """Like `tensor`, but shares memory with arrays and returns tensors as they are."""
    if isinstance(data, Value):
        return data if dtype is None else data.to(dtype)
    if isinstance(data, np.ndarray):
        t = from_numpy(data)
        return t if dtype is None else t.to(dtype)
    return tensor(data, dtype=dtype, device=device)


# ---- constants ----------------------------------------------------------------------------------
def _size(name, size, named):
    """The shape from sizes given one by one, together or as `size=`; other names are refused."""
    if "size" in named:
        size = (named.pop("size"),)
    for key in named:
        fail(TypeError, f"{name}() got an unexpected keyword argument '{key}'")
    return shape_of(size, name)


def _type(name, dtype, out, otherwise):
    if dtype is None:
        return otherwise if out is None else out._m.dtype
    return dtype_of(dtype, name)


def _given(name, t, requires_grad, out):
    """A tensor just made, or `out` with its values."""
    return _finish(t, requires_grad) if out is None else into(out, t, name)


def _filled(name, shape, value, dtype, device, requires_grad, out=None):
    d = _type(name, dtype, out, get_default_dtype())
    t = create.full(value, attrs=meta_of(shape, d, None, device_name(device)))
    return _given(name, t, requires_grad, out)


def zeros(
    *size,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    **named,
):
    """A tensor of zeros of this size.

    Example:
        >>> nacre.zeros(2, 3)
        tensor([[0., 0., 0.],
                [0., 0., 0.]])
    """
    return _filled("zeros", _size("zeros", size, named), 0, dtype, device, requires_grad, out)


def ones(
    *size,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    **named,
):
    """A tensor of ones of this size.

    Example:
        >>> nacre.ones(3)
        tensor([1., 1., 1.])
    """
    return _filled("ones", _size("ones", size, named), 1, dtype, device, requires_grad, out)


def empty(
    *size,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
    **named,
):
    """A tensor of this size whose values are not set (here: zeros)."""
    return _filled("empty", _size("empty", size, named), 0, dtype, device, requires_grad, out)


def full(
    size,
    fill_value,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """A tensor filled with `fill_value`, whose type decides the dtype.

    Example:
        >>> nacre.full((2,), 7)
        tensor([7, 7])
    """
    if isinstance(fill_value, Value):
        fill_value = fill_value.item()
    if not isinstance(fill_value, int | float | np.generic):
        fail(
            TypeError,
            "full(): argument 'fill_value' (position 2) must be Number, not "
            f"{type(fill_value).__name__}",
        )
    d = _type("full", dtype, out, of_number(fill_value))
    return _filled("full", shape_of((size,), "full"), fill_value, d, device, requires_grad, out)


def _like(name, t, value, dtype, device, requires_grad):
    d = t._m.dtype if dtype is None else dtype_of(dtype, name)
    device_name(device)
    return _finish(create.full(value, attrs=preserved_meta(d, t._m)), requires_grad)


def zeros_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """Zeros of a tensor's shape, type and order in memory."""
    return _like("zeros_like", input, 0, dtype, device, requires_grad)


def ones_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """Ones of a tensor's shape, type and order in memory."""
    return _like("ones_like", input, 1, dtype, device, requires_grad)


def empty_like(
    input,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """A tensor of this shape and type whose values are not set (here: zeros)."""
    return _like("empty_like", input, 0, dtype, device, requires_grad)


def full_like(
    input,
    fill_value,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """A tensor's shape, type and order in memory, filled with a number."""
    return _like("full_like", input, fill_value, dtype, device, requires_grad)


# ---- ranges -------------------------------------------------------------------------------------
def arange(
    *args,
    start=None,
    end=None,
    step=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """Numbers from `start` (0) up to `end`, not included, in steps.

    Example:
        >>> nacre.arange(0, 10, 4)
        tensor([0, 4, 8])
    """
    given = list(args)
    if len(given) == 1:
        end = given[0]
    elif given:
        start, end, *rest = given
        step = rest[0] if rest else step
    device_name(device)
    values = [0 if start is None else start, end, 1 if step is None else step]
    start, end, step = [v.item() if isinstance(v, Value) else v for v in values]
    for v in (start, end, step):
        if not isinstance(v, int | float | np.generic):
            fail(
                TypeError,
                f"arange(): argument '{'end' if len(args) == 1 else 'start'}' (position 1) must be "
                f"Number, not {type(v).__name__}",
            )
    if step == 0:
        fail(RuntimeError, "step must be nonzero")
    if (end - start) * step < 0:
        fail(RuntimeError, "upper bound and lower bound inconsistent with step sign")
    whole = not any(isinstance(v, float) for v in (start, end, step))
    d = _type("arange", dtype, out, int64 if whole else get_default_dtype())
    count = max(math.ceil((end - start) / step), 0)
    start, step = [v.item() if isinstance(v, np.generic) else v for v in (start, step)]
    t = create.arange(_places(count, d), start, step, attrs=meta_of((count,), d))
    return _given("arange", t, requires_grad, out)


def _places(count, d):
    """The numbers 0 to count - 1, in memory that is never written."""
    kind = float64 if d.is_floating_point else int64
    storage = _PLACES.get(kind)
    if storage is None or storage.array.size < count:
        size = max(1024, 1 << (count - 1).bit_length())
        storage = _PLACES[kind] = Storage(np.arange(size, dtype=kind.np))
    return in_memory(storage, meta_of((count,), kind))


_PLACES: dict = {}


def linspace(
    start,
    end,
    steps,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """`steps` numbers at equal distances from `start` to `end`, both included.

    Example:
        >>> nacre.linspace(0, 1, 5)
        tensor([0.0000, 0.2500, 0.5000, 0.7500, 1.0000])
    """
    d = _type("linspace", dtype, out, get_default_dtype())
    device_name(device)
    start, end = (v.item() if isinstance(v, Value) else v for v in (start, end))
    if steps < 0:
        fail(RuntimeError, "number of steps must be non-negative")
    kind = d.np.type if d.is_floating_point else np.float64
    if d in (dtypes.float16, dtypes.bfloat16):
        kind = np.float32
    values = np.full(steps, start, kind)
    if steps > 1:
        step = kind((kind(end) - kind(start)) / kind(steps - 1))
        at = np.arange(steps)
        values = np.where(
            at < steps // 2,
            kind(start) + step * at.astype(kind),
            kind(end) - step * (steps - 1 - at).astype(kind),
        )
    return _given("linspace", from_array(_to(values, d), d), requires_grad, out)


def eye(
    n,
    m=None,
    *,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """The identity matrix, n × m.

    Example:
        >>> nacre.eye(2)
        tensor([[1., 0.],
                [0., 1.]])
    """
    d = _type("eye", dtype, out, get_default_dtype())
    device_name(device)
    for word, size in (("n", n), ("m", n if m is None else m)):
        if size < 0:
            fail(RuntimeError, f"{word} must be greater or equal to 0, got {size}")
    return _given("eye", from_array(np.eye(n, m, dtype=d.np), d), requires_grad, out)
