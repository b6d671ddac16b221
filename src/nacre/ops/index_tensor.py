"""Reading and writing at places given by index tensors: what `x[index]` records."""

from __future__ import annotations

from nacre.base.shapes import contiguous_strides, preserved_strides
from nacre.ir.node import meta_of
from nacre.ir.tape import written
from nacre.ops import index_samples as cases
from nacre.ops import view
from nacre.ops.create import full
from nacre.ops.elementwise import add, clone, lt, where
from nacre.ops.index import _BOUNDS, _gathering, gather, scatter, spread_index
from nacre.ops.record import Composite

gather_index = _gathering("gather_index", IndexError, _BOUNDS, internal=True)


def _dense(x):
    return clone(x, attrs=contiguous_strides(tuple(x._m.shape)))


def _laid(x, strides):
    """A new value with these strides."""
    return view.clone(x, attrs=strides)


# ---- one index tensor ---------------------------------------------------------------------------
def _wrapped(places, size):
    """Places counted from the end as places from the front."""
    return where(lt(places, 0), add(places, size), places)


def _index_along_body(x, places, dim, shape, strides):
    m = x._m
    spread = (*m.shape[:dim], places._m.numel, *m.shape[dim + 1 :])
    places = _wrapped(view.reshape(places, (-1,)), m.shape[dim])
    found = gather_index(x, spread_index(places, dim, spread), attrs=dim)
    return _laid(view.reshape(found, shape), strides)


def _index_along_grad(ctx, g):
    m = ctx.metas[0]
    dim = dict(ctx.attrs)["dim"]
    places = _wrapped(view.reshape(ctx[1], (-1,)), m.shape[dim])
    spread = (*m.shape[:dim], places._m.numel, *m.shape[dim + 1 :])
    zeros = full(0, attrs=meta_of(tuple(m.shape), g._m.dtype, None, m.device))
    places = spread_index(places, dim, spread)
    return written(scatter(zeros, places, view.reshape(g, spread), attrs=(dim, "add"))), None


index_along = Composite(
    "index_along",
    _index_along_body,
    _index_along_grad,
    ((1,), ()),
    grad_name="IndexBackward0",
    torch=("Tensor.__getitem__",),
    samples=cases.index_along,
    errors=cases.index_errors,
)


# ---- places in row-major order ------------------------------------------------------------------
def _index_body(x, positions, shape, strides):
    flat = view.reshape(_dense(x), (-1,))
    return _laid(view.reshape(gather(flat, positions, attrs=0), shape), strides)


def _index_grad(ctx, g):
    m = ctx.metas[0]
    zeros = full(0, attrs=meta_of((m.numel,), g._m.dtype, None, m.device))
    flat = view.reshape(g, (g._m.numel,))
    out = scatter(zeros, ctx[1], flat, attrs=(0, "add"))
    return written(view.reshape(out, tuple(m.shape))), None


index_flat = Composite(
    "index",
    _index_body,
    _index_grad,
    ((1,), ()),
    torch=("Tensor.__getitem__",),
    samples=cases.index,
    errors=cases.index_errors,
)


def _put_body(mode):
    def body(x, positions, value, shape):
        m = x._m
        value = view.reshape(view.expand(value, shape), (positions._m.numel,))
        out = scatter(view.reshape(_dense(x), (-1,)), positions, value, attrs=(0, mode))
        strides = preserved_strides(tuple(m.shape), m.strides)
        return _laid(view.reshape(out, tuple(m.shape)), strides)

    return body


def _put_grad(mode):
    def grad(ctx, g):
        positions = ctx[1]
        shape = dict(ctx.attrs)["shape"]
        first = g if ctx.needs[0] else None
        if ctx.needs[0] and mode == "set":
            zero = full(0, attrs=meta_of((), g._m.dtype, None, g._m.device))
            first = index_put(g, positions, zero, attrs=ctx.attrs)
        second = None
        if ctx.needs[2]:
            found = gather(view.reshape(_dense(g), (-1,)), positions, attrs=0)
            second = _laid(view.reshape(found, shape), contiguous_strides(shape))
        return first, None, second

    return grad


index_put = Composite(
    "index_put",
    _put_body("set"),
    _put_grad("set"),
    ((1,), (), (1,)),
    torch=("Tensor.__setitem__", "Tensor.index_put_"),
    samples=cases.index_put,
    errors=cases.index_put_errors,
)
index_put_add = Composite(
    "index_put_add",
    _put_body("add"),
    _put_grad("add"),
    ((1,), (), (1,)),
    grad_name="IndexPutBackward0",
    internal=True,
)
