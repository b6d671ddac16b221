"""`x[...]` and `x[...] = v` in every form: integers, slices, None, Ellipsis, masks, index tensors.

Integers, slices, None and Ellipsis make views; index tensors gather. An index is read in two steps:
`_parsed` says what each item is, `_sliced` applies the views and leaves the index tensors.
"""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np

from nacre.base.dtypes import bool_, int32, int64, uint8
from nacre.base.errors import fail
from nacre.base.shapes import (
    broadcast_shapes,
    contiguous_strides,
    elementwise_strides,
    numel,
    overlaps_itself,
)
from nacre.ir.node import meta_of
from nacre.ir.trace import Storage, Value, in_memory, long_name
from nacre.ops import view
from nacre.ops.elementwise import cast
from nacre.ops.index_tensor import index_along, index_flat, index_put, index_put_add
from nacre.tensor import cell
from nacre.tensor.cell import array_of
from nacre.tensor.elements import is_plain

_NOT_INDICES = "tensors used as indices must be long, int, byte or bool tensors"
_INDEX_TYPES = (bool_, uint8, int32, int64)


# ---- what the items are -------------------------------------------------------------------------
def _items(index):
    """The items of an index: its own, if it is a tuple or a list that PyTorch takes for one."""
    if isinstance(index, tuple):
        return list(index)
    if isinstance(index, list) and len(index) < 32 and any(map(_makes_tuple, index)):
        warnings.warn(
            "Using a non-tuple sequence for multidimensional indexing is deprecated and will be "
            "changed in pytorch 2.9; use x[tuple(seq)] instead of x[seq]. In pytorch 2.9 this will "
            "be interpreted as tensor index, x[torch.tensor(seq)], which will result either in an "
            "error or a different result",
            UserWarning,
            stacklevel=4,
        )
        return list(index)
    return [index]


def _makes_tuple(item):
    return item is None or item is Ellipsis or isinstance(item, Value | slice | Sequence)


def _parsed(item):
    """An item as int, bool, None, Ellipsis, slice, or an index tensor or array."""
    if item is None or item is Ellipsis or isinstance(item, slice | bool):
        return item
    if isinstance(item, int | np.integer):
        return int(item)
    if isinstance(item, Value):
        d = item._m.dtype
        if d not in _INDEX_TYPES:
            fail(IndexError, _NOT_INDICES, f"this one has dtype {d}")
        if not item._m.shape and d not in (bool_, uint8):
            return int(item.item())
        if d is uint8 and item._m.shape:
            warnings.warn(
                "indexing with dtype torch.uint8 is now deprecated, please use a dtype torch.bool "
                "instead.",
                UserWarning,
                stacklevel=5,
            )
        return np.asarray(array_of(item) != 0) if d in (bool_, uint8) else item
    if isinstance(item, Sequence | np.ndarray):
        return _array(item)
    if hasattr(item, "__index__") and not isinstance(item, np.bool_):
        return item.__index__()
    fail(
        IndexError,
        "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are valid "
        f"indices (got {_type_name(item)})",
    )


def _type_name(item):
    kind = type(item)
    return kind.__name__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__name__}"


def _array(item):
    """A sequence as an index array: bool, or int64."""
    if isinstance(item, str):
        fail(TypeError, "new(): invalid data type 'str'")
    plain = item
    if not isinstance(item, np.ndarray):
        plain = [array_of(i) if isinstance(i, Value) else i for i in item]
    array = np.asarray(plain)
    if not array.size and not isinstance(item, np.ndarray):
        return array.astype(np.int64)
    if array.dtype == np.bool_:
        return array
    if array.dtype.kind not in "iu":
        fail(IndexError, _NOT_INDICES)
    return int(array) if not array.ndim else array.astype(np.int64)


def _is_mask(item):
    return isinstance(item, np.ndarray) and item.dtype == np.bool_


def _counted(items):
    """How many dimensions the items speak of."""
    count = 0
    for item in items:
        if _is_mask(item):
            count += item.ndim
        elif not (item is None or item is Ellipsis or isinstance(item, bool)):
            count += 1
    return count


# ---- views --------------------------------------------------------------------------------------
def _bound(value):
    if value is None or isinstance(value, int):
        return value
    if hasattr(value, "__index__"):
        return value.__index__()
    fail(TypeError, "slice indices must be integers or None or have an __index__ method")


def _slice(x, dim, item, alone):
    """One slice; one that leaves nothing out is x itself, unless it stands alone."""
    step = _bound(item.step)
    start, stop = _bound(item.start), _bound(item.stop)
    if step is not None and step <= 0:
        fail(ValueError, "step must be greater than zero" if step else "slice step cannot be zero")
    size = x._m.shape[dim]
    if not alone and start in (None, 0) and step in (None, 1) and (stop is None or stop >= size):
        return x
    start, stop, step = slice(start, stop, step).indices(size)
    return view.slice_dim(x, dim, start, stop, step)


def _sliced(x, items, alone=False, listed=True):
    """Apply the items that make views.

    Returns the view and, for each of its dimensions, an index tensor or array, or None.
    """
    rank = len(x._m.shape)
    used = _counted(items)
    if not rank and used and not listed:
        _refuse_scalar(items[0])
    if used > rank:
        fail(IndexError, f"too many indices for tensor of dimension {rank}")
    pending: list = []
    seen = False
    gone = 0
    for item in items:
        dim = len(pending)
        if item is Ellipsis:
            pending += [None] * (0 if seen else rank - used)
            seen = True
        elif item is None:
            x = view.unsqueeze(x, dim)
            pending.append(None)
            gone -= 1
        elif isinstance(item, bool):
            x = view.unsqueeze(x, dim)
            pending.append(np.zeros(int(item), np.int64))
            gone -= 1
        elif isinstance(item, int):
            x = _select(x, dim, item, dim + gone)
            gone += 1
        elif isinstance(item, slice):
            x = _slice(x, dim, item, alone)
            pending.append(None)
        elif _is_mask(item):
            x = _masked(x, dim, item, pending)
        else:
            pending.append(item)
    pending += [None] * (len(x._m.shape) - len(pending))
    return x, pending


def _refuse_scalar(item):
    if isinstance(item, int):
        fail(
            IndexError,
            "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
            "`tensor.item<T>()` in "
            "C++ to convert a 0-dim tensor to a number",
        )
    if isinstance(item, slice):
        fail(IndexError, "slice() cannot be applied to a 0-dim tensor.")


def _select(x, dim, number, named):
    size = x._m.shape[dim]
    if not -size <= number < size:
        fail(IndexError, f"index {number} is out of bounds for dimension {named} with size {size}")
    return view.select(x, dim, number)


def _masked(x, dim, mask, pending):
    """A mask is the index arrays of the places where it holds."""
    if not mask.ndim:
        pending.append(np.zeros(int(mask), np.int64))
        return view.unsqueeze(x, dim)
    for i, n in enumerate(mask.shape):
        if n != x._m.shape[dim + i]:
            fail(
                IndexError,
                f"The shape of the mask {list(mask.shape)} at index {i} does not match the shape "
                f"of "
                f"the indexed tensor {list(x._m.shape)} at index {dim + i}",
            )
    pending += np.nonzero(mask)
    return x


# ---- places -------------------------------------------------------------------------------------
class _Places:
    """Where the index tensors of a view point: which dimensions, and the shape of the result.

    As in PyTorch, their common shape stands where they stand if they are side by side, else in
    front.
    """

    def __init__(self, x, pending):
        self.x = x
        self.pending = pending
        self.dims = dims = [d for d, p in enumerate(pending) if p is not None]
        shapes = [_shape(pending[d]) for d in dims]
        try:
            self.joint = broadcast_shapes(*shapes)
        except RuntimeError:
            listed = ", ".join(str(list(s)) for s in shapes)
            fail(
                IndexError,
                "shape mismatch: indexing tensors could not be broadcast together with shapes "
                f"{listed}",
            )
        side_by_side = dims == list(range(dims[0], dims[-1] + 1))
        others = [d for d in range(len(pending)) if d not in dims]
        self.before = [d for d in others if side_by_side and d < dims[0]]
        self.after = others[len(self.before) :]
        sizes = x._m.shape
        self.shape = (
            *[sizes[d] for d in self.before],
            *self.joint,
            *[sizes[d] for d in self.after],
        )
        if numel(self.joint) and any(not sizes[d] for d in dims):
            fail(IndexError, "index is out of bounds for dimension with size 0")

    def strides(self):
        """The strides of the result: the rule of elementwise results over the view and the
        indices.
        """
        q = self.x._m.strides
        kept = (*[q[d] for d in self.before], *[0] * len(self.joint), *[q[d] for d in self.after])
        operands = [(tuple(self.shape), kept)]
        for d in self.dims:
            own = _shape(self.pending[d])
            lead = len(self.joint) - len(own)
            read = [0] * lead + list(contiguous_strides(own))
            read = [
                0 if n == 1 and m != 1 else r
                for n, m, r in zip((*[1] * lead, *own), self.joint, read, strict=True)
            ]
            target = (*[1] * len(self.before), *self.joint, *[1] * len(self.after))
            laid = view.view_strides(self.joint, tuple(read), target)
            operands.append((target, laid or contiguous_strides(target)))
        return elementwise_strides(tuple(self.shape), tuple(operands))

    def arrays(self):
        """The index arrays by dimension, checked, places from the end counted from the front."""
        found = {}
        for d in self.dims:
            index = self.pending[d]
            index = array_of(index).astype(np.int64) if isinstance(index, Value) else index
            found[d] = self.checked(index, d)
        return found

    def positions(self):
        """Row-major positions of the result's elements in the view."""
        shape = tuple(self.x._m.shape)
        strides = contiguous_strides(shape)
        rank = len(self.shape)
        at = len(self.before)
        flat = np.zeros((1,) * rank, np.int64)
        for d, index in self.arrays().items():
            lead = at + len(self.joint) - index.ndim
            spread = (1,) * lead + index.shape + (1,) * len(self.after)
            flat = flat + (index * strides[d]).reshape(spread)
        free = zip(
            (*self.before, *self.after),
            (*range(at), *range(at + len(self.joint), rank)),
            strict=True,
        )
        for d, k in free:
            ramp = np.arange(shape[d], dtype=np.int64) * strides[d]
            flat = flat + ramp.reshape([-1 if i == k else 1 for i in range(rank)])
        return np.broadcast_to(flat, self.shape)

    def checked(self, index, d):
        """An index array with places counted from the front; nothing is read where none is
        asked.
        """
        return _checked(index, d - self.dims[0], self.x._m.shape[d]) if numel(self.shape) else index


def _shape(index):
    return tuple(index._m.shape) if isinstance(index, Value) else index.shape


def _checked(index, dim, size):
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < -size or high >= size:
            bad = low if low < -size else high
            fail(IndexError, f"index {bad} is out of bounds for dimension {dim} with size {size}")
        if low < 0:
            index = np.where(index < 0, index + size, index)
    return index


def _tensor(array):
    flat = np.ascontiguousarray(array).reshape(-1)
    return in_memory(Storage(flat, flat), meta_of(array.shape, int64))


# ---- reading ------------------------------------------------------------------------------------
def get(x, index):
    """x[index]."""
    key = _key(index)
    if key is not None and is_plain(x):
        known = _GEOMETRY.get((x._m, key))
        if known is not None:
            return view.part(x, known[1], (x._v or 0) + known[0])
    viewed = _get(x, index)
    if key is not None and viewed._c is x._c and viewed._v is not None:
        if len(_GEOMETRY) >= MOST_GEOMETRIES:
            _GEOMETRY.clear()
        _GEOMETRY[x._m, key] = (viewed._v - (x._v or 0), viewed._m)
    return viewed


_GEOMETRY: dict = {}
MOST_GEOMETRIES = 10_000
_BOUNDS = (int, type(None))


def _key(index):
    """Slices and integers as something that can be looked up; None for any other index."""
    kind = index.__class__
    if kind is slice:
        parts = (index.start, index.stop, index.step)
        return parts if all([p.__class__ in _BOUNDS for p in parts]) else None
    if kind is tuple:
        found = []
        for item in index:
            key = item if item.__class__ is int else _key(item)
            if key is None:
                return None
            found.append(key)
        return (slice, *found)
    return index if index is Ellipsis else None


def _get(x, index):
    items = [_parsed(i) for i in _items(index)]
    viewed, pending = _sliced(x, items, isinstance(index, slice), isinstance(index, tuple))
    if all(p is None for p in pending):
        return view.whole(viewed) if viewed is x else viewed
    places = _Places(viewed, pending)
    attrs = (("shape", places.shape), ("strides", places.strides()))
    if len(places.dims) == 1:
        (dim,) = places.dims
        return index_along(viewed, _single(places, dim), attrs=(("dim", dim), *attrs))
    return index_flat(viewed, _tensor(places.positions().reshape(-1)), attrs=attrs)


def _single(places, dim):
    """The one index tensor; checked now if its values are there, else when they are computed."""
    index = places.pending[dim]
    if isinstance(index, Value):
        if index._c.data is not None:
            places.checked(array_of(index), dim)
        return index if index._m.dtype is int64 else index.long()
    return _tensor(places.checked(index, dim))


# ---- writing ------------------------------------------------------------------------------------
def put(x, index, value):
    """x[index] = value."""
    if not isinstance(value, Value | bool | int | float):
        fail(TypeError, f"can't assign a {_type_name(value)} to a torch.{x._m.dtype.legacy}")
    if index is False:
        return
    index = None if index is True else index
    if _has_tensors(index):
        cell.check_leaf(x, cell.tracks(x, (value,)))  # before the places are looked at
    items = [_parsed(i) for i in _items(index)]
    target, pending = _sliced(x, items, listed=isinstance(index, tuple))
    if all(p is None for p in pending):
        _assign(target, value)
    else:
        masks = [i for i in items if _is_mask(i) and i.ndim]
        others = [i for i in items if isinstance(i, Value) or type(i) in (bool, np.ndarray)]
        if len(masks) == len(others) == 1 and isinstance(value, Value) and value._m.numel == 1:
            value = cast(value, x._m.dtype)
        write_places(target, _Places(target, pending), value)


def _has_tensors(index):
    items = index if isinstance(index, tuple) else (index,)
    return any(isinstance(i, Value | np.ndarray | list) for i in items)


def _assign(target, value):
    """Write a number or a tensor of a shape that expands to the target's."""
    shape = tuple(target._m.shape)
    if not isinstance(value, Value):
        cell.check_writable(target)
        cell.fill(target, value, cell.fill_tensor_history if shape else cell.copy_history)
    elif tuple(value._m.shape) == shape:
        cell.copy_into(target, value)
    elif not value._m.shape:
        cell.copy_into(target, value, cell.fill_tensor_history)
    else:
        cell.copy_into(target, view.expand(_without_ones(value), shape))


def _without_ones(value):
    """A value without leading dimensions of size 1."""
    shape = tuple(value._m.shape)
    first = next((i for i, n in enumerate(shape) if n != 1), len(shape))
    return view.reshape(value, shape[first:]) if first else value


def put_places(x, indices, value, accumulate):
    """x.index_put_(indices, value): write at index tensors, or add there, as often as they say."""
    target, pending = _sliced(x, [_parsed(i) for i in indices])
    write_places(target, _Places(target, pending), value, accumulate)


def write_places(target, places, value, accumulate=False):
    """Write a number or a tensor at places of a view, or add it there."""
    m = target._m
    if isinstance(value, Value):
        value = _without_ones(value)
        cell.check_apart(target, value)
        if value._m.dtype is not m.dtype:
            fail(
                RuntimeError,
                "Index put requires the source and destination dtypes match, got "
                f"{long_name(m.dtype)} for the destination and {long_name(value._m.dtype)} for the "
                "source.",
            )
        sizes = tuple(value._m.shape)
        if not _expands(sizes, places.shape):
            fail(
                RuntimeError,
                f"shape mismatch: value tensor of shape {list(sizes)} cannot be broadcast to "
                f"indexing result of shape {list(places.shape)}",
            )
    if not accumulate and cell.writes_places(target, value):
        cell.put_at(target, _numpy_index(places), value)
        cell.bump(target)
        return
    if not isinstance(value, Value):
        value = cell.constant(value, (), m.dtype)
    positions = _tensor(places.positions().reshape(-1))
    record = index_put_add if accumulate else index_put
    attrs = (("shape", tuple(places.shape)),)
    if overlaps_itself(tuple(m.shape), m.strides) and not accumulate:
        index = _numpy_index(places)
        cell.put_recorded(target, index, value, record, (positions, value), attrs)
    else:
        cell.in_place(target, record, (positions, value), attrs)


def _expands(sizes, shape):
    lead = len(shape) - len(sizes)
    return lead >= 0 and all(n in (1, m) for n, m in zip(sizes, shape[lead:], strict=True))


def _numpy_index(places):
    arrays = places.arrays()
    return tuple([arrays.get(d, slice(None)) for d in range(len(places.pending))])
