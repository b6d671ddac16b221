"""`x[...]` and `x[...] = v` in every form: integers, slices, None, Ellipsis, masks, index tensors."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from nacre.base.dtypes import bool_, from_numpy, int64, uint8
from nacre.base.errors import fail
from nacre.base.shapes import broadcast_shapes, numel
from nacre.ir.node import meta_of
from nacre.ir.trace import Storage, Value, in_memory, long_name
from nacre.ops import index_samples as index_cases
from nacre.ops import view
from nacre.ops.create import full
from nacre.ops.elementwise import clone
from nacre.ops.index import gather, scatter
from nacre.ops.record import Composite
from nacre.tensor.cell import array_of


def _items(index):
    return list(index) if isinstance(index, tuple) else [index]


def _is_index_list(item):
    return isinstance(item, Sequence) and not isinstance(item, str | tuple) or isinstance(
        item, np.ndarray
    )


def _expanded(x, items):
    """Ellipsis replaced by full slices; errors for too many indices."""
    used = 0
    for item in items:
        if item is None or item is Ellipsis or item is True or item is False:
            continue
        if isinstance(item, Value) and item._m.dtype in (bool_, uint8):
            used += len(item._m.shape)
        elif isinstance(item, np.ndarray) and item.dtype == np.bool_:
            used += item.ndim
        else:
            used += 1
    rank = len(x._m.shape)
    if used > rank:
        fail(IndexError, f"too many indices for tensor of dimension {rank}")
    out = []
    seen = False
    for item in items:
        if item is Ellipsis and not seen:
            out.extend([slice(None)] * (rank - used))
            seen = True
        elif item is Ellipsis:
            out.append(slice(None))
        else:
            out.append(item)
    return out


def _as_int(item):
    if isinstance(item, bool | np.bool_):
        return None
    if isinstance(item, int | np.integer):
        return int(item)
    if isinstance(item, Value) and not item._m.shape and item._m.dtype.category == 1:
        return None
    return None


def _bound(value):
    if value is None or isinstance(value, int):
        return value
    if hasattr(value, "__index__"):
        return value.__index__()
    fail(TypeError, "slice indices must be integers or None or have an __index__ method")


def basic(x, items):
    """Apply integers, slices and None as views; what needs index tensors is returned by dimension.

    Returns the view and a list with an index tensor or None for each of its dimensions.
    """
    dim = 0
    pending: list = []
    alone = len(items) == 1 and items[0] is not Ellipsis
    for item in _expanded(x, items):
        number = _as_int(item)
        if number is not None:
            size = x._m.shape[dim]
            if not -size <= number < size:
                fail(
                    IndexError,
                    f"index {number} is out of bounds for dimension {dim} with size {size}",
                )
            x = view.select(x, dim, number)
        elif isinstance(item, slice):
            step = _bound(item.step)
            start, stop = _bound(item.start), _bound(item.stop)
            if step is not None and step <= 0:
                fail(ValueError, "step must be greater than zero")
            if alone or not (start is None and stop is None and step in (None, 1)):
                x = view.slice_dim(x, dim, start, stop, 1 if step is None else step)
            pending.append(None)
            dim += 1
        elif item is None:
            x = view.unsqueeze(x, dim)
            pending.append(None)
            dim += 1
        elif isinstance(item, bool | np.bool_):
            x = view.unsqueeze(x, dim)
            places = np.zeros(1 if item else 0, np.int64)
            pending.append(places)
            dim += 1
        else:
            index = _index_array(item)
            if index.dtype == np.bool_:
                if not index.ndim:
                    x = view.unsqueeze(x, dim)
                    pending.append(np.zeros(1 if index else 0, np.int64))
                    dim += 1
                    continue
                for i, n in enumerate(index.shape):
                    if n != x._m.shape[dim + i]:
                        fail(
                            IndexError,
                            f"The shape of the mask {list(index.shape)} at index {i} does not match "
                            f"the shape of the indexed tensor {list(x._m.shape)} at index {dim + i}",
                        )
                pending.extend(np.nonzero(index))
                dim += index.ndim
            else:
                pending.append(index)
                dim += 1
    pending.extend([None] * (len(x._m.shape) - len(pending)))
    return x, pending


def _index_array(item):
    if isinstance(item, Value):
        if item._m.dtype is uint8:
            return array_of(item).astype(np.bool_)
        if item._m.dtype.is_floating_point:
            fail(
                IndexError,
                "tensors used as indices must be long, int, byte or bool tensors",
            )
        array = array_of(item)
        return array if array.dtype == np.bool_ else array.astype(np.int64)
    if _is_index_list(item) or isinstance(item, tuple | range):
        plain = [array_of(i) if isinstance(i, Value) else i for i in item]
        array = np.asarray(plain)
        if array.size == 0 and array.dtype.kind == "f":
            array = array.astype(np.int64)
        if array.dtype == np.bool_:
            return array
        if array.dtype.kind not in "iu":
            fail(IndexError, "tensors used as indices must be long, int, byte or bool tensors")
        return array.astype(np.int64)
    fail(
        TypeError if False else IndexError,
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {type(item).__name__})",
    )


def _linear(x, pending):
    """Flat row-major positions of what index arrays select, with the permutation that PyTorch makes.

    Returns (x with the indexed dimensions in place, positions, result shape).
    """
    shape = tuple(x._m.shape)
    dims = [d for d, p in enumerate(pending) if p is not None]
    try:
        joint = broadcast_shapes(*[pending[d].shape for d in dims])
    except RuntimeError:
        shapes = ", ".join(str(list(pending[d].shape)) for d in dims)
        fail(
            IndexError,
            f"shape mismatch: indexing tensors could not be broadcast together with shapes {shapes}",
        )
    adjacent = dims == list(range(dims[0], dims[-1] + 1))
    before = [d for d in range(len(shape)) if d not in dims and (adjacent and d < dims[0])]
    after = [d for d in range(len(shape)) if d not in dims and d not in before]
    strides = [1] * len(shape)
    for d in range(len(shape) - 2, -1, -1):
        strides[d] = strides[d + 1] * shape[d + 1]
    result = [shape[d] for d in before] + list(joint) + [shape[d] for d in after]
    rank = len(result)
    positions = np.zeros((1,) * rank, np.int64)
    for d in dims:
        index = pending[d]
        size = shape[d]
        if index.size:
            low, high = int(index.min()), int(index.max())
            if low < -size or high >= size:
                bad = low if low < -size else high
                fail(
                    IndexError, f"index {bad} is out of bounds for dimension {d} with size {size}"
                )
        index = np.where(index < 0, index + size, index) * strides[d]
        index = index.reshape((1,) * (len(joint) - index.ndim) + index.shape)
        positions = positions + index.reshape(
            (1,) * len(before) + index.shape + (1,) * len(after)
        )
    for k, d in enumerate(before):
        positions = positions + _ramp(shape[d], strides[d], k, rank)
    for k, d in enumerate(after, len(before) + len(joint)):
        positions = positions + _ramp(shape[d], strides[d], k, rank)
    return np.broadcast_to(positions, result), tuple(result)


def _ramp(size, stride, at, rank):
    shape = [1] * rank
    shape[at] = size
    return (np.arange(size, dtype=np.int64) * stride).reshape(shape)


def _positions_tensor(positions):
    flat = np.ascontiguousarray(positions).reshape(-1)
    return in_memory(Storage(flat), meta_of((flat.size,), int64))


def _index_body(x, positions, shape):
    flat = view.reshape(clone(x, attrs=meta_of(tuple(x._m.shape), x._m.dtype).strides), (-1,))
    return view.clone(view.reshape(gather(flat, positions, attrs=0), shape))


def _index_grad(ctx, g):
    m = ctx.metas[0]
    zeros = full(0, attrs=meta_of((m.numel,), g._m.dtype, None, m.device))
    flat = view.reshape(g, (g._m.numel,))
    out = scatter(zeros, ctx[1], flat, attrs=(0, "add"))
    return view.reshape(out, tuple(m.shape)), None


index_ = Composite(
    "index",
    _index_body,
    _index_grad,
    ((1,), ()),
    torch=("Tensor.__getitem__",),
    samples=index_cases.index,
    errors=index_cases.index_errors,
)


def get(x, index):
    """x[index]."""
    items = _items(index)
    viewed, pending = basic(x, items)
    if all(p is None for p in pending):
        return view.whole(viewed) if viewed is x else viewed
    positions, shape = _linear(viewed, pending)
    return index_(viewed, _positions_tensor(positions), attrs=(("shape", shape),))


def _index_put_body(x, positions, value):
    m = x._m
    flat = view.reshape(clone(x, attrs=meta_of(tuple(m.shape), m.dtype).strides), (-1,))
    out = scatter(flat, positions, value, attrs=(0, "set"))
    return view.clone(view.reshape(out, tuple(m.shape)))


def _index_put_grad(ctx, g):
    positions = ctx[1]
    flat = view.reshape(clone(g, attrs=meta_of(tuple(g._m.shape), g._m.dtype).strides), (-1,))
    zeros = full(0, attrs=meta_of((positions._m.numel,), g._m.dtype))
    first = None
    if ctx.needs[0]:
        kept = scatter(flat, positions, zeros, attrs=(0, "set"))
        first = view.reshape(kept, tuple(g._m.shape))
    return first, None, gather(flat, positions, attrs=0) if ctx.needs[2] else None


index_put_ = Composite(
    "index_put",
    _index_put_body,
    _index_put_grad,
    ((1,), (), (1,)),
    grad_name="IndexPutBackward0",
    torch=("Tensor.__setitem__",),
    samples=index_cases.index_put,
    errors=index_cases.index_put_errors,
)


def _as_value(x, value):
    """The assigned value as a tensor or number of x's kind."""
    if isinstance(value, Value | bool | int | float):
        return value
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, np.ndarray):
        array = np.ascontiguousarray(value)
        return in_memory(Storage(array.reshape(-1).copy()), meta_of(array.shape, _dtype_of(array)))
    fail(TypeError, f"can't assign a {type(value).__name__} to a torch.{x._m.dtype.legacy}")


def _dtype_of(array):
    return from_numpy(array.dtype)


def put(x, index, value):
    """x[index] = value."""
    value = _as_value(x, value)
    viewed, pending = basic(x, _items(index))
    if all(p is None for p in pending):
        target = view.whole(viewed) if viewed is x else viewed
        if isinstance(value, Value):
            _assign(target, value)
        else:
            target.fill_(value)
        return
    positions, shape = _linear(viewed, pending)
    if isinstance(value, Value):
        _check_types(viewed, value)
        value = _broadcast_value(value, shape)
    else:
        value = full(value, attrs=meta_of(shape, viewed._m.dtype))
    flat = view.reshape(value, (numel(shape),))
    target = viewed
    target._index_put(index_put_, _positions_tensor(positions), flat)


def _check_types(x, value):
    if value._m.dtype is not x._m.dtype:
        fail(
            RuntimeError,
            "Index put requires the source and destination dtypes match, got "
            f"{long_name(x._m.dtype)} for the destination and {long_name(value._m.dtype)} for the "
            "source.",
            f"convert the values, for example with .to({x._m.dtype!r})",
        )


def _assign(target, value):
    """Leading dimensions of size 1 may be more than the target has."""
    shape = tuple(value._m.shape)
    while len(shape) > len(target._m.shape) and shape[0] == 1:
        value = view.select(value, 0, 0)
        shape = shape[1:]
    target.copy_(value)


def _broadcast_value(value, shape):
    sizes = tuple(value._m.shape)
    while len(sizes) > len(shape) and sizes[0] == 1:
        value = view.select(value, 0, 0)
        sizes = sizes[1:]
    try:
        fits = broadcast_shapes(sizes, shape) == tuple(shape)
    except RuntimeError:
        fits = False
    if not fits:
        fail(
            RuntimeError,
            f"shape mismatch: value tensor of shape {list(value._m.shape)} cannot be broadcast to "
            f"indexing result of shape {list(shape)}",
        )
    return view.expand(value, tuple(shape))
