"""Operations that read and write at places given by index tensors, and that join tensors."""

from __future__ import annotations

import numpy as np

from nacre.base.dtypes import int32, int64
from nacre.base.errors import fail
from nacre.base.shapes import wrap_dim
from nacre.ir.node import meta_of
from nacre.ir.tape import written
from nacre.ops import index_samples, view
from nacre.ops.create import full
from nacre.ops.elementwise import add, cast, lt, where
from nacre.ops.record import Composite, Operation
from nacre.ops.samples import b1, f32, f64, i32, i64, refused, sample, u8


def _index_dtype(name, index):
    if index.dtype not in (int64, int32):
        fail(
            RuntimeError,
            f"{name}(): Expected dtype int32/int64 for index",
            "convert it with .long()",
        )


def _out_of_bounds(index, size):
    """An index outside [0, size), or None."""
    if not index.size:
        return None
    low, high = int(index.min()), int(index.max())
    return low if low < 0 else high if high >= size else None


# ---- reading ------------------------------------------------------------------------------------
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


def _gather_grad(ctx, g):
    m = ctx.metas[0]
    zeros = full(0, attrs=meta_of(tuple(m.shape), g._m.dtype, None, m.device))
    return written(scatter(zeros, ctx[1], g, attrs=(ctx.attrs, "add"))), None


def _gathering(name, error, words, **more):
    """A gather; bad indices raise `error` with `words`, which may name {index}, {dim}, {size}."""

    def meaning(dim, meta, x, index):
        if not x.ndim or not index.ndim:
            x, flat = x.reshape(-1), index.reshape(-1)
        else:
            keep = [slice(k) if d != dim else slice(None) for d, k in enumerate(index.shape)]
            x, flat = x[tuple(keep)], index
        bad = _out_of_bounds(index, x.shape[dim])
        if bad is not None:
            fail(error, words.format(index=bad, dim=dim, size=x.shape[dim]))
        return np.take_along_axis(x, flat, dim).reshape(index.shape)

    return Operation(
        name,
        _gather_infer,
        meaning,
        _gather_grad,
        ((0, 1), ()),
        kind="gather",
        exact=True,
        **more,
    )


def _places(*shape, high):
    return i64(*shape, low=0, high=high)


def _gather_samples():
    return [
        sample(f32(2, 3), 1, _places(2, 2, high=3)),
        sample(f32(2, 3), 0, _places(1, 3, high=2)),
        sample(f64(2, 3), -1, _places(1, 4, high=3)),
        sample(f32(3, 2, layout="turned"), 0, _places(2, 2, high=3)),
        sample(f32(2, 3), 1, i64(2, 2, low=0, high=3, layout="turned")),
        sample(f32(), 0, i64(data=(0,), low=0)),
        sample(f32(3), 0, i64(0)),
        sample(i64(2, 3), 1, _places(2, 1, high=3)),
        sample(u8(4), 0, _places(3, high=4)),
        sample(b1(4), 0, _places(3, high=4)),
        sample(f32(4, 3, 2), 1, _places(2, 3, 2, high=3)),
    ]


_BOUNDS = "index {index} is out of bounds for dimension {dim} with size {size}"


def _gather_errors():
    rank = "Index tensor must have the same number of dimensions as input tensor"
    return [
        refused(RuntimeError, rank, f32(2, 3), 1, _places(2, high=3)),
        refused(RuntimeError, "Size does not match at dimension 0", f32(2, 3), 1, i64(3, 1, low=0)),
        refused(RuntimeError, "Expected dtype int32/int64 for index", f32(2, 3), 1, f32(2, 3)),
        refused(RuntimeError, "index 3 is out of bounds", f32(3), 0, i64(data=(0, 3))),
        refused(RuntimeError, "index -1 is out of bounds", f32(3), 0, i64(data=(0, -1))),
        refused(IndexError, "Dimension out of range", f32(2, 3), 2, _places(2, 3, high=2)),
    ]


gather = _gathering(
    "gather",
    RuntimeError,
    _BOUNDS,
    torch=("torch.gather", "Tensor.gather"),
    samples=_gather_samples,
    errors=_gather_errors,
)
gather_along = _gathering("gather_along", IndexError, "index out of range in self", internal=True)
gather_targets = _gathering(
    "gather_targets", IndexError, "Target {index} is out of bounds.", internal=True
)


gather_flat = _gathering(
    "gather_flat",
    IndexError,
    "out of range: tried to access index {index} on a tensor of {size} elements.",
    internal=True,
)


def _take_places(x, index):
    """Places counted from the front, in one dimension."""
    index = view.reshape(index, (index._m.numel,))
    return where(lt(index, 0), add(index, x.numel), index)


def _take_body(x, index):
    flat = view.reshape(x, (x._m.numel,))
    out = gather_flat(flat, _take_places(x._m, index), attrs=0)
    return view.clone(view.reshape(out, tuple(index._m.shape)))


def _take_grad(ctx, g):
    m = ctx.metas[0]
    zeros = full(0, attrs=meta_of((m.numel,), g._m.dtype, None, m.device))
    flat = view.reshape(g, (g._m.numel,))
    out = scatter(zeros, _take_places(m, ctx[1]), flat, attrs=(0, "add"))
    return view.reshape(out, tuple(m.shape)), None


take = Composite(
    "take",
    _take_body,
    _take_grad,
    ((1,), ()),
    torch=("torch.take", "Tensor.take"),
    samples=index_samples.take,
    errors=index_samples.take_errors,
)


def _place_samples():
    found = [
        sample(f32(2, 3), 1),
        sample(f64(2, 3), 0, True),
        sample(f32(2, 3), dim=-1, keepdim=True),
        sample(f32(3, 2, layout="turned"), 0),
        sample(i64(2, 3), 1),
        sample(f32(data=(1.0, 3.0, 3.0)), 0).rough(),
        sample(f32(data=(1.0, float("nan"), 3.0)), 0).rough(),
    ]
    return found


def _extreme_along(name):
    """Of values and the places of extremes along a dimension: the extremes."""

    def body(x, places, dim, keep):
        values = gather(x, places, attrs=dim)
        return view.clone(values if keep else view.squeeze(values, dim))

    def grad(ctx, g):
        attrs = dict(ctx.attrs)
        m = ctx.metas[0]
        if not attrs["keep"]:
            g = view.unsqueeze(g, attrs["dim"])
        zeros = full(0, attrs=meta_of(tuple(m.shape), g._m.dtype, None, m.device))
        return written(scatter(zeros, ctx[1], g, attrs=(attrs["dim"], "add")), 2), None

    return Composite(
        f"{name}_along",
        body,
        grad,
        ((1,), ()),
        grad_name=f"{name.capitalize()}Backward0",
        torch=(f"torch.{name}", f"Tensor.{name}"),
        samples=_place_samples,
        errors=lambda: [refused(IndexError, "Dimension out of range", f32(2, 3), 2)],
    )


max_along = _extreme_along("max")
min_along = _extreme_along("min")


# ---- writing ------------------------------------------------------------------------------------
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
    bad = _out_of_bounds(index, flat.shape[dim])
    if bad is not None:
        fail(RuntimeError, _BOUNDS.format(index=bad, dim=dim, size=flat.shape[dim]))
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


def _scatter_samples():
    each = [
        sample(f32(2, 3), 1, _places(2, 2, high=3), f32(2, 2)),
        sample(f32(3, 2), 0, i64(1, 2, data=(2, 0)), f32(1, 2)),
        sample(f64(2, 3), -1, i64(2, 3, data=(0, 1, 2, 2, 0, 1)), f64(2, 3)),
        sample(f32(3, 2, layout="turned"), 0, i64(1, 2, data=(1, 2)), f32(1, 2)),
        sample(f32(3, 2), 0, i64(1, 2, data=(1, 2)), f32(2, 2, fixed=True)),
        sample(f32(3), 0, i64(0), f32(0)),
        sample(i64(4), 0, i64(data=(3, 1)), i64(2)),
        sample(i32(4), 0, i64(data=(3, 1)), i32(2)),
    ]
    added = [s.by("torch.scatter_add", "Tensor.scatter_add", "Tensor.scatter_add_") for s in each]
    twice = sample(f32(3), 0, i64(data=(1, 1, 2)), f32(3))
    return [
        *each,
        *added,
        twice.by("torch.scatter_add", "Tensor.scatter_add_"),
        sample(f32(), 0, i64(data=(0,)), f32(1)),
    ]


def _scatter_errors():
    return [
        refused(RuntimeError, "scatter(): Expected self.dtype to be equal to src.dtype",
                f32(3), 0, _places(2, high=3), f64(2)),
        refused(RuntimeError, "to be no larger than self",
                f32(2, 3), 1, i64(3, 1, low=0), f32(3, 1)),
        refused(RuntimeError, "index 3 is out of bounds", f32(3), 0, i64(data=(3,)), f32(1)),
        refused(RuntimeError, "Expected dtype int32/int64 for index", f32(3), 0, f32(1), f32(1)),
    ]  # fmt: skip


scatter = Operation(
    "scatter",
    _scatter_infer,
    _scatter_numpy,
    _scatter_grad,
    ((1,), (), (1,)),
    kind="scatter",
    exact=True,
    torch=(
        "torch.scatter",
        "Tensor.scatter",
        "Tensor.scatter_",
        "torch.scatter_add",
        "Tensor.scatter_add",
        "Tensor.scatter_add_",
    ),
    names=lambda attrs, metas: f"Scatter{'Add' if attrs[1] == 'add' else ''}Backward0",
    samples=_scatter_samples,
    errors=_scatter_errors,
)


def _scatter_value_body(base, index, value, dim):
    filled = full(value, attrs=meta_of(tuple(index._m.shape), base._m.dtype))
    return scatter(base, index, filled, attrs=(dim, "set"))


def _scatter_value_grad(ctx, g):
    index = ctx[1]
    zeros = full(0, attrs=meta_of(tuple(index._m.shape), g._m.dtype, None, g._m.device))
    dim = dict(ctx.attrs)["dim"]
    return scatter(g, index, zeros, attrs=(dim, "set")), None, None


scatter_value = Composite(
    "scatter_value",
    _scatter_value_body,
    _scatter_value_grad,
    ((1,), (), ()),
    grad_name="ScatterBackward1",
    torch=("torch.scatter", "Tensor.scatter", "Tensor.scatter_"),
    samples=lambda: [
        sample(f32(2, 3), 1, i64(2, 1, data=(1, 2)), 5.0),
        sample(f32(2, 3), 1, i64(2, 1, data=(1, 2)), value=2),
        sample(i64(3), 0, i64(2, data=(1, 2)), 4),
        sample(f32(3, 2, layout="turned"), 0, i64(1, 2, data=(1, 2)), 0.5),
    ],
)


def spread_index(index, dim, shape):
    """A vector of indices along `dim` as an index tensor of `shape` (an expanded view)."""
    ones = [1] * len(shape)
    ones[dim] = -1
    return view.expand(view.reshape(index, tuple(ones)), shape)


def _index_select_body(x, index, dim):
    m = x._m
    if not m.shape:
        return view.clone(view.reshape(_index_select_body(view.reshape(x, (1,)), index, 0), ()))
    shape = (*m.shape[:dim], index._m.numel, *m.shape[dim + 1 :])
    return gather_along(x, spread_index(index, dim, shape), attrs=dim)


def _index_select_grad(ctx, g):
    m = ctx.metas[0]
    if not m.shape:
        return g, None
    dim = dict(ctx.attrs)["dim"]
    zeros = full(0, attrs=meta_of(tuple(m.shape), g._m.dtype, None, m.device))
    places = spread_index(ctx[1], dim, tuple(g._m.shape))
    return written(scatter(zeros, places, g, attrs=(dim, "add"))), None


index_select_ = Composite(
    "index_select",
    _index_select_body,
    _index_select_grad,
    ((1,), ()),
    torch=("torch.index_select", "Tensor.index_select"),
    samples=lambda: [
        sample(f32(3, 2), 0, i64(data=(2, 0, 2))),
        sample(f64(2, 3), 1, i32(data=(1,))),
        sample(f32(3, 2, layout="turned"), -1, i64(data=(1, 1))),
        sample(f32(2, 3), 0, i64(0)),
        sample(f32(3), 0, i64(data=(1,))),
        sample(f32(), 0, i64(data=(0,))),
        sample(i64(3), 0, i64(data=(1, 2))),
        sample(f32(2, 3, 2), 1, i64(data=(2, 1))),
    ],
    errors=lambda: [
        refused(IndexError, "Index is supposed to be a vector", f32(3), 0, i64(1, 1, low=0)),
        refused(RuntimeError, "Expected dtype int32 or int64 for index", f32(3), 0, f32(1)),
        refused(IndexError, "index out of range in self", f32(3), 0, i64(data=(3,))),
        refused(IndexError, "Dimension out of range", f32(3), 1, i64(data=(0,))),
    ],
)


def _index_add_body(x, index, source, dim):
    spread = spread_index(index, dim, tuple(source._m.shape))
    return scatter(x, spread, source, attrs=(dim, "add"))


def _index_add_grad(ctx, g):
    dim = dict(ctx.attrs)["dim"]
    second = index_select(g, dim, ctx[1]) if ctx.needs[2] else None
    return g, None, second


index_add_ = Composite(
    "index_add",
    _index_add_body,
    _index_add_grad,
    ((), (), (1,)),
    torch=("torch.index_add", "Tensor.index_add", "Tensor.index_add_"),
    samples=lambda: [
        sample(f32(3, 2), 0, i64(data=(2, 0, 2)), f32(3, 2)),
        sample(f64(2, 3), 1, i64(data=(1, 1)), f64(2, 2)),
        sample(f32(3, 2, layout="turned"), -1, i64(data=(1,)), f32(3, 1)),
        sample(f32(3), 0, i64(data=(1, 2)), f32(2), alpha=0.5),
    ],
    errors=lambda: [
        refused(IndexError, "Dimension out of range", f32(3), 1, i64(data=(0,)), f32(1)),
    ],
)


def index_add(x, dim, index, source):
    """x with slices added at these indices of a dimension."""
    dim = wrap_dim(dim, len(x._m.shape))
    return index_add_(x, cast(index, int64), source, attrs=(("dim", dim),))


def index_select(x, dim, index):
    """The entries of x at these indices along a dimension."""
    if len(index._m.shape) > 1:
        fail(IndexError, "index_select(): Index is supposed to be a vector")
    if index._m.dtype not in (int64, int32):
        fail(RuntimeError, "index_select(): Expected dtype int32 or int64 for index")
    dim = wrap_dim(dim, len(x._m.shape))
    return index_select_(x, cast(index, int64), attrs=(("dim", dim),))
