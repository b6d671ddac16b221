"""Views: the same storage read with another offset, shape and strides.

A view computes nothing and records nothing when it is made; reading it does. Each keeps its own
gradient rule, because transposing a gradient back is cheaper than writing it into zeros.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from nacre.base.errors import fail
from nacre.base.shapes import (
    contiguous_strides,
    is_dense,
    kept,
    numel,
    overlaps_itself,
    wrap_dim,
)
from nacre.ir.node import meta_of
from nacre.ir.tape import class_of, edge_of, requires, written
from nacre.ir.trace import INFERENCE, ORPHANED, TRACE, made, slot_of, wrap, write_into
from nacre.ops import view_samples as cases
from nacre.ops.create import full
from nacre.ops.elementwise import clone
from nacre.ops.record import REGISTRY, Composite, register


@dataclass(eq=False)
class View:
    """The record of a view: `grad(ctx, g)` returns the gradient of the viewed tensor."""

    name: str
    grad: object
    grad_name: str
    torch: tuple = ()
    kind: str = "view"
    samples: object = None
    errors: object = None
    internal: bool = False
    saves: tuple = field(default=())

    def __post_init__(self):
        register(self)

    def __repr__(self):
        return self.name


def alias(op, t, attrs, offset, shape, strides):
    """A tensor over the storage of `t`, with a gradient through `op` where gradients flow."""
    m = t._m
    meta = meta_of(shape, m.dtype, strides, m.device)
    a = part(t, meta, offset)
    if not TRACE.grad or a._vc.__class__ is not list:
        return a
    if t._rg if t._v is None else requires(t):
        a._gf = class_of(op.grad_name)(op, (op, attrs, m), attrs, meta, [edge_of(t)], (True,), (m,))
        a._rg = True
        if TRACE.anomaly:
            a._gf.trace_back = TRACE.anomaly()
    return a


def part(t, meta, offset):
    """A tensor over the storage of `t` that gradients do not flow through."""
    versions = t._vc
    if versions is None:
        versions = t._vc = [0]
    a = wrap(t._c, meta, offset)
    a._vc = versions
    if versions.__class__ is not list:
        return _of_inference(t, a)
    a._base = t._base if t._v is not None and t._base is not None else t
    a._seen = versions[0]
    if not TRACE.grad:
        a._made = "inference" if TRACE.inference else "no_grad"
    elif t._v is not None:
        a._made = t._made
    return a


def _of_inference(t, a):
    if t._vc is ORPHANED:
        fail(RuntimeError, "Inference tensors do not track version counter.")
    return a


def relaid(op, t, attrs, shape, strides, versions=None):
    """A value just computed, under another geometry: like a view, but there is nothing it is of."""
    m = t._m
    meta = meta_of(shape, m.dtype, strides, m.device)
    a = wrap(t._c, meta, t._v or 0)
    if a._vc is None:
        a._vc = versions
    if t._rg:
        a._gf = class_of(op.grad_name)(op, (op, attrs, m), attrs, meta, [edge_of(t)], (True,), (m,))
        a._rg = True
        if TRACE.anomaly:
            a._gf.trace_back = TRACE.anomaly()
    return a


def _start(t):
    return t._v or 0


# ---- reshaping ----------------------------------------------------------------------------------
def resolve(shape, count):
    """A shape with its one -1 replaced; RuntimeError with PyTorch's words if that cannot be."""
    shape = tuple(shape)
    for i, n in enumerate(shape):
        if n < -1:
            fail(RuntimeError, f"invalid shape dimension {n} at index {i} of shape {list(shape)}")
    if -1 not in shape:
        if numel(shape) == count:
            return shape
    elif shape.count(-1) > 1:
        fail(RuntimeError, "only one dimension can be inferred")
    else:
        known = -numel(shape)
        if known and count % known == 0:
            return tuple(count // known if n == -1 else n for n in shape)
        if not known and not count:
            fail(
                RuntimeError,
                f"cannot reshape tensor of 0 elements into shape {list(shape)} because the "
                "unspecified dimension size -1 can be any value and is ambiguous",
            )
    fail(
        RuntimeError,
        f"shape '{list(shape)}' is invalid for input of size {count}",
        f"the new sizes must multiply to {count}",
    )


@kept
def view_strides(shape, strides, target):
    """Strides by which the same memory reads as `target`, or None if it must be copied."""
    if numel(shape) == 0:
        return strides if tuple(shape) == tuple(target) else contiguous_strides(target)
    out = [0] * len(target)
    at = len(target) - 1
    base = strides[-1] if strides else 1
    tensor_numel = view_numel = 1
    for d in range(len(shape) - 1, -1, -1):
        tensor_numel *= shape[d]
        if d == 0 or (shape[d - 1] != 1 and strides[d - 1] != tensor_numel * base):
            while at >= 0 and (view_numel < tensor_numel or target[at] == 1):
                out[at] = view_numel * base
                view_numel *= target[at]
                at -= 1
            if view_numel != tensor_numel:
                return None
            if d > 0:
                base = strides[d - 1]
                tensor_numel = view_numel = 1
    if not shape:
        while at >= 0:
            out[at] = 1
            at -= 1
    return tuple(out) if at == -1 else None


view_ = View(
    "view",
    lambda ctx, g: (reshape(g, tuple(ctx.metas[0].shape)),),
    "ViewBackward0",
    ("Tensor.view", "Tensor.reshape", "torch.reshape", "torch.flatten", "Tensor.flatten",
     "Tensor.unflatten"),
    samples=cases.reshape,
    errors=cases.reshape_errors,
)  # fmt: skip
reshape_alias = View(
    "reshape_alias",
    view_.grad,
    "ReshapeAliasBackward0",
    ("torch.reshape", "Tensor.reshape"),
    samples=cases.strided_reshape,
)


def _unsafe_view_body(x, shape):
    m = x._m
    if not m.contiguous:
        x = clone(x, attrs=contiguous_strides(tuple(m.shape)))
    return clone(_reshaped(x, shape))


unsafe_view = Composite(
    "unsafe_view",
    _unsafe_view_body,
    lambda ctx, g: (reshape(g, tuple(ctx.metas[0].shape)),),
    grad_name="UnsafeViewBackward0",
    torch=("torch.reshape", "Tensor.reshape"),
    samples=cases.copied,
)


unsafe = View(
    "unsafe_reshape",
    lambda ctx, g: (reshape(g, tuple(ctx.metas[0].shape)),),
    "UnsafeViewBackward0",
    internal=True,
)


def unsafe_reshape(x, shape):
    """A contiguous value just computed, under another shape."""
    return relaid(unsafe, x, shape, shape, contiguous_strides(shape))


def _reshaped(x, shape):
    return alias(view_, x, shape, _start(x), shape, contiguous_strides(shape))


def reshape(x, shape):
    """The same elements in row-major order under another shape: a view where memory allows it."""
    m = x._m
    shape = resolve(shape, m.numel)
    strides = view_strides(m.shape, m.strides, shape)
    if strides is None:
        return unsafe_view(x, attrs=(("shape", shape),))
    op = view_ if m.contiguous else reshape_alias
    return alias(op, x, shape, _start(x), shape, strides)


def view(x, shape):
    """Like `reshape`, but refuses to copy."""
    m = x._m
    shape = resolve(shape, m.numel)
    strides = view_strides(m.shape, m.strides, shape)
    if strides is None:
        fail(
            RuntimeError,
            "view size is not compatible with input tensor's size and stride (at least one "
            "dimension spans across two contiguous subspaces). Use .reshape(...) instead.",
            f"the tensor has shape {tuple(m.shape)} and strides {m.strides}",
        )
    return alias(view_, x, shape, _start(x), shape, strides)


# ---- order of dimensions ------------------------------------------------------------------------
def _inverse(order):
    back = [0] * len(order)
    for i, d in enumerate(order):
        back[d] = i
    return tuple(back)


permute_ = View(
    "permute",
    lambda ctx, g: (permute(g, _inverse(ctx.attrs)),),
    "PermuteBackward0",
    ("torch.permute", "Tensor.permute", "torch.movedim", "Tensor.T"),
    samples=cases.permute,
    errors=cases.permute_errors,
)
transpose_ = View(
    "transpose",
    lambda ctx, g: (transpose(g, *ctx.attrs),),
    "TransposeBackward0",
    ("torch.transpose", "Tensor.transpose", "torch.swapaxes", "Tensor.swapaxes", "Tensor.mT"),
    samples=cases.transpose,
    errors=cases.transpose_errors,
)
t_ = View(
    "t",
    lambda ctx, g: (transpose2(g),),
    "TBackward0",
    ("torch.t", "Tensor.t"),
    samples=cases.turn,
    errors=cases.turn_errors,
)


def _permuted(op, x, attrs, order):
    m = x._m
    return alias(
        op,
        x,
        attrs,
        _start(x),
        tuple([m.shape[d] for d in order]),
        tuple([m.strides[d] for d in order]),
    )


def permute(x, order):
    """Dimensions in another order."""
    rank = len(x._m.shape)
    if len(order) != rank:
        fail(
            RuntimeError,
            "permute(sparse_coo): number of dimensions in the tensor input does not match the "
            f"length of the desired ordering of dimensions i.e. input.dim() = {rank} is not equal "
            f"to len(dims) = {len(order)}",
        )
    order = tuple(wrap_dim(d, rank) for d in order)
    if len(set(order)) != rank:
        fail(RuntimeError, "permute(): duplicate dims are not allowed.")
    return _permuted(permute_, x, order, order)


def transpose(x, first, second):
    """Two dimensions exchanged."""
    rank = len(x._m.shape)
    first, second = wrap_dim(first, rank), wrap_dim(second, rank)
    order = list(range(rank))
    if rank:
        order[first], order[second] = second, first
    return _permuted(transpose_, x, (first, second), order)


def transpose2(x):
    """The transpose of a matrix; vectors and scalars as they are."""
    rank = len(x._m.shape)
    if rank > 2:
        fail(
            RuntimeError,
            f"t() expects a tensor with <= 2 dimensions, but self is {rank}D",
            "use .mT or .transpose(-2, -1) for batches of matrices",
        )
    return _permuted(t_, x, None, tuple(range(rank))[::-1])


# ---- dimensions of size 1, repetition -----------------------------------------------------------
expand_ = View(
    "expand",
    lambda ctx, g: (g,),
    "ExpandBackward0",
    ("Tensor.expand", "Tensor.expand_as", "torch.broadcast_to"),
    samples=cases.expand,
    errors=cases.expand_errors,
)


def expand(x, shape):
    """Repeat dimensions of size 1 without copying; -1 keeps a size."""
    m = x._m
    extra = len(shape) - len(m.shape)
    if extra < 0:
        fail(
            RuntimeError,
            f"expand(torch.{m.dtype.legacy}{{{list(m.shape)}}}, size={list(shape)}): the number of "
            f"sizes provided ({len(shape)}) must be greater or equal to the number of dimensions "
            f"in the tensor ({len(m.shape)})",
        )
    sizes, strides = [0] * len(shape), [0] * len(shape)
    for i in range(len(shape) - 1, -1, -1):
        n = shape[i]
        if i < extra:
            if n < 0:
                fail(
                    RuntimeError,
                    f"The expanded size of the tensor ({n}) isn't allowed in a leading, "
                    f"non-existing dimension {i}",
                )
            sizes[i] = n
            continue
        size, stride = m.shape[i - extra], m.strides[i - extra]
        if n in (-1, size):
            sizes[i], strides[i] = size, stride
        elif size == 1 and n >= 0:
            sizes[i] = n
        else:
            fail(
                RuntimeError,
                f"The expanded size of the tensor ({n}) must match the existing size ({size}) at "
                f"non-singleton dimension {i}.  Target sizes: {list(shape)}.  Tensor sizes: "
                f"{list(m.shape)}",
            )
    shape = tuple(sizes)
    if not m.shape:
        return alias(expand_, x, shape, _start(x), shape, (0,) * len(shape))
    # leading dimensions take the stride the next one spans, as PyTorch reports it for size 1
    for i in range(len(shape) - 1, -1, -1):
        if i < extra and shape[i] == 1:
            following = shape[i + 1] * strides[i + 1] if i + 1 < len(shape) else 1
            strides[i] = following
    return alias(expand_, x, shape, _start(x), shape, tuple(strides))


unsqueeze_ = View(
    "unsqueeze",
    lambda ctx, g: (squeeze(g, ctx.attrs),),
    "UnsqueezeBackward0",
    ("torch.unsqueeze", "Tensor.unsqueeze"),
    samples=cases.unsqueeze,
    errors=cases.unsqueeze_errors,
)
squeeze_ = View(
    "squeeze",
    lambda ctx, g: (reshape(g, tuple(ctx.metas[0].shape)),),
    "SqueezeBackward0",
    ("torch.squeeze", "Tensor.squeeze"),
    samples=cases.squeeze,
)
squeeze_dim = View(
    "squeeze_dim",
    squeeze_.grad,
    "SqueezeBackward1",
    ("torch.squeeze", "Tensor.squeeze"),
    samples=cases.squeeze_dim,
    errors=cases.squeeze_errors,
)


squeezed = View(
    "squeezed",
    lambda ctx, g: (unsqueeze(g, ctx.attrs),),
    "SqueezeBackward4",
    internal=True,
)


def squeeze_computed(x, dim):
    """A value just computed without a dimension of size 1, its version counted as by `squeeze_`."""
    m = x._m
    shape = (*m.shape[:dim], *m.shape[dim + 1 :])
    return relaid(squeezed, x, dim, shape, (*m.strides[:dim], *m.strides[dim + 1 :]), [1])


def unsqueeze(x, dim):
    """A new dimension of size 1."""
    m = x._m
    rank = len(m.shape)
    dim = wrap_dim(dim, rank + 1)
    stride = m.shape[dim] * m.strides[dim] if dim < rank else 1
    shape = (*m.shape[:dim], 1, *m.shape[dim:])
    strides = (*m.strides[:dim], stride, *m.strides[dim:])
    return alias(unsqueeze_, x, dim, _start(x), shape, strides)


def squeeze(x, dim=None):
    """Without its dimensions of size 1, or without these if they have size 1."""
    m = x._m
    rank = len(m.shape)
    if dim is None:
        gone = range(rank)
    else:
        gone = [wrap_dim(d, rank) for d in (dim if isinstance(dim, (tuple, list)) else (dim,))]
    keep = [i for i in range(rank) if not (i in gone and m.shape[i] == 1)]
    return alias(
        squeeze_ if dim is None else squeeze_dim,
        x,
        dim if not isinstance(dim, list) else tuple(dim),
        _start(x),
        tuple(m.shape[i] for i in keep),
        tuple(m.strides[i] for i in keep),
    )


# ---- parts --------------------------------------------------------------------------------------
def put(base, value, offset, region):
    """`base` (dense) with the region at `offset` replaced by `value`, as a new value."""
    s = TRACE.stretch
    b, v = slot_of(base, s), slot_of(value, s)
    write_into(s, b, v, offset, region, base._m)
    return made(s.node, s)


def _embed_body(g, meta, offset, region):
    return put(full(0, attrs=meta), g, offset, region)


embed_ = Composite(
    "embed",
    _embed_body,
    lambda ctx, g: (
        as_strided(
            clone(g, attrs=dict(ctx.attrs)["meta"].strides),
            tuple(dict(ctx.attrs)["region"].shape),
            dict(ctx.attrs)["region"].strides,
            dict(ctx.attrs)["offset"],
        ),
    ),
    grad_name="EmbedBackward0",
    internal=True,
)


def embed(g, shape, offset, strides):
    """Zeros of `shape` with `g` written at a row-major offset with these strides."""
    m = g._m
    meta = meta_of(tuple(shape), m.dtype, None, m.device)
    region = meta_of(tuple(m.shape), m.dtype, tuple(strides), m.device)
    return embed_(g, attrs=(("meta", meta), ("offset", offset), ("region", region)))


def _select_grad(ctx, g):
    dim, index = ctx.attrs
    shape = ctx.metas[0].shape
    strides = contiguous_strides(tuple(shape))
    return (embed(g, shape, index * strides[dim], strides[:dim] + strides[dim + 1 :]),)


select_ = View(
    "select",
    _select_grad,
    "SelectBackward0",
    ("torch.select", "Tensor.select", "Tensor.__getitem__"),
    samples=cases.select,
    errors=cases.select_errors,
)


def select(x, dim, index):
    """One index of a dimension, which goes away."""
    m = x._m
    rank = len(m.shape)
    if not rank:
        fail(IndexError, "select() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, rank)
    size = m.shape[dim]
    if not -size <= index < size:
        fail(
            IndexError,
            f"select(): index {index} out of range for tensor of size {list(m.shape)} at dimension "
            f"{dim}",
        )
    index += size if index < 0 else 0
    return alias(
        select_,
        x,
        (dim, index),
        _start(x) + index * m.strides[dim],
        m.shape[:dim] + m.shape[dim + 1 :],
        m.strides[:dim] + m.strides[dim + 1 :],
    )


def _slice_grad(ctx, g):
    dim, start, _, step = ctx.attrs
    shape = ctx.metas[0].shape
    strides = list(contiguous_strides(tuple(shape)))
    offset = start * strides[dim]
    strides[dim] *= step
    return (embed(g, shape, offset, strides),)


slice_ = View(
    "slice",
    _slice_grad,
    "SliceBackward0",
    ("Tensor.__getitem__", "torch.narrow", "Tensor.narrow"),
    samples=cases.part,
    errors=cases.part_errors,
)


def slice_dim(x, dim, start, stop, step=1):
    """Elements start, start + step, … before stop of a dimension; bounds as Python clips them."""
    m = x._m
    dim = wrap_dim(dim, len(m.shape))
    if step <= 0:
        fail(ValueError, "step must be greater than zero")
    size = m.shape[dim]
    start, stop, _ = slice(start, stop, 1).indices(size)
    stop = max(stop, start)
    count = (stop - start + step - 1) // step
    return alias(
        slice_,
        x,
        (dim, start, stop, step),
        _start(x) + start * m.strides[dim],
        (*m.shape[:dim], count, *m.shape[dim + 1 :]),
        (*m.strides[:dim], m.strides[dim] * step, *m.strides[dim + 1 :]),
    )


def narrow(x, dim, start, length):
    """`length` elements from `start` along a dimension."""
    m = x._m
    if not m.shape:
        fail(RuntimeError, "narrow() cannot be applied to a 0-dim tensor.")
    dim = wrap_dim(dim, len(m.shape))
    size = m.shape[dim]
    if length < 0:
        fail(RuntimeError, "narrow(): length must be non-negative.")
    if not -size <= start <= size:
        fail(
            IndexError,
            f"Dimension out of range (expected to be in range of [-{size}, {size}], but got "
            f"{start})",
        )
    start += size if start < 0 else 0
    if start + length > size:
        fail(
            RuntimeError,
            f"start ({start}) + length ({length}) exceeds dimension size ({size}).",
        )
    return slice_dim(x, dim, start, start + length)


def _diagonal_grad(ctx, g):
    offset, first, second = ctx.attrs
    shape = ctx.metas[0].shape
    strides = contiguous_strides(tuple(shape))
    _, start, kept = _diagonal_geometry(shape, strides, offset, first, second)
    return (embed(g, shape, start, kept),)


diagonal_ = View(
    "diagonal",
    _diagonal_grad,
    "DiagonalBackward0",
    ("torch.diagonal", "Tensor.diagonal"),
    samples=cases.diagonal,
    errors=cases.diagonal_errors,
)


def _diagonal_geometry(shape, strides, offset, first, second):
    if offset >= 0:
        size = max(min(shape[first], shape[second] - offset), 0)
    else:
        size = max(min(shape[first] + offset, shape[second]), 0)
    start = 0
    if size:
        start = offset * strides[second] if offset >= 0 else -offset * strides[first]
    keep = [i for i in range(len(shape)) if i not in (first, second)]
    sizes = (*[shape[i] for i in keep], size)
    return sizes, start, (*[strides[i] for i in keep], strides[first] + strides[second])


def diagonal(x, offset=0, dim1=0, dim2=1):
    """The diagonal of two dimensions, as a last dimension."""
    m = x._m
    rank = len(m.shape)
    first, second = wrap_dim(dim1, rank), wrap_dim(dim2, rank)
    if first == second:
        fail(RuntimeError, f"diagonal dimensions cannot be identical {dim1}, {dim2}")
    shape, start, strides = _diagonal_geometry(m.shape, m.strides, offset, first, second)
    return alias(diagonal_, x, (offset, first, second), _start(x) + start, shape, strides)


# ---- any geometry -------------------------------------------------------------------------------
def _as_strided_grad(ctx, g):
    shape, strides, offset, base = ctx.attrs
    if overlaps_itself(shape, strides):
        dims = tuple([i for i, n in enumerate(shape) if not strides[i] and n > 1])
        g = REGISTRY["sum"](g, attrs=(dims, True))
        shape = tuple(1 if i in dims else n for i, n in enumerate(shape))
    if not is_dense(tuple(base.shape), base.strides):
        span = 1 + sum((n - 1) * q for n, q in zip(base.shape, base.strides, strict=True))
        flat = embed(g, (span,), offset, strides)
        return (whole(written(clone(as_strided(flat, tuple(base.shape), base.strides, 0)))),)
    meta = meta_of(tuple(base.shape), g._m.dtype, base.strides, g._m.device)
    region = meta_of(tuple(shape), g._m.dtype, tuple(strides), g._m.device)
    found = embed_(g, attrs=(("meta", meta), ("offset", offset), ("region", region)))
    return (whole(written(found)),)  # a view of what was written, as in PyTorch


as_strided_ = View(
    "as_strided",
    _as_strided_grad,
    "AsStridedBackward0",
    ("torch.as_strided", "Tensor.as_strided"),
    samples=cases.strided,
)


def as_strided(x, shape, strides, offset=None):
    """Storage read with any shape, strides and offset."""
    start = _start(x)
    offset = start if offset is None else offset
    attrs = (tuple(shape), tuple(strides), offset - start, x._m)
    return alias(as_strided_, x, attrs, offset, tuple(shape), tuple(strides))


detach_ = View(
    "alias",
    lambda ctx, g: (g,),
    "AliasBackward0",
    ("Tensor.__getitem__",),
    samples=cases.whole,
)


def whole(x):
    """A view of everything."""
    return alias(detach_, x, None, _start(x), tuple(x._m.shape), x._m.strides)


def detached(x, own_versions=False):
    """The same storage without gradients; `.data` counts its versions on its own."""
    a = wrap(x._c, x._m, x._v)
    if not own_versions:
        if x._vc is None:
            x._vc = [0]
        a._vc = x._vc
    else:
        a._vc = INFERENCE if x._vc is INFERENCE else None
    return a
