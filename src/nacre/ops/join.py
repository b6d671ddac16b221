"""Operations that join tensors: cat and stack."""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.base.shapes import wrap_dim
from nacre.ir.node import meta_of
from nacre.ir.trace import Value
from nacre.ops import view
from nacre.ops.create import full
from nacre.ops.elementwise import cast
from nacre.ops.record import Composite
from nacre.ops.rules import common_dtype, device_of
from nacre.ops.samples import b1, f32, f64, i64, refused, sample, u8


def _cat_body(*xs, dim, dtype):
    xs = [x for x in xs if not _legacy_empty(x)] or xs[:1]
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
        if tuple(m.shape) == (0,):
            grads.append(full(0.0, attrs=meta_of((0,), g._m.dtype)) if need else None)
            continue
        n = m.shape[dim]
        grads.append(view.slice_dim(g, dim, at, at + n) if need else None)
        at += n
    return tuple(grads)


def _cat_samples():
    return [
        sample([f32(2, 3), f32(1, 3)]),
        sample([f32(2, 3), f32(2, 1), f32(2, 2)], 1),
        sample([f64(2), f32(3)], dim=0),
        sample([f32(3, 2, layout="turned"), f32(3, 2)], -1),
        sample([f32(0), f32(2, 2)]),
        sample([f32(0, 2), f32(2, 2)]),
        sample([i64(2), f32(2)]),
        sample([u8(2), b1(2)]),
        sample([f32(2)]),
    ]


def _cat_errors():
    sizes = (
        "Sizes of tensors must match except in dimension 0. Expected size 3 but got size 2 for "
        "tensor number 1 in the list."
    )
    return [
        refused(RuntimeError, sizes, [f32(2, 3), f32(2, 2)]),
        refused(RuntimeError, "same number of dimensions: got 2 and 1", [f32(2, 3), f32(3)]),
        refused(RuntimeError, "(at position 1) cannot be concatenated", [f32(2), f32()]),
        refused(ValueError, "expected a non-empty list of Tensors", []),
        refused(IndexError, "Dimension out of range", [f32(2), f32(2)], 1),
    ]


cat_ = Composite(
    "cat",
    _cat_body,
    _cat_grad,
    torch=("torch.cat", "torch.concat", "torch.concatenate"),
    samples=_cat_samples,
    errors=_cat_errors,
)


def _legacy_empty(x):
    return tuple(x._m.shape) == (0,)


def _members(name, tensors):
    """What is to be joined, as a list of tensors."""
    if not isinstance(tensors, (tuple, list)):
        fail(
            TypeError,
            f"{name}(): argument 'tensors' (position 1) must be tuple of Tensors, not "
            f"{type(tensors).__name__}",
            f"put them into a list: torch.{name}([x, y])",
        )
    for i, x in enumerate(tensors):
        if not isinstance(x, Value):
            fail(
                TypeError,
                f"expected Tensor as element {i} in argument 0, but got {type(x).__name__}",
            )
    return list(tensors)


def cat(tensors, dim=0):
    """Tensors joined along a dimension that they have; the other sizes must be equal."""
    tensors = _members("cat", tensors)
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
    return cat_(*tensors, attrs=(("dim", dim), ("dtype", dtype)))


def _stack_body(*xs, dim, dtype):
    return _cat_body(*[view.unsqueeze(x, dim) for x in xs], dim=dim, dtype=dtype)


def _stack_grad(ctx, g):
    dim = dict(ctx.attrs)["dim"]
    return tuple([view.select(g, dim, i) if need else None for i, need in enumerate(ctx.needs)])


def _stack_errors():
    words = "stack expects each tensor to be equal size, but got [2] at entry 0 and [3] at entry 1"
    return [
        refused(RuntimeError, words, [f32(2), f32(3)]),
        refused(RuntimeError, "stack expects a non-empty TensorList", []),
    ]


stack_ = Composite(
    "stack",
    _stack_body,
    _stack_grad,
    torch=("torch.stack",),
    samples=lambda: [
        sample([f32(2, 3), f32(2, 3)]),
        sample([f32(2), f32(2), f32(2)], 1),
        sample([f64(), f32()], dim=-1),
        sample([f32(0), f32(0)]),
        sample([i64(2), f32(2)]),
        sample([f32(3, 2, layout="turned"), f32(3, 2)], 1),
    ],
    errors=_stack_errors,
)


def stack(tensors, dim=0):
    """Tensors of one shape joined along a new dimension."""
    tensors = _members("stack", tensors)
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
