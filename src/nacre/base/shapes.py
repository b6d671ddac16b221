"""Shapes as plain tuples: sizes, strides, broadcasting, dimension numbers."""

from __future__ import annotations

from functools import lru_cache
from math import prod

kept = lru_cache(1 << 13)  # what follows from shapes that are in use


class Size(tuple):
    """The shape of a tensor: a tuple of integers that prints as `torch.Size([2, 3])`."""

    __slots__ = ()

    def __repr__(self):
        return f"torch.Size([{', '.join(map(str, self))}])"

    def numel(self) -> int:
        """The number of elements of a tensor of this shape."""
        return prod(self)

    def __getitem__(self, index):
        got = tuple.__getitem__(self, index)
        return Size(got) if isinstance(index, slice) else got

    def __add__(self, other):
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(tuple.__add__(self, other))

    def __radd__(self, other):
        if not isinstance(other, tuple):
            return NotImplemented
        return Size(tuple(other) + tuple(self))

    def __mul__(self, times):
        return Size(tuple.__mul__(self, times))

    __rmul__ = __mul__

    def __reduce__(self):
        return Size, (tuple(self),)


Size.__module__ = "torch"


def numel(shape) -> int:
    """The product of the sizes; 1 for a 0-d shape."""
    return prod(shape)


@kept
def contiguous_strides(shape) -> tuple[int, ...]:
    """Row-major strides in elements, sizes of 0 counted as 1 as PyTorch does."""
    strides = []
    step = 1
    for size in reversed(shape):
        strides.append(step)
        step *= max(size, 1)
    return tuple(reversed(strides))


@kept
def is_contiguous(shape, strides) -> bool:
    """Whether elements lie in row-major order without gaps; strides of size-1 dimensions don't
    count.
    """
    if 0 in shape:
        return True
    step = 1
    for size, stride in zip(reversed(shape), reversed(strides), strict=True):
        if size != 1:
            if stride != step:
                return False
            step *= size
    return True


@kept
def is_dense(shape, strides) -> bool:
    """Whether the elements fill their memory exactly once, in some order of dimensions."""
    if 0 in shape:
        return True
    step = 1
    for stride, size in sorted((q, d) for d, q in zip(shape, strides, strict=True) if d > 1):
        if stride != step:
            return False
        step *= size
    return True


def overlaps_itself(shape, strides) -> bool:
    """Whether an expanded dimension makes several elements share one place."""
    return any(q == 0 and d > 1 for d, q in zip(shape, strides, strict=True)) and 0 not in shape


def broadcast_shapes(*shapes) -> tuple[int, ...]:
    """The shape that all broadcast to, aligned at the last dimension.

    Raises RuntimeError with PyTorch's words if two sizes differ and neither is 1.
    """
    rank = max(map(len, shapes))
    out = [1] * rank
    for shape in shapes:
        for i, size in zip(range(rank - 1, -1, -1), reversed(shape), strict=False):
            if size != 1:
                if out[i] not in (1, size):
                    raise RuntimeError(
                        f"The size of tensor a ({out[i]}) must match the size of tensor b ({size}) "
                        f"at non-singleton dimension {i}"
                    )
                out[i] = size
    return tuple(out)


def broadcast_strides(shape, strides, target) -> tuple[int, ...]:
    """Strides that read a tensor of `shape` as one of shape `target`: 0 along repeated
    dimensions.
    """
    extra = len(target) - len(shape)
    return (0,) * extra + tuple(
        0 if d == 1 and t != 1 else q
        for d, q, t in zip(shape, strides, target[extra:], strict=True)
    )


def wrap_dim(dim: int, rank: int) -> int:
    """A dimension number counted from the front; IndexError with PyTorch's words out of range."""
    low, high = (-rank, rank - 1) if rank else (-1, 0)
    if not hasattr(dim, "__index__"):
        raise TypeError(f"argument 'dim' must be int, not {type(dim).__name__}")
    if not low <= dim <= high:
        raise IndexError(
            f"Dimension out of range (expected to be in range of [{low}, {high}], but got {dim})"
        )
    return dim + rank if dim < 0 and rank else (0 if not rank else dim)


def wrap_dims(dims, rank: int) -> tuple[int, ...]:
    """Several dimension numbers, each once, in ascending order; None or () means all of them."""
    if dims is None or (isinstance(dims, (tuple, list)) and not dims):
        return tuple(range(rank))
    if not isinstance(dims, (tuple, list)):
        dims = (dims,)
    wrapped = [wrap_dim(d, rank) for d in dims]
    if not rank:
        return ()
    for d in wrapped:
        if wrapped.count(d) > 1:
            raise RuntimeError(f"dim {d} appears multiple times in the list of dims")
    return tuple(sorted(wrapped))


@kept
def elementwise_strides(shape, operands) -> tuple[int, ...]:
    """The strides PyTorch gives the result of an elementwise operation.

    `operands` are the shape and the strides of each operand; a number has the shape (). Operands of
    one shape that agree hand their layout on. Otherwise dimensions are ordered by the first operand
    whose strides tell two of them apart.
    """
    rank = len(shape)
    if all(s == operands[0][0] for s, _ in operands):
        if all(is_contiguous(s, q) for s, q in operands):
            return contiguous_strides(shape)
        last = operands[0][1]
        if rank == 4 and all(_is_channels_last(s, q) for s, q in operands):
            n, c, h, w = shape
            return h * w * c, 1, w * c, c
        if all(q == last and is_dense(s, q) for s, q in operands):
            return last
    order = _memory_order(shape, [broadcast_strides(s, q, shape) for s, q in operands])
    if order == list(range(rank - 1, -1, -1)):
        return contiguous_strides(shape)
    strides = [0] * rank
    step = 1
    for d in order:
        strides[d] = step
        step *= shape[d]
    return tuple(strides)


@kept
def preserved_strides(shape, strides) -> tuple[int, ...]:
    """The strides PyTorch gives a copy: the same where the elements are dense, else in their
    order.
    """
    if is_dense(shape, strides):
        return strides
    kept = [0] * len(shape)
    step = 1
    for d in _memory_order(shape, [strides]):
        kept[d] = step
        step *= max(shape[d], 1)
    return tuple(kept)


def _memory_order(shape, operands) -> list[int]:
    """Dimensions from the fastest to the slowest, by insertion, so that undecided ones stay."""
    rank = len(shape)
    order = list(range(rank - 1, -1, -1))
    for i in range(1, rank):
        here = i
        for j in range(i - 1, -1, -1):
            compared = _swap(order[j], order[here], shape, operands)
            if compared > 0:
                order[j], order[here] = order[here], order[j]
                here = j
            elif compared < 0:
                break
    return order


def _is_channels_last(shape, strides) -> bool:
    step = 1
    for d in (1, 3, 2, 0):
        if shape[d] != 1:
            if strides[d] != step:
                return False
            step *= shape[d]
    return True


def _swap(dim0, dim1, shape, operands) -> int:
    """1 if dim1 should be the faster dimension, -1 if dim0, 0 if nothing tells."""
    for strides in operands:
        stride0, stride1 = strides[dim0], strides[dim1]
        if stride0 == 0 or stride1 == 0:
            continue
        if stride0 < stride1:
            return -1
        if stride0 > stride1:
            return 1
        if shape[dim0] > shape[dim1]:
            return 1
    return 0
