"""Products of matrices and vectors."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from nacre.base.errors import fail
from nacre.base.shapes import broadcast_shapes
from nacre.ir.node import meta_of
from nacre.ir.trace import long_name
from nacre.ops import view
from nacre.ops.elementwise import add, mul
from nacre.ops.record import Composite, Operation
from nacre.ops.reduce import sum_dims
from nacre.ops.rules import c_name
from nacre.ops.samples import Sample, f32, f64, i32, i64, refused, sample


def _same_dtype(a, b):
    if a.dtype is not b.dtype:
        fail(
            RuntimeError,
            f"mat1 and mat2 must have the same dtype, but got {long_name(a.dtype)} and "
            f"{long_name(b.dtype)}",
            f"convert one of them, for example with .to({b.dtype!r})",
        )


def _mm_infer(attrs, a, b):
    if len(a.shape) != 2:
        fail(RuntimeError, "self must be a matrix")
    if len(b.shape) != 2:
        fail(RuntimeError, "mat2 must be a matrix")
    if a.shape[1] != b.shape[0]:
        fail(
            RuntimeError,
            f"mat1 and mat2 shapes cannot be multiplied ({a.shape[0]}x{a.shape[1]} and "
            f"{b.shape[0]}x{b.shape[1]})",
            "the columns of the first must be as many as the rows of the second",
        )
    if a.dtype is not b.dtype:
        fail(
            RuntimeError,
            f"expected m1 and m2 to have the same dtype, but got: {c_name(a.dtype)} != "
            f"{c_name(b.dtype)}",
            f"convert one of them, for example with .to({b.dtype!r})",
        )
    return meta_of((a.shape[0], b.shape[1]), a.dtype, None, a.device)


def _is_turned(m):
    """Whether a matrix lies in memory column by column."""
    return m.strides[0] == 1 and m.strides[1] == m.shape[0]


def _first_grad(g, b, m):
    """The gradient of a in a @ b, in a's order of memory."""
    if _is_turned(m):
        return view.transpose2(mm(b, view.transpose2(g)))
    return mm(g, view.transpose2(b))


def _second_grad(g, a, m):
    """The gradient of b in a @ b, in b's order of memory."""
    if _is_turned(m):
        return view.transpose2(mm(view.transpose2(g), a))
    return mm(view.transpose2(a), g)


def _matrix_grad(ctx, g):
    return (
        _first_grad(g, ctx[1], ctx.metas[0]) if ctx.needs[0] else None,
        _second_grad(g, ctx[0], ctx.metas[1]) if ctx.needs[1] else None,
    )


def _mm_samples():
    return [
        sample(f32(2, 3), f32(3, 2)),
        sample(f64(3, 2), f64(2, 4)),
        sample(f32(3, 2, layout="turned"), f32(2, 3)),
        sample(f32(2, 3), f32(3, 2, layout="turned")),
        sample(f32(2, 3, layout="step"), f32(3, 2, layout="step")),
        sample(f32(2, 3, layout="expanded"), f32(3, 1)),
        sample(f32(1, 1), f32(1, 4)),
        sample(f32(0, 3), f32(3, 2)),
        sample(f32(2, 0), f32(0, 3)),
        sample(i64(2, 3), i64(3, 2)),
        sample(i32(2, 2), i32(2, 2)),
        sample(f32(3), f32(3, 2)).only("torch.matmul", "Tensor.__matmul__"),
        sample(f64(2), f64(2, 3, layout="turned")).only("torch.matmul", "Tensor.__matmul__"),
        sample(f32(0), f32(0, 2)).only("torch.matmul", "Tensor.__matmul__"),
        sample(f32(2, 3, 3), f32(3, 3)).only("torch.matmul"),
        sample(f32(9, 40), f32(40, 17)).rough(),
        sample(f64(7, 33), f64(33, 5, layout="turned")).rough(),
    ]


def _mm_errors():
    words = "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)"
    return [
        refused(RuntimeError, words, f32(2, 3), f32(2, 3)),
        refused(RuntimeError, "must be a matrix", f32(3), f32(3, 2)).only("torch.mm", "Tensor.mm"),
        refused(RuntimeError, "must be a matrix", f32(2, 3), f32(3)).only("torch.mm", "Tensor.mm"),
        refused(RuntimeError, "same dtype", f32(2, 3), f64(3, 2)),
        refused(TypeError, "must be Tensor, not int", f32(2, 3), 2).only("torch.mm"),
    ]


mm = Operation(
    "mm",
    _mm_infer,
    lambda attrs, meta, a, b: np.matmul(a, b),
    _matrix_grad,
    ((1,), (0,)),
    kind="contract",
    torch=("torch.mm", "Tensor.mm", "torch.matmul", "Tensor.matmul", "Tensor.__matmul__"),
    samples=_mm_samples,
    errors=_mm_errors,
)


def _bmm_infer(attrs, a, b):
    if len(a.shape) != 3:
        fail(RuntimeError, "batch1 must be a 3D tensor")
    if len(b.shape) != 3:
        fail(RuntimeError, "batch2 must be a 3D tensor")
    if a.shape[0] != b.shape[0] or a.shape[2] != b.shape[1]:
        fail(
            RuntimeError,
            "Expected size for first two dimensions of batch2 tensor to be: "
            f"[{a.shape[0]}, {a.shape[2]}] but got: [{b.shape[0]}, {b.shape[1]}].",
        )
    if a.dtype is not b.dtype:
        fail(
            RuntimeError,
            f"expected scalar type {long_name(a.dtype)} but found {long_name(b.dtype)}",
        )
    return meta_of((a.shape[0], a.shape[1], b.shape[2]), a.dtype, None, a.device)


def _bmm_samples():
    return [
        sample(f32(2, 2, 3), f32(2, 3, 2)),
        sample(f64(1, 2, 2), f64(1, 2, 2)),
        sample(f32(2, 3, 2, layout="turned"), f32(2, 2, 3)),
        sample(f32(2, 2, 3, layout="expanded"), f32(2, 3, 1, layout="step")),
        sample(f32(0, 2, 3), f32(0, 3, 2)),
        sample(f32(2, 2, 0), f32(2, 0, 3)),
        sample(i64(2, 2, 3), i64(2, 3, 1)),
        sample(f32(3), f32(2, 3, 3)).by("torch.matmul"),
        sample(f32(2, 2, 3), f32(3, 1, 3, 2)).by("torch.matmul"),
    ]


def _bmm_errors():
    words = "Expected size for first two dimensions of batch2 tensor to be: [2, 3] but got: [2, 2]."
    return [
        refused(RuntimeError, words, f32(2, 2, 3), f32(2, 2, 3)),
        refused(RuntimeError, "batch1 must be a 3D", f32(2, 3), f32(2, 3, 2)).only("torch.bmm"),
        refused(RuntimeError, "batch2 must be a 3D", f32(2, 2, 3), f32(3, 2)).only("torch.bmm"),
        refused(RuntimeError, "expected scalar type", f32(2, 2, 3), f64(2, 3, 2)),
    ]


bmm = Operation(
    "bmm",
    _bmm_infer,
    lambda attrs, meta, a, b: np.matmul(a, b),
    lambda ctx, g: (
        bmm(g, view.transpose(ctx[1], 1, 2)) if ctx.needs[0] else None,
        bmm(view.transpose(ctx[0], 1, 2), g) if ctx.needs[1] else None,
    ),
    ((1,), (0,)),
    kind="contract",
    torch=("torch.bmm", "Tensor.bmm", "torch.matmul"),
    samples=_bmm_samples,
    errors=_bmm_errors,
)


def _as_column(x):
    return view.reshape(x, (x._m.shape[0], 1))


def _mv_body(a, x):
    return view.reshape(mm(a, _as_column(x)), (a._m.shape[0],))


def _outer(x, y):
    return mul(view.unsqueeze(x, 1), y)


def _mv_errors():
    words = "size mismatch, got input (2), mat (2x3), vec (2)"
    return [refused(RuntimeError, words, f32(2, 3), f32(2))]


mv_ = Composite(
    "mv",
    lambda a, x: view.clone(_mv_body(a, x)),
    lambda ctx, g: (
        _outer(g, ctx[1]) if ctx.needs[0] else None,
        mv(view.transpose2(ctx[0]), g) if ctx.needs[1] else None,
    ),
    ((1,), (0,)),
    torch=("torch.mv", "Tensor.mv", "torch.matmul", "Tensor.__matmul__"),
    samples=lambda: [
        sample(f32(2, 3), f32(3)),
        sample(f64(3, 2, layout="turned"), f64(2)),
        sample(f32(0, 3), f32(3)),
        sample(f32(2, 0), f32(0)),
        sample(f32(2, 3), f32(3, layout="step")),
        sample(i64(2, 3), i64(3)),
        sample(f32(2, 3, 3), f32(3)).only("torch.matmul"),
    ],
    errors=_mv_errors,
)


def mv(a, x):
    """A matrix times a vector."""
    if len(a._m.shape) != 2 or len(x._m.shape) != 1:
        fail(
            RuntimeError,
            f"vector + matrix @ vector expected, got {len(x._m.shape)}, {len(a._m.shape)}, "
            f"{len(x._m.shape)}",
        )
    if a._m.shape[1] != x._m.shape[0]:
        fail(
            RuntimeError,
            f"size mismatch, got input ({a._m.shape[0]}), mat ({a._m.shape[0]}x{a._m.shape[1]}), "
            f"vec ({x._m.shape[0]})",
        )
    return mv_(a, x)


def _dot_errors():
    words = "inconsistent tensor size, expected tensor [3] and src [2] to have the same number"
    return [
        refused(RuntimeError, words, f32(3), f32(2)),
        refused(RuntimeError, "1D tensors expected, but got 2D and 1D", f32(2, 2), f32(2)).only(
            "torch.dot"
        ),
        refused(RuntimeError, "expected both vectors to have same dtype", f32(3), f64(3)),
    ]


dot_ = Composite(
    "dot",
    lambda x, y: sum_dims(mul(x, y)),
    lambda ctx, g: (
        mul(ctx[1], g) if ctx.needs[0] else None,
        mul(ctx[0], g) if ctx.needs[1] else None,
    ),
    ((1,), (0,)),
    torch=("torch.dot", "Tensor.dot", "torch.matmul", "Tensor.__matmul__"),
    samples=lambda: [
        sample(f32(3), f32(3)),
        sample(f64(4), f64(4, layout="step")),
        sample(f32(0), f32(0)),
        sample(i64(3), i64(3)),
    ],
    errors=_dot_errors,
)


def dot(x, y):
    """The sum of products of two vectors."""
    m, n = x._m, y._m
    if len(m.shape) != 1 or len(n.shape) != 1:
        fail(
            RuntimeError,
            f"1D tensors expected, but got {len(m.shape)}D and {len(n.shape)}D tensors",
        )
    if m.dtype is not n.dtype:
        fail(
            RuntimeError,
            "dot : expected both vectors to have same dtype, but found "
            f"{long_name(m.dtype)} and {long_name(n.dtype)}",
        )
    if m.shape != n.shape:
        fail(
            RuntimeError,
            "inconsistent tensor size, expected tensor ["
            + str(m.shape[0])
            + "] and src ["
            + str(n.shape[0])
            + "] to have the same number of elements, but got "
            f"{m.shape[0]} and {n.shape[0]} elements respectively",
        )
    return dot_(x, y)


def matmul(a, b):
    """The product that `@` means: of vectors, matrices, or batches that broadcast."""
    ra, rb = len(a._m.shape), len(b._m.shape)
    if not ra or not rb:
        fail(
            RuntimeError,
            f"both arguments to matmul need to be at least 1D, but they are {ra}D and {rb}D",
            "use * to multiply by a scalar",
        )
    if ra == 1 and rb == 1:
        return dot(a, b)
    if ra == 2 and rb == 1:
        return mv(a, b)
    if ra == 2 and rb == 2:
        return mm(a, b)
    if ra == 1 and rb == 2:
        return view.squeeze_computed(mm(view.unsqueeze(a, 0), b), 0)
    if ra >= 3 and rb <= 2:
        return _fold(a, b)
    return _batched(a, b)


def _fold(a, b):
    """A batch of matrices times one matrix or vector: one product of the batch folded to rows."""
    rows = a._m.shape[:-1]
    flat = view.reshape(a, (prod(rows), a._m.shape[-1]))
    if len(b._m.shape) == 1:
        return view.unsafe_reshape(mv(flat, b), tuple(rows))
    return view.unsafe_reshape(mm(flat, b), (*rows, b._m.shape[-1]))


def _batched(a, b):
    vector = len(a._m.shape) == 1
    column = len(b._m.shape) == 1
    a = view.unsqueeze(a, 0) if vector else a
    b = view.unsqueeze(b, 1) if column else b
    m, n = a._m, b._m
    if m.shape[-1] != n.shape[-2]:
        fail(
            RuntimeError,
            f"Expected size for first two dimensions of batch2 tensor to be: "
            f"[{prod(m.shape[:-2])}, {m.shape[-1]}] but got: [{prod(n.shape[:-2])}, "
            f"{n.shape[-2]}].",
        )
    batch = broadcast_shapes(m.shape[:-2], n.shape[:-2])
    count = prod(batch)
    left = view.reshape(view.expand(a, (*batch, *m.shape[-2:])), (count, *m.shape[-2:]))
    right = view.reshape(view.expand(b, (*batch, *n.shape[-2:])), (count, *n.shape[-2:]))
    rows = () if vector else (m.shape[-2],)
    columns = () if column else (n.shape[-1],)
    return view.unsafe_reshape(bmm(left, right), (*batch, *rows, *columns))


# ---- products with an addition ------------------------------------------------------------------
def _scaled(x, number):
    return x if isinstance(number, (int, float)) and number == 1 else mul(x, number)


def _addmm_grad(ctx, g):
    alpha, beta = (dict(ctx.attrs)[k] for k in ("alpha", "beta"))
    return (
        _scaled(g, beta) if ctx.needs[0] else None,
        _scaled(_first_grad(g, ctx[2], ctx.metas[1]), alpha) if ctx.needs[1] else None,
        _scaled(_second_grad(g, ctx[1], ctx.metas[2]), alpha) if ctx.needs[2] else None,
    )


addmm_ = Composite(
    "addmm",
    lambda c, a, b, alpha, beta: add(_scaled(mm(a, b), alpha), _scaled(c, beta)),
    _addmm_grad,
    ((), (2,), (1,)),
    grad_name="AddmmBackward0",
    torch=("torch.addmm", "Tensor.addmm"),
    samples=lambda: [
        sample(f32(2, 2), f32(2, 3), f32(3, 2)),
        sample(f64(2), f64(2, 3), f64(3, 2)),
        sample(f32(2, 2), f32(2, 3), f32(3, 2), alpha=0.5, beta=2.0),
        sample(f32(2, 1), f32(2, 3), f32(3, 2), beta=0.5),
        sample(f32(), f32(2, 3), f32(3, 2)),
        sample(f32(2), f32(0, 3), f32(3, 2)),
    ],
    errors=lambda: [
        refused(
            RuntimeError,
            "mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)",
            f32(3),
            f32(2, 3),
            f32(2, 3),
        ),
    ],
)


def addmm(c, a, b, beta=1, alpha=1):
    """beta * c + alpha * (a @ b)."""
    return addmm_(c, a, b, attrs=(("alpha", alpha), ("beta", beta)))


def _rows(x):
    return x if len(x._m.shape) == 2 else view.reshape(x, (prod(x._m.shape[:-1]), x._m.shape[-1]))


def _linear_body(x, weight, bias=None):
    _check_linear(x._m, weight._m, bias)
    out = mm(_rows(x), view.transpose2(weight))
    if bias is not None:
        out = add(out, bias)
    if len(x._m.shape) != 2:
        out = view.clone(view.reshape(out, (*x._m.shape[:-1], weight._m.shape[0])))
    return out


def _turned(m):
    return meta_of(tuple(m.shape)[::-1], m.dtype, m.strides[::-1], m.device)


def _linear_grad(ctx, g):
    rows = _rows(g)
    x = ctx.metas[0]
    gx = gw = gb = None
    if ctx.needs[0]:
        if len(x.shape) == 2:
            gx = _first_grad(rows, view.transpose2(ctx[1]), x)
        else:
            gx = view.reshape(mm(rows, ctx[1]), tuple(x.shape))
    if ctx.needs[1]:
        # the weight enters transposed, and its gradient comes transposed back
        gw = view.transpose2(_second_grad(rows, _rows(ctx[0]), _turned(ctx.metas[1])))
    if len(ctx.needs) > 2 and ctx.needs[2]:
        gb = rows
    return (gx, gw, gb)[: len(ctx.needs)]


def _linear(name, grad_name, samples):
    return Composite(
        name,
        _linear_body,
        _linear_grad,
        ((1,), (0,), ()),
        grad_name=grad_name,
        torch=("F.linear", "nn.Linear"),
        samples=samples,
        errors=_linear_errors,
        memory=1,
    )


def _linear_errors():
    words = "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x2)"
    return [
        refused(RuntimeError, words, f32(2, 3), f32(2, 4)),
        refused(RuntimeError, words, f32(2, 3), f32(2, 4), f32(2)),
        refused(RuntimeError, "same dtype", f32(2, 3), f64(2, 3)),
        refused(RuntimeError, "same dtype", f32(2, 3), f64(2, 3), f64(2)),
        refused(RuntimeError, "same dtype", f32(2, 2, 3), f64(2, 3), f64(2)),
    ]


def _linear_samples():
    return [
        sample(f32(2, 3), f32(4, 3), f32(4)),
        sample(f64(3, 2, layout="turned"), f64(2, 2), f64(2)),
        sample(f32(0, 3), f32(2, 3), f32(2)),
        sample(f32(33, 20), f32(19, 20), f32(19)).rough(),
    ]


def _folded(samples):
    """The same with another dimension in front."""
    found = []
    for s in samples():
        x, *rest = s.args
        folded = replace(x, shape=(2, *x.shape), layout="")
        found.append(Sample((folded, *rest), smooth=s.smooth))
    return found


def _without_bias(samples):
    return [Sample(s.args[:2], smooth=s.smooth) for s in samples()]


linear_bias = _linear("linear", "AddmmBackward0", _linear_samples)
linear_plain = _linear("linear_plain", "MmBackward0", lambda: _without_bias(_linear_samples))
linear_folded = _linear("linear_folded", "ViewBackward0", lambda: _folded(_linear_samples))
linear_folded_plain = _linear(
    "linear_folded_plain",
    "UnsafeViewBackward0",
    lambda: _without_bias(lambda: _folded(_linear_samples)),
)


def linear(x, weight, bias=None):
    """x @ weight.T + bias, over the last dimension of x."""
    rank = x._m.rank
    if rank == 1 or weight._m.rank != 2:
        return _linear_rare(x, weight, bias)
    if rank == 2:
        return linear_plain(x, weight) if bias is None else linear_bias(x, weight, bias)
    if bias is None:
        return linear_folded_plain(x, weight)
    return linear_folded(x, weight, bias)


def _check_linear(m, w, bias):
    if m.shape[-1:] != w.shape[1:]:
        rows = prod(m.shape[:-1])
        fail(
            RuntimeError,
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{m.shape[-1] if m.shape else 1} "
            f"and {w.shape[1]}x{w.shape[0]})",
            f"the input has shape {tuple(m.shape)}; its last dimension must be {w.shape[1]}",
        )
    if bias is not None:
        _same_dtype(m, w)


def _linear_rare(x, weight, bias):
    if x._m.rank == 1 and weight._m.rank == 2:
        _check_linear(x._m, weight._m, bias)
        if bias is not None:
            return linear_folded(x, weight, bias)
    out = matmul(x, view.transpose2(weight))
    return out if bias is None else add(out, bias)
