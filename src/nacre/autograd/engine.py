"""The traversal of a tape: grad rules in PyTorch's order, hooks, accumulation.

Every rule records operations, so gradients are a graph like any other and have gradients themselves.
"""

from __future__ import annotations

import heapq
import warnings
from contextlib import contextmanager

from nacre.base.errors import fail
from nacre.ir.node import Meta, meta_of
from nacre.ir.tape import Port, edge_of
from nacre.ir.trace import TRACE, Services, Value
from nacre.ops import create, elementwise, reduce


@contextmanager
def grad_mode(on):
    """Record gradients, or not, inside."""
    before = TRACE.grad
    TRACE.grad = on
    try:
        yield
    finally:
        TRACE.grad = before


def ones(meta):
    """The gradient of a scalar with respect to itself."""
    with grad_mode(False):
        return create.full(1.0, attrs=meta_of(meta.shape, meta.dtype, None, meta.device))


class Run:
    """One traversal of a tape.

    After `run`, `leaves` holds the gradient of each leaf by id (in `order`), `captured` those of the
    requested tensors that are not leaves.
    """

    def __init__(self, create_graph, keep, inputs):
        self.create_graph = create_graph
        self.keep = keep
        self.leaves = {}
        self.order = []
        self.captured = {}
        self.stolen = set()
        self.wanted = None
        self.inputs = inputs
        if inputs is not None:
            self.wanted = {}
            for x in inputs:
                self.wanted.setdefault(id(_node(edge_of(x))), []).append(x)

    def run(self, roots):
        """Compute gradients from `roots`, a list of (edge, gradient or None, meta)."""
        needed, counts = self._dependencies([_node(edge) for edge, _, _ in roots])
        self.first_slot = TRACE.stretch.node.slots
        buffers: dict = {}
        ready: list = []
        with grad_mode(self.create_graph):
            for edge, g, meta in roots:
                g = ones(meta) if g is None else g
                self.stolen.add(id(g._c))
                self._add(buffers, edge, g)
            for edge, _, _ in roots:
                self._push(ready, counts, _node(edge))
            done = set()
            while ready:
                _, _, node = heapq.heappop(ready)
                if id(node) in done:
                    continue
                done.add(id(node))
                grads = buffers.pop(id(node), {})
                if isinstance(node, Value):
                    self._leaf(node, grads.get(0))
                else:
                    self._step(node, grads, buffers, ready, counts, needed)
        return self

    def _dependencies(self, roots):
        """How many edges lead to each node, and which nodes lead to a requested input."""
        counts: dict = {}
        seen = {id(r): r for r in roots}
        order = list(seen.values())
        parents: dict = {}
        for node in order:
            if isinstance(node, Value):
                continue
            for f in node.next:
                if f is None:
                    continue
                f = _node(f)
                counts[id(f)] = counts.get(id(f), 0) + 1
                parents.setdefault(id(f), []).append(node)
                if id(f) not in seen:
                    seen[id(f)] = f
                    order.append(f)
        if self.wanted is None:
            return None, counts
        needed = set()
        stack = [seen[i] for i in self.wanted if i in seen]
        while stack:
            node = stack.pop()
            if id(node) in needed:
                continue
            needed.add(id(node))
            stack.extend(parents.get(id(node), ()))
        return needed, counts

    def _push(self, ready, counts, node):
        if counts.get(id(node), 0) == 0:
            rank = -(1 << 62) if isinstance(node, Value) else -node.sequence
            heapq.heappush(ready, (rank, id(node), node))

    def _add(self, buffers, edge, g):
        index = edge.index if type(edge) is Port else 0
        slots = buffers.setdefault(id(_node(edge)), {})
        before = slots.get(index)
        slots[index] = g if before is None else elementwise.add(before, g)

    def _leaf(self, leaf, g):
        if g is None or (self.wanted is not None and id(leaf) not in self.wanted):
            return
        if leaf._hooks:
            for hook in list(leaf._hooks.values()):
                changed = hook(g)
                g = g if changed is None else changed
        self.leaves[id(leaf)] = self._own(leaf, g)
        self.order.append(leaf)

    def _own(self, leaf, g):
        """A gradient that nobody else holds, laid out as the leaf is where that is dense."""
        layout = leaf._m if leaf._v is None else g._m
        mine = g._v is None and g._c.data is None and g._c.stretch is TRACE.stretch
        if self.create_graph:
            return g
        if mine and g._m is not layout and g._m.strides == layout.strides:
            layout = g._m
        if mine and g._m is layout and id(g._c) not in self.stolen and self._recent(g):
            self.stolen.add(id(g._c))
            return g
        return elementwise.clone(g, attrs=layout.strides if leaf._v is None else None)

    def _recent(self, g):
        return g._c.slot >= self.first_slot

    def _step(self, node, grads, buffers, ready, counts, needed):
        """Run one grad rule with its hooks and pass the results on."""
        hooks = node.hooks
        if hooks:
            grads = self._before(node, hooks, grads)
        if self.wanted is not None:
            for x in self.wanted.get(id(node), ()):
                edge = edge_of(x)
                g = grads.get(edge.index if type(edge) is Port else 0)
                if g is not None:
                    self.captured[id(x)] = g
        results: list = [None] * len(node.next)
        if needed is None or any(
            f is not None and id(_node(f)) in needed for f in node.next
        ):
            if grads:
                results = self._apply(node, grads)
            if hooks and "post" in hooks:
                for hook in list(hooks["post"].values()):
                    changed = hook(tuple(results), tuple(grads.values()))
                    results = results if changed is None else list(changed)
        for i, f in enumerate(node.next):
            if f is None:
                continue
            target = _node(f)
            counts[id(target)] -= 1
            g = results[i]
            if g is not None and (needed is None or id(target) in needed):
                self._add(buffers, f, _fitted(node, i, g))
            self._push(ready, counts, target)
        if not self.keep:
            node.release()

    def _apply(self, node, grads):
        """The gradients of a node's operands, a list."""
        try:
            function = getattr(node.op, "grad_many", None)
            if function is not None:
                results = function(node, grads)
            else:
                results = node.op.grad(node, grads[0])
            results = list(results) if isinstance(results, (tuple, list)) else [results]
            if TRACE.anomaly and TRACE.anomaly.check_nan:
                _check_nan(node, results)
        except Exception:
            if TRACE.anomaly:
                _tell_forward(node)
            raise
        return results

    def _before(self, node, hooks, grads):
        for index, hook in list(hooks.get("tensor", {}).values()):
            if index in grads:
                changed = hook(grads[index])
                if changed is not None:
                    grads[index] = changed
        if "pre" in hooks:
            for hook in list(hooks["pre"].values()):
                changed = hook(tuple(grads[k] for k in sorted(grads)))
                if changed is not None:
                    changed = changed if isinstance(changed, tuple) else (changed,)
                    grads = dict(zip(sorted(grads), changed, strict=True))
        for index, kept in hooks.get("retain", {}).values():
            t = kept()
            if t is not None and index in grads:
                g = grads[index]
                if t._grad is None:
                    t._grad = g if self.create_graph else elementwise.clone(g)
                else:
                    t._grad = elementwise.add(t._grad, g)
        return grads


def _node(edge):
    return edge.node if type(edge) is Port else edge


def _fitted(node, i, g):
    """Sum away what broadcasting repeated, and cast to the operand's type."""
    m = node.metas[i]
    if isinstance(m, Meta):
        if g._m.shape != m.shape:
            if len(g._m.shape) < len(m.shape) or not _reducible(g._m.shape, m.shape):
                fail(
                    RuntimeError,
                    f"Function {node.name()} returned an invalid gradient at index {i} - got "
                    f"{list(g._m.shape)} but expected shape compatible with {list(m.shape)}",
                )
            g = reduce.sum_to(g, m.shape)
        if g._m.dtype is not m.dtype:
            g = elementwise.cast(g, m.dtype)
    return g


def _reducible(shape, target):
    extra = len(shape) - len(target)
    return all(t in (1, d) for d, t in zip(shape[extra:], target, strict=True))


def _check_nan(node, results):
    for i, g in enumerate(results):
        if isinstance(g, Value) and g._m.dtype.is_floating_point and bool((g != g).any()):
            fail(RuntimeError, f"Function '{node.name()}' returned nan values in its {i}th output.")


def _tell_forward(node):
    """Warn with the lines that made a node whose gradient failed."""
    if node.trace_back is None:
        where = (
            "No forward pass information available. Enable detect anomaly during forward pass for "
            "more information."
        )
    else:
        where = f"Traceback of forward call that caused the error:\n{node.trace_back}"
    warnings.warn(f"Error detected in {node.name()}. {where}", UserWarning, stacklevel=2)


def accumulate(leaf, g, create_graph):
    """Add a gradient to `.grad`: in place, so that its identity stays, unless a graph is made."""
    if leaf._grad is None:
        leaf._grad = g
    elif create_graph:
        leaf._grad = leaf._grad + g
    else:
        with grad_mode(False):
            Services.add_in_place(leaf._grad, g)
    for hook in list((leaf._after or {}).values()):
        hook(leaf)
