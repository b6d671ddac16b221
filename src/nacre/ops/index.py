"""Operations that read and write at places given by index tensors, and that join tensors."""

from __future__ import annotations

import numpy as np

from nacre.base.dtypes import int32, int64
from nacre.base.errors import fail
from nacre.base.shapes import wrap_dim
from nacre.ir.node import meta_of
from nacre.ops import view
from nacre.ops.create import full
from nacre.ops.elementwise import cast
from nacre.ops.record import Composite, Operation
from nacre.ops.rules import common_dtype, device_of


def _index_dtype(name, index):
    if index.dtype not in (int64, int32):
        fail(RuntimeError, f"{name}(): Expected dtype int64 for index")


def _gather_infer(attrs, x, index):
    _index_dtype("gather", index)
    if len(x.shape) != len(index.shape) and x.shape and index.shape:
        fail(
            RuntimeError,
            "Index tensor must have the same number of dimensions as input tensor",
        )
    for d, (n, k) in enumerate(zip(x.shape, index.shape, strict=False)):
        if d != attrs and k > n:
            fail(
                RuntimeError,
                f"Size does not match at dimension {d} expected index {list(index.shape)} to be no "
                f"larger than self {list(x.shape)} apart from dimension {attrs}",
            )
    return meta_of(tuple(index.shape), x.dtype, None, x.device)


def check_bounds(index, size, words):
    """Raise IndexError with these words (`{}` is the value) for an index outside [0, size)."""
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= size:
            fail(IndexError, words.format(low if low < 0 else high))


def _gather_numpy(attrs, meta, x, index):
    if not x.ndim or not index.ndim:
        return np.broadcast_to(x.reshape(-1)[index.reshape(-1)], index.shape)
    part = x[tuple(slice(0, k) if d != attrs else slice(None) for d, k in enumerate(index.shape))]
    if index.size:
        low, high = int(index.min()), int(index.max())
        if low < 0 or high >= x.shape[attrs]:
            fail(
                RuntimeError,
                f"index {low if low < 0 else high} is out of bounds for dimension {attrs} with size "
                f"{x.shape[attrs]}",
            )
    return np.take_along_axis(part, index, attrs)


def _gather_grad(ctx, g):
    m = ctx.metas[0]
    zeros = full(0, attrs=meta_of(tuple(m.shape), g._m.dtype, None, m.device))
    return scatter(zeros, ctx[1], g, attrs=(ctx.attrs, "add")), None


gather = Operation(
    "gather",
    _gather_infer,
    _gather_numpy,
    _gather_grad,
    ((1,), ()),
    kind="gather",
    exact=True,
    torch=("torch.gather", "Tensor.gather"),
)


def _scatter_infer(attrs, base, index, value):
    dim, mode = attrs
    _index_dtype("scatter", index)
    if base.dtype is not value.dtype:
        fail(RuntimeError, "scatter(): Expected self.dtype to be equal to src.dtype")
    for d, k in enumerate(index.shape):
        if (d != dim and k > base.shape[d]) or k > value.shape[d]:
            fail(
                RuntimeError,
                f"Expected index {list(index.shape)} to be no larger than self {list(base.shape)} "
                f"apart from dimension {dim} and to be no larger size than src {list(value.shape)}",
            )
    return meta_of(tuple(base.shape), base.dtype, None, base.device)


def _scatter_numpy(attrs, meta, base, index, value):
    dim, mode = attrs
    out = np.array(base, order="C", copy=True)
    if not index.size:
        return out
    if not out.ndim:
        flat, index, value = out.reshape(1), index.reshape(-1), value.reshape(-1)
        dim = 0
    else:
        flat = out
        value = value[tuple(slice(0, k) for k in index.shape)]
    low, high = int(index.min()), int(index.max())
    if low < 0 or high >= flat.shape[dim]:
        fail(
            RuntimeError,
            f"index {low if low < 0 else high} is out of bounds for dimension {dim} with size "
            f"{flat.shape[dim]}",
        )
    places = list(np.indices(index.shape, sparse=True))
    places[dim] = index
    if mode == "add":
        np.add.at(flat, tuple(places), value)
    else:
        flat[tuple(places)] = value
    return out


def _scatter_grad(ctx, g):
    dim, mode = ctx.attrs
    index = ctx[1]
    first = second = None
    if ctx.needs[0]:
        if mode == "add":
            first = g
        else:
            zeros = full(0, attrs=meta_of(tuple(index._m.shape), g._m.dtype, None, g._m.device))
            first = scatter(g, index, zeros, attrs=(dim, "set"))
    if ctx.needs[2]:
        second = gather(g, index, attrs=dim)
        value = ctx.metas[2]
        if value.shape != index._m.shape:
            strides = meta_of(tuple(value.shape), g._m.dtype).strides
            second = view.embed(second, tuple(value.shape), 0, strides)
    return first, None, second


scatter = Operation(
    "scatter",
    _scatter_infer,
    _scatter_numpy,
    _scatter_grad,
    ((1,), (), (1,)),
    kind="scatter",
    exact=True,
    torch=("torch.scatter", "Tensor.scatter_", "torch.scatter_add", "Tensor.scatter_add_"),
)


def spread_index(index, dim, shape):
    """A vector of indices along `dim` as an index tensor of `shape` (an expanded view)."""
    ones = [1] * len(shape)
    ones[dim] = -1
    return view.expand(view.reshape(index, tuple(ones)), shape)


def _index_select_body(x, index, dim):
    m = x._m
    shape = (*m.shape[:dim], index._m.numel, *m.shape[dim + 1 :])
    return gather(x, spread_index(index, dim, shape), attrs=dim)


def _index_select_grad(ctx, g):
    m = ctx.metas[0]
    dim = dict(ctx.attrs)["dim"]
    zeros = full(0, attrs=meta_of(tuple(m.shape), g._m.dtype, None, m.device))
    return scatter(zeros, spread_index(ctx[1], dim, tuple(g._m.shape)), g, attrs=(dim, "add")), None


index_select_ = Composite(
    "index_select",
    _index_select_body,
    _index_select_grad,
    ((1,), ()),
    torch=("torch.index_select", "Tensor.index_select"),
)


def index_select(x, dim, index):
    """The entries of x at these indices along a dimension."""
    if len(index._m.shape) > 1:
        fail(IndexError, "index_select(): Index is supposed to be a vector")
    if index._m.dtype not in (int64, int32):
        fail(RuntimeError, "index_select(): Expected dtype int32 or int64 for index")
    dim = wrap_dim(dim, len(x._m.shape))
    if not x._m.shape:
        return view.reshape(index_select(view.reshape(x, (1,)), 0, index), ())
    return index_select_(x, cast(index, int64), attrs=(("dim", dim),))


# ---- joining ------------------------------------------------------------------------------------
def _cat_body(*xs, dim, dtype):
    first = xs[0]._m
    shape = list(first.shape)
    shape[dim] = sum(x._m.shape[dim] for x in xs)
    meta = meta_of(tuple(shape), dtype, None, first.device)
    out = full(0, attrs=meta)
    at = 0
    for x in xs:
        m = x._m
        region = meta_of(tuple(m.shape), dtype, meta.strides, m.device)
        out = view.put(out, cast(x, dtype), at * meta.strides[dim], region)
        at += m.shape[dim]
    return out


def _cat_grad(ctx, g):
    dim = dict(ctx.attrs)["dim"]
    grads = []
    at = 0
    for need, m in zip(ctx.needs, ctx.metas, strict=True):
        n = m.shape[dim]
        grads.append(view.slice_dim(g, dim, at, at + n) if need else None)
        at += n
    return tuple(grads)


cat_ = Composite(
    "cat", _cat_body, _cat_grad, torch=("torch.cat", "torch.concat", "torch.concatenate")
)


def _legacy_empty(x):
    return tuple(x._m.shape) == (0,)


def cat(tensors, dim=0):
    """Tensors joined along a dimension that they have; the other sizes must be equal."""
    tensors = list(tensors)
    if not tensors:
        fail(ValueError, "torch.cat(): expected a non-empty list of Tensors")
    for i, x in enumerate(tensors):
        if not x._m.shape:
            fail(
                RuntimeError,
                f"zero-dimensional tensor (at position {i}) cannot be concatenated",
                "use torch.stack to join scalars",
            )
    full_ones = [x for x in tensors if not _legacy_empty(x)]
    if not full_ones:
        full_ones = tensors[:1]
    rank = len(full_ones[0]._m.shape)
    dim = wrap_dim(dim, rank)
    like = full_ones[0]._m.shape
    for i, x in enumerate(full_ones):
        shape = x._m.shape
        if len(shape) != rank:
            fail(
                RuntimeError,
                f"Tensors must have same number of dimensions: got {rank} and {len(shape)}",
            )
        for d in range(rank):
            if d != dim and shape[d] != like[d]:
                fail(
                    RuntimeError,
                    f"Sizes of tensors must match except in dimension {dim}. Expected size "
                    f"{like[d]} but got size {shape[d]} for tensor number {i} in the list.",
                )
    dtype = common_dtype(*[x._m for x in tensors])
    device_of([x._m for x in tensors])
    return cat_(*full_ones, attrs=(("dim", dim), ("dtype", dtype)))


def _stack_body(*xs, dim, dtype):
    return _cat_body(*[view.unsqueeze(x, dim) for x in xs], dim=dim, dtype=dtype)


def _stack_grad(ctx, g):
    dim = dict(ctx.attrs)["dim"]
    return tuple(
        [view.select(g, dim, i) if need else None for i, need in enumerate(ctx.needs)]
    )


stack_ = Composite("stack", _stack_body, _stack_grad, torch=("torch.stack",))


def stack(tensors, dim=0):
    """Tensors of one shape joined along a new dimension."""
    tensors = list(tensors)
    if not tensors:
        fail(RuntimeError, "stack expects a non-empty TensorList")
    like = tensors[0]._m.shape
    for i, x in enumerate(tensors):
        if x._m.shape != like:
            fail(
                RuntimeError,
                f"stack expects each tensor to be equal size, but got {list(like)} at entry 0 and "
                f"{list(x._m.shape)} at entry {i}",
            )
    dim = wrap_dim(dim, len(like) + 1)
    dtype = common_dtype(*[x._m for x in tensors])
    return stack_(*tensors, attrs=(("dim", dim), ("dtype", dtype)))
