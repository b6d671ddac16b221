"""Views that come several at once: all parts of a dimension, under one grad_fn.

PyTorch refuses to write in place through one of them where gradients flow.
"""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.base.shapes import wrap_dim
from nacre.ir.node import meta_of
from nacre.ir.tape import Port, class_of, edge_of, requires
from nacre.ir.trace import INFERENCE, TRACE
from nacre.ops import view
from nacre.ops import view_samples as cases
from nacre.ops.create import full
from nacre.ops.join import cat, stack
from nacre.ops.view import View


def _many(join):
    """The gradient of views that `join` puts together again, zeros for the unused ones."""

    def grad_many(node, grads):
        parts = []
        for i, m in enumerate(node.outputs):
            g = grads.get(i)
            if g is None:
                g = full(0, attrs=meta_of(m.shape, m.dtype, None, m.device))
            parts.append(g)
        return (join(parts, node.attrs),)

    return grad_many


def _record(name, grad_name, join, torch, samples, errors):
    made = View(name, None, grad_name, torch, samples=samples, errors=errors)
    made.grad_many = _many(join)
    return made


unbind_ = _record(
    "unbind",
    "UnbindBackward0",
    stack,
    ("torch.unbind", "Tensor.unbind"),
    cases.unbind,
    cases.unbind_errors,
)
split_ = _record(
    "split",
    "SplitBackward0",
    cat,
    ("torch.split", "Tensor.split", "torch.chunk", "Tensor.chunk"),
    cases.split,
    cases.split_errors,
)
split_with_sizes = _record(
    "split_with_sizes",
    "SplitWithSizesBackward0",
    cat,
    ("torch.split", "Tensor.split"),
    cases.split_with_sizes,
    cases.split_with_sizes_errors,
)


def _together(op, x, dim, parts):
    """Put one grad_fn on views made apart from x."""
    if x._vc is not INFERENCE:
        for part in parts:
            part._made = "inference" if TRACE.inference else "multi_output"
    if not (TRACE.grad and (x._rg if x._v is None else requires(x))):
        return tuple(parts)
    m = x._m
    node = class_of(op.grad_name)(op, (op, dim, m, len(parts)), dim, m, [edge_of(x)], (True,), (m,))
    node.outputs = [part._m for part in parts]
    if TRACE.anomaly:
        node.trace_back = TRACE.anomaly()
    for i, part in enumerate(parts):
        part._gf = Port(node, i) if i else node
        part._rg = True
    return tuple(parts)


def unbind(x, dim=0):
    """All indices of a dimension, as a tuple of views."""
    rank = len(x._m.shape)
    if not rank:
        fail(IndexError, "Dimension specified as 0 but tensor has no dimensions")
    dim = wrap_dim(dim, rank)
    before, TRACE.grad = TRACE.grad, False
    try:
        parts = [view.select(x, dim, i) for i in range(x._m.shape[dim])]
    finally:
        TRACE.grad = before
    return _together(unbind_, x, dim, parts)


def split(x, sizes, dim=0, op=split_with_sizes):
    """Parts of these sizes along a dimension, as a tuple of views."""
    before, TRACE.grad = TRACE.grad, False
    parts = []
    at = 0
    try:
        for n in sizes:
            parts.append(view.slice_dim(x, dim, at, at + n))
            at += n
    finally:
        TRACE.grad = before
    return _together(op, x, dim, parts)
