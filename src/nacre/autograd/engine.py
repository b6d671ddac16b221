"""The traversal of a tape: grad rules in PyTorch's order, hooks, accumulation.

Every rule records operations, so gradients are a graph like any other and have gradients
themselves.
"""

from __future__ import annotations

import heapq
import warnings
from sys import getrefcount

from nacre.base.errors import fail
from nacre.base.shapes import contiguous_strides, is_dense
from nacre.ir.node import Meta, meta_of
from nacre.ir.tape import RELEASED, Port, edge_of, version_of, written
from nacre.ir.trace import TRACE, Services, Value, wrap
from nacre.ops import create, elementwise, reduce


def ones(meta):
    """The gradient of a scalar with respect to itself."""
    return create.full(1.0, attrs=meta_of(meta.shape, meta.dtype, None, meta.device))


class Run:
    """One traversal of a tape.

    What reaches a leaf is accumulated at once, as in PyTorch, or else kept in `leaves` by id (in
    `order`); `captured` holds the gradients of requested tensors that are not leaves.
    """

    def __init__(self, create_graph, keep, inputs, accumulates=False):
        self.accumulates = accumulates
        self.create_graph = create_graph
        self.keep = keep
        self.leaves = {}
        self.order = []
        self.captured = {}
        self.given = set()
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
        before = TRACE.grad
        try:
            TRACE.grad = self.create_graph
            roots = [(edge, ones(m) if g is None else g) for edge, g, m in roots]
            for edge, g in roots:
                self.given.add(id(g._c))
                self._add(buffers, edge, g)
            g = None
            for edge, _ in roots:
                self._push(ready, counts, _node(edge))
            done = set()
            while ready:
                _, _, node = heapq.heappop(ready)
                if id(node) in done:
                    continue
                done.add(id(node))
                # handed over, so that what nobody else holds may be added to in place
                if isinstance(node, Value):
                    self._leaf(node, buffers.pop(id(node), {}).pop(0, None))
                else:
                    grads = [buffers.pop(id(node), {})]
                    self._step(node, grads, buffers, ready, counts, needed)
        finally:
            TRACE.grad = before
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
        """Add to what a node will be given; counted as in place where nobody else holds the sum."""
        index = edge.index if type(edge) is Port else 0
        slots = buffers.setdefault(id(_node(edge)), {})
        before = slots.get(index)
        if before is None:
            slots[index] = g
            return
        sole = not self.create_graph and id(before._c) not in self.given and _is_sole(before)
        total = elementwise.add(before, g)
        slots[index] = written(total, version_of(before) + 1) if sole else total

    def _leaf(self, leaf, g):
        if g is None:
            return
        for hook in list((leaf._hooks or {}).values()):
            g = _changed(hook, g)
        if self.wanted is not None and id(leaf) not in self.wanted:
            return
        held = getrefcount(g)
        g = self._own(leaf, g, held)
        if self.accumulates:
            accumulate(leaf, g, self.create_graph)
            return
        self.leaves[id(leaf)] = g
        self.order.append(leaf)

    def _own(self, leaf, g, held):
        """A gradient for `.grad` to keep: this one if nobody else holds it, else a copy.

        `held` counts who does; a gradient whose strides are the leaf's may be kept as it is. As in
        PyTorch, one that is a view shares its memory with what it is a view of.
        """
        if self.create_graph:
            return g
        m = leaf._m
        dense = is_dense(tuple(m.shape), m.strides)
        fits = _same_strides(g._m, m) if dense else g._m.contiguous
        keeps = fits and held <= SOLE_GRADIENT
        c = g._c
        if keeps and c.data is None and c.stretch is TRACE.stretch and c.slot >= self.first_slot:
            whole = g._v is None or (not g._v and g._m is c.meta)
            if not whole or getrefcount(c) <= SOLE_CELL + (g._v is not None):
                made = wrap(c, g._m, None if whole else g._v)
                made._vc = g._vc
                return made
        layout = g._m.strides if keeps else m.strides if dense else None
        if layout is None:
            layout = contiguous_strides(tuple(m.shape))
        made = elementwise.clone(g, attrs=layout)
        made._vc = [version_of(g) if keeps else int(dense)]  # PyTorch copies into an empty tensor
        return made

    def _step(self, node, grads, buffers, ready, counts, needed):
        """Run one grad rule with its hooks and pass the results on."""
        grads = grads.pop()
        hooks = node.hooks
        runs = needed is None or any(f is not None and id(_node(f)) in needed for f in node.next)
        if runs:
            self._capture(node, grads)
        if hooks:
            grads = self._before(node, hooks, grads)
        if not runs:
            self._capture(node, grads)
            return
        results: list = [None] * len(node.next)
        if grads and any(f is not None for f in node.next):
            results = self._apply(node, grads)
        if hooks and "post" in hooks:
            for hook in list(hooks["post"].values()):
                changed = hook(tuple(results), tuple(grads.values()))
                results = results if changed is None else list(changed)
        grads = None  # what nobody holds any more may be added to in place
        for i, f in enumerate(node.next):
            if f is None:
                continue
            target = _node(f)
            counts[id(target)] -= 1
            if results[i] is not None and (needed is None or id(target) in needed):
                g, results[i] = _fitted(node, i, results[i]), None
                self._add(buffers, f, g)
                g = None
            self._push(ready, counts, target)
        if not self.keep:
            node.release()

    def _capture(self, node, grads):
        """Keep the gradients of requested tensors: before hooks where the node runs, else after."""
        if self.wanted is None:
            return
        for x in self.wanted.get(id(node), ()):
            edge = edge_of(x)
            g = grads.get(edge.index if type(edge) is Port else 0)
            if g is not None:
                self.captured[id(x)] = g

    def _apply(self, node, grads):
        """The gradients of a node's operands, a list."""
        try:
            for k in range(1 if node.saved is RELEASED else len(node.saved)):
                node.check_saved(k)
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
                grads[index] = _changed(hook, grads[index])
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


def _changed(hook, g):
    """What a hook makes of a gradient."""
    changed = hook(g)
    return g if changed is None else changed


def _is_sole(g):
    """Whether a pending sum is held by nothing but the buffer it waits in."""
    c = g._c
    return (
        g._v is None
        and getrefcount(g) <= SOLE_SUM
        and getrefcount(c) <= SOLE_CELL
        and is_dense(tuple(g._m.shape), g._m.strides)
    )


def _same_strides(given, wanted):
    pairs = zip(given.shape, given.strides, wanted.strides, strict=True)
    return all(q == w if n != 1 else q != 0 for n, q, w in pairs)


def _calibrate():
    """The reference counts that mean: held by nobody else."""

    class Slots:
        pass

    def count_sum(slots):
        before = slots.get(0)
        return _count(before)

    def _count(g):
        return getrefcount(g)

    def count_gradient(g):
        return getrefcount(g)

    def count_cell(g):
        c = g.c
        return getrefcount(c)

    g = Slots()
    g.c = Slots()
    cells = [g.c]
    slots = {0: g}
    del g
    sole_sum = count_sum(slots)
    sole_cell = count_cell(slots[0])
    sole_gradient = count_gradient(slots.pop(0, None))
    return sole_sum, sole_cell, sole_gradient, len(cells)


SOLE_SUM, SOLE_CELL, SOLE_GRADIENT, _ = _calibrate()


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
    """Add a gradient to `.grad`: in place, so that its identity stays, unless a graph is made.

    A leaf that has stopped requiring gradients since it was read gets none.
    """
    if not leaf._rg:
        return
    if leaf._grad is None:
        leaf._grad = g
    elif create_graph:
        leaf._grad = leaf._grad + g
    else:
        before = TRACE.grad
        try:
            TRACE.grad = False
            Services.add_in_place(leaf._grad, g)
        finally:
            TRACE.grad = before
    for hook in list((leaf._after or {}).values()):
        hook(leaf)
