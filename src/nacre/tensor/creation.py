"""Tensors from Python data, from constants and from random numbers."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence

import numpy as np

from nacre.base import dtypes
from nacre.base.dtypes import get_default_dtype, int64, of_number
from nacre.base.errors import fail
from nacre.ir.node import meta_of
from nacre.ir.trace import Storage, Value, in_memory
from nacre.ops import create
from nacre.ops.rules import preserved_meta
from nacre.tensor.cell import array_of, from_numpy
from nacre.tensor.device import device as as_device


# ---- arguments ----------------------------------------------------------------------------------
def shape_of(sizes):
    """A shape from `f(2, 3)`, `f((2, 3))` or `f(size)`."""
    if len(sizes) == 1 and isinstance(sizes[0], Sequence | np.ndarray):
        sizes = sizes[0]
    out = []
    for n in sizes:
        n = n.__index__() if not isinstance(n, int) else int(n)
        if n < 0:
            fail(
                RuntimeError,
                f"Trying to create tensor with negative dimension {n}: {list(map(int, sizes))}",
            )
        out.append(n)
    return tuple(out)


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
        t.requires_grad_(True)
    return t


def from_array(array, d=None):
    """A tensor that owns a fresh contiguous array."""
    d = dtypes.from_numpy(array.dtype) if d is None else d
    flat = np.ascontiguousarray(array, d.np).reshape(-1)
    return in_memory(Storage(flat, flat if flat.base is None else flat.base), meta_of(array.shape, d))


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
            fail(TypeError, "must be real number, not list")
        if not nested:
            if depth < len(sizes) and not isinstance(item, Value | np.ndarray):
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
            "To copy construct from a tensor, it is recommended to use sourceTensor.detach().clone() "
            "or sourceTensor.detach().clone().requires_grad_(True), rather than torch.tensor"
            "(sourceTensor).",
            UserWarning,
            stacklevel=2,
        )
        return _finish(from_array(array_of(data), dtype or data._m.dtype), requires_grad)
    return _finish(_from_data(data, dtype), requires_grad)


def _from_data(data, d):
    if isinstance(data, np.ndarray | np.generic):
        array = np.array(data)
        found = dtypes.from_numpy(array.dtype)
        return from_array(_to(array, d or found), d or found)
    if isinstance(data, bool | int | float):
        d = d or of_number(data)
        return from_array(_to(np.array(data), d), d)
    if isinstance(data, complex):
        fail(TypeError, "complex tensors are not supported")
    if isinstance(data, str) or (not isinstance(data, Sequence) and not hasattr(data, "__array__")):
        if hasattr(data, "__len__") and hasattr(data, "__getitem__") and not isinstance(data, str):
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
        leaf = next((x for x in array.reshape(-1) if not isinstance(x, bool | int | float)), None)
        if leaf is None:
            fail(OverflowError, "Overflow when unpacking long")
        fail(RuntimeError, f"Could not infer dtype of {type(leaf).__name__}")
    if array.dtype.kind in "US":
        fail(ValueError, "too many dimensions 'str'")
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
def constant(shape, value, d=None, requires_grad=False, device=None):
    """A tensor filled with a number."""
    device = device_name(device)
    d = d or get_default_dtype()
    return _finish(create.full(value, attrs=meta_of(shape, d, None, device)), requires_grad)


def zeros(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False, **unused):
    """A tensor of zeros of this size."""
    return constant(shape_of(unused.get("size", size)), 0, dtype, requires_grad, device)


def ones(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False, **unused):
    """A tensor of ones of this size."""
    return constant(shape_of(unused.get("size", size)), 1, dtype, requires_grad, device)


def empty(*size, out=None, dtype=None, layout=None, device=None, requires_grad=False, **unused):
    """A tensor of this size whose values are not set (here: zeros)."""
    return constant(shape_of(unused.get("size", size)), 0, dtype, requires_grad, device)


def full(size, fill_value, *, out=None, dtype=None, device=None, requires_grad=False, **unused):
    """A tensor filled with `fill_value`, whose type decides the dtype."""
    if isinstance(fill_value, Value):
        fill_value = fill_value.item()
    d = dtype or of_number(fill_value)
    return constant(shape_of((size,)), fill_value, d, requires_grad, device)


def _like(t, d, memory_format=None):
    return preserved_meta(d or t._m.dtype, t._m)


def zeros_like(t, *, dtype=None, device=None, requires_grad=False, memory_format=None, **unused):
    """Zeros of a tensor's shape and type."""
    return _finish(create.full(0, attrs=_like(t, dtype)), requires_grad)


def ones_like(t, *, dtype=None, device=None, requires_grad=False, memory_format=None, **unused):
    """Ones of a tensor's shape and type."""
    return _finish(create.full(1, attrs=_like(t, dtype)), requires_grad)


def empty_like(t, *, dtype=None, device=None, requires_grad=False, memory_format=None, **unused):
    """A tensor of this shape and type whose values are not set."""
    return zeros_like(t, dtype=dtype, requires_grad=requires_grad)


def full_like(t, fill_value, *, dtype=None, device=None, requires_grad=False, **unused):
    """A tensor's shape and type filled with a number."""
    return _finish(create.full(fill_value, attrs=_like(t, dtype)), requires_grad)


def arange(*args, start=None, end=None, step=None, out=None, dtype=None, requires_grad=False, **more):
    """Numbers from `start` (0) up to `end`, not included, in steps."""
    given = list(args)
    if len(given) == 1:
        end = given[0]
    elif given:
        start, end, *rest = given
        step = rest[0] if rest else step
    device_name(more.get("device"))
    values = [0 if start is None else start, end, 1 if step is None else step]
    values = [v.item() if isinstance(v, Value) else v for v in values]
    start, end, step = values
    if step == 0:
        fail(RuntimeError, "step must be nonzero")
    if (end - start) * step < 0:
        fail(RuntimeError, "upper bound and lower bound inconsistent with step sign")
    if dtype is None:
        dtype = get_default_dtype() if any(isinstance(v, float) for v in values) else int64
    count = max(math.ceil((end - start) / step), 0)
    attrs = meta_of((count,), dtype)
    return _finish(create.arange(start, step, attrs=attrs), requires_grad)


def linspace(start, end, steps, *, out=None, dtype=None, device=None, requires_grad=False, **unused):
    """`steps` numbers at equal distances from `start` to `end`, both included."""
    d = dtype or get_default_dtype()
    start, end = (v.item() if isinstance(v, Value) else v for v in (start, end))
    kind = d.np.type if d.is_floating_point else np.float64
    if d in (dtypes.float16, dtypes.bfloat16):
        kind = np.float32
    values = np.empty(steps, kind)
    if steps == 1:
        values[:] = start
    elif steps:
        step = kind((kind(end) - kind(start)) / kind(steps - 1))
        at = np.arange(steps)
        half = steps // 2
        values = np.where(
            at < half,
            kind(start) + step * at.astype(kind),
            kind(end) - step * (steps - 1 - at).astype(kind),
        )
    return _finish(from_array(_to(values, d), d), requires_grad)


def eye(n, m=None, *, out=None, dtype=None, device=None, requires_grad=False, **unused):
    """The identity matrix."""
    d = dtype or get_default_dtype()
    return _finish(from_array(np.eye(n, m, dtype=d.np), d), requires_grad)
