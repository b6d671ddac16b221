"""Iteration spaces: dropping, ordering and merging dimensions, and cutting them into chunks."""

from __future__ import annotations


def collapse(shape, strides):
    """Merge the dimensions of `shape` wherever every operand walks two of them as one.

    `strides` has one tuple for each operand; dimensions of size 1 vanish and the others are
    ordered by the strides of the last operand (the output), largest first. Returns (sizes,
    strides by operand), as lists; of a single element one dimension is left.
    """
    if 1 not in shape and shape:
        return nest([*shape], [[*s] for s in strides])
    kept = [d for d, size in enumerate(shape) if size != 1]
    if not kept:
        return [1], [[1] for _ in strides]
    return nest([shape[d] for d in kept], [[s[d] for d in kept] for s in strides])


def nest(sizes, strides):
    """The same for lists without a size of 1, which may be changed."""
    rank = len(sizes)
    if rank < 2:
        return sizes, strides
    leader = strides[-1]
    if rank > 2:
        order = sorted(range(rank), key=lambda d: -abs(leader[d]))
        return merge([sizes[d] for d in order], [[s[d] for d in order] for s in strides])
    if abs(leader[0]) < abs(leader[1]):
        sizes.reverse()
        for s in strides:
            s.reverse()
    m, n = sizes
    for a, b in strides:
        if a != b * n:
            return sizes, strides
    return [m * n], [[b] for _, b in strides]


def spread(x, shape: tuple) -> tuple:
    """The strides that read an operand as one of `shape`, 0 where it repeats."""
    strides = x.strides
    if x.shape == shape:
        return strides
    sizes = x.shape
    extra = len(shape) - len(strides)
    if extra:
        strides = (0,) * extra + strides
        if shape[extra:] == sizes:
            return strides
        sizes = (1,) * extra + sizes
    return tuple(
        [
            0 if size == 1 and wanted != 1 else stride
            for size, wanted, stride in zip(sizes, shape, strides, strict=True)
        ]
    )


def dense(shape: tuple, strides: tuple) -> int:
    """The number of elements if they lie in memory without gaps, in any order, else 0.

    Strides are those of an array without overlap.
    """
    if len(shape) == 2:
        m, n = shape
        numel = m * n
        extent = (m - 1) * strides[0] + (n - 1) * strides[1] + 1
    else:
        extent = numel = 1
        for size, stride in zip(shape, strides, strict=True):
            extent += (size - 1) * stride
            numel *= size
    return numel if extent == numel else 0


def merge(sizes, strides):
    """Merge adjacent dimensions that every operand walks as one, keeping their order."""
    if len(sizes) < 2:
        return sizes, strides
    out = [sizes[-1]]
    steps = [[s[-1]] for s in strides]
    for d in range(len(sizes) - 2, -1, -1):
        size = out[-1]
        if all(s[d] == t[-1] * size for s, t in zip(strides, steps, strict=True)):
            out[-1] = size * sizes[d]
        else:
            out.append(sizes[d])
            for s, t in zip(strides, steps, strict=True):
                t.append(s[d])
    return out[::-1], [t[::-1] for t in steps]


def walk(stride: int) -> str:
    """The class of a stride along the innermost dimension."""
    return "c" if stride == 1 else "b" if stride == 0 else "s"


def chunk_elements(weight: int) -> int:
    """How many elements make a chunk for the thread pool, by the weight of the body."""
    return max(4096, min(32768, (1 << 19) // (weight + 8)))


def grid(n: int, rows: int, target: int):
    """(width, column chunks, height, chunks) of an iteration space of `rows` rows of n elements."""
    if n > target:
        width = target
        columns = -(-n // width)
        return width, columns, 1, columns * rows
    height = max(1, target // max(n, 1))
    return n, 1, height, -(-rows // height)


SHORT, LONG, TILE = 4, 64, 32


def lengthen(sizes, strides):
    """Put a long dimension that some operand walks contiguously in place of the last one."""
    for d in range(len(sizes) - 2, -1, -1):
        if sizes[d] >= LONG and any(s[d] == 1 for s in strides):
            order = [*[k for k in range(len(sizes)) if k != d], d]
            return [sizes[k] for k in order], [[s[k] for k in order] for s in strides]
    return sizes, strides


def tiled(sizes, strides) -> bool:
    """Whether an operand is turned: contiguous across the rows and not along them."""
    if sizes[-1] <= TILE:
        return False
    return any(s[-2] == 1 and s[-1] > 1 for s in strides)
