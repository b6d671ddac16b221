"""Backward: from a tape to recorded gradient operations.

The first time, grad rules run node by node in PyTorch's order (decreasing sequence number); what they
recorded becomes one jump, keyed by the structure of the tape and the slots of what it saved, so the
next time the whole of backward is a walk over the tape and one dictionary lookup.
"""

from __future__ import annotations

import heapq
from contextlib import contextmanager

from nacre.base.errors import fail
from nacre.ir.node import Meta, meta_of
from nacre.ir.tape import RELEASED, GradNode, Port, edge_of, version_of
from nacre.ir.trace import (
    TRACE,
    Capture,
    Services,
    Symbol,
    Value,
    mark,
    new_cell,
    proxy,
    put_numbers,
    slot_of,
    wrap,
)
from nacre.ops import create, elementwise, reduce

BACKWARD = "backward"


@contextmanager
def _grad_mode(on):
    before = TRACE.grad
    TRACE.grad = on
    try:
        yield
    finally:
        TRACE.grad = before


# ---- entry points -------------------------------------------------------------------------------
def backward(tensors, gradients=None, retain_graph=None, create_graph=False, inputs=None):
    """Compute the gradients of tensors and accumulate them into the leaves' `.grad`.

    Raises:
        RuntimeError: no gradient flows to a tensor, or one that is not a scalar has no gradient given.
    """
    roots = _roots(tensors, gradients, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None and not create_graph and not TRACE.anomaly:
        if len(roots) == 1 and isinstance(roots[0][0], GradNode) and _by_jump(*roots[0], keep):
            return
    captured = None if inputs is None else list(inputs)
    if captured is not None and not captured:
        fail(RuntimeError, "`inputs` argument to `backward()` cannot be empty.")
    found = Run(create_graph, keep, captured).run(roots)
    for x in found.order:
        accumulate(x, found.leaves[id(x)], create_graph)
    if captured:
        for x in captured:
            if edge_of(x) is not x and id(x) in found.captured:
                accumulate(x, found.captured[id(x)], create_graph)


def grad(outputs, inputs, grad_outputs, retain_graph, create_graph, allow_unused):
    """The gradients of outputs with respect to inputs, as tensors; nothing is accumulated."""
    roots = _roots(outputs, grad_outputs, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    for x in inputs:
        if edge_of(x) is None:
            fail(
                RuntimeError,
                "One of the differentiated Tensors does not require grad",
                "call .requires_grad_() on it before it is used",
            )
    found = Run(create_graph, keep, inputs).run(roots)
    results = []
    for x in inputs:
        g = found.leaves.get(id(x)) if edge_of(x) is x else found.captured.get(id(x))
        if g is None and not allow_unused:
            fail(
                RuntimeError,
                "One of the differentiated Tensors appears to not have been used in the graph. Set "
                "allow_unused=True if this is the desired behavior.",
            )
        results.append(g)
    return tuple(results)


def _roots(tensors, gradients, create_graph):
    roots = []
    gradients = gradients or [None] * len(tensors)
    for i, (t, g) in enumerate(zip(tensors, gradients, strict=True)):
        edge = edge_of(t)
        if edge is None:
            fail(
                RuntimeError,
                f"element {i} of tensors does not require grad and does not have a grad_fn",
                "nothing that it was computed from has requires_grad=True, or it was computed under "
                "no_grad, from .data or after detach()",
            )
        if g is None:
            if t._m.numel != 1:
                fail(
                    RuntimeError,
                    "grad can be implicitly created only for scalar outputs",
                    f"this tensor has shape {tuple(t._m.shape)}: call .sum() or .mean() first, or "
                    "pass gradient= of the same shape",
                )
        elif g._m.shape != t._m.shape:
            fail(
                RuntimeError,
                f"Mismatch in shape: grad_output[{i}] has a shape of {g._m.shape!r} and output[{i}] "
                f"has a shape of {t._m.shape!r}.",
            )
        roots.append((edge, g, t._m))
    return roots


def _ones(meta):
    with _grad_mode(False):
        return create.full(1.0, attrs=meta_of(meta.shape, meta.dtype, None, meta.device))


# ---- the jump -----------------------------------------------------------------------------------
def _by_jump(root, given, meta, keep):
    """Go where backward over this tape led before; False if it must run node by node."""
    tape = _walk(root)
    if tape is None:
        return False
    order, key, leaves, numbers = tape
    s = TRACE.stretch
    for g in order:
        if g.where:
            if g.saved is RELEASED:
                g.check_saved(0)
            for k, x in enumerate(g.saved):
                if version_of(x) != g.versions[k]:
                    g.check_saved(k)
                if isinstance(x, (float, int, bool)):
                    continue
                key.append(slot_of(x, s))
    if given is not None:
        key.append(slot_of(given, s))
    node = s.node
    key = tuple(key)
    known = node.edges.get(key)
    if known is None:
        results = _first_time(s, node, key, order, leaves, numbers, root, given, meta)
    else:
        if known.recipe:
            values = [r.evaluate(numbers) if type(r) is Symbol else r for r in known.recipe]
            put_numbers(s, node.numbers, values)
        s.node = known.node
        results = []
        for place, kept in known.kept:
            results.append((leaves[place], wrap(new_cell(kept, s), kept.meta)))
    if not keep:
        for g in order:
            if g.where:
                g.saved = RELEASED
    for leaf, g in results:
        if leaf._grad is None:
            leaf._grad = g
        else:
            accumulate(leaf, g, False)
    return True


def _walk(root):
    """The tape below a node: its nodes, a key of its structure, its leaves, its numbers."""
    order = [root]
    index = {id(root): 0}
    key = [BACKWARD]
    leaves = []
    numbers = []
    for g in order:
        if g.hooks is not None or g.node is None:
            return None
        key.append(g.node)
        if g.numbers:
            numbers.extend(g.numbers)
        for f in g.next:
            if f is None:
                key.append(None)
                continue
            place = index.get(id(f))
            if place is None:
                place = index[id(f)] = len(index)
                if isinstance(f, Value):
                    if f._hooks:
                        return None
                    leaves.append(f)
                    key.append(f._m)
                elif type(f) is Port:
                    return None
                else:
                    order.append(f)
            key.append(place)
    return order, key, leaves, numbers


class _Kept:
    __slots__ = ("meta", "slot")

    def __init__(self, cell):
        self.slot = cell.slot
        self.meta = cell.meta


def _first_time(s, node, key, order, leaves, numbers, root, given, meta):
    """Run node by node under capture, then remember the way."""
    capture = Capture(s)
    outer, TRACE.capture = TRACE.capture, capture
    first = len(s.cells)
    symbols = iter([Symbol(capture, x, None, i) for i, x in enumerate(numbers)])
    plain = [(g, g.numbers) for g in order if g.numbers]
    for g, ns in plain:
        g.numbers = tuple([next(symbols) for _ in ns])
    try:
        given = None if given is None else proxy(given, s)
        found = Run(False, True, None).run([(root, given, meta)])
    finally:
        TRACE.capture = outer
        for g, ns in plain:
            g.numbers = ns
    results = [(x, found.leaves[id(x)]) for x in found.order]
    same = TRACE.stretch is s and outer is None
    if same and capture.valid:
        cells = [g._c for _, g in results]
        s.cells[first:] = cells
        mark(s, BACKWARD)
        places = {id(x): i for i, x in enumerate(leaves)}
        node.edges[key] = _Way(
            s.node, [(places[id(x)], _Kept(g._c)) for x, g in results], capture.recipe
        )
    return results


class _Way:
    __slots__ = ("kept", "node", "recipe")

    def __init__(self, node, kept, recipe):
        self.node = node
        self.kept = kept
        self.recipe = recipe


# ---- node by node -------------------------------------------------------------------------------
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
        with _grad_mode(self.create_graph):
            for edge, g, meta in roots:
                g = _ones(meta) if g is None else g
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
        function = getattr(node.op, "grad_many", None)
        if function is not None:
            results = function(node, grads)
        else:
            results = node.op.grad(node, grads[0])
        results = list(results) if isinstance(results, (tuple, list)) else [results]
        if TRACE.anomaly:
            _check_nan(node, results)
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
            notes = [] if node.trace_back is None else ["the forward call was:\n" + node.trace_back]
            fail(
                RuntimeError, f"Function '{node.name()}' returned nan values in its {i}th output.", *notes
            )


def accumulate(leaf, g, create_graph):
    """Add a gradient to `.grad`: in place, so that its identity stays, unless a graph is made."""
    if leaf._grad is None:
        leaf._grad = g
    elif create_graph:
        leaf._grad = leaf._grad + g
    else:
        with _grad_mode(False):
            Services.add_in_place(leaf._grad, g)
    for hook in list((leaf._after or {}).values()):
        hook(leaf)
