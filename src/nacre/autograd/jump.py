"""Backward as one jump: where it led before over a tape of the same structure, it leads again.

The first time, grad rules run node by node under a capture; what they recorded is kept under the
structure of the tape and the slots of what it saved, so the next time the whole of backward is a
walk over the tape and one dictionary lookup.
"""

from __future__ import annotations

from nacre.autograd.engine import Run, accumulate
from nacre.ir.tape import RELEASED, Port, version_of
from nacre.ir.trace import (
    TRACE,
    Capture,
    Symbol,
    Value,
    mark,
    new_cell,
    proxy,
    put_numbers,
    slot_of,
    wrap,
)

BACKWARD = "backward"


def by_jump(root, given, meta, keep):
    """Go where backward over this tape led before; False if it must run node by node."""
    tape = _walk(root)
    if tape is None:
        return False
    order, key, leaves, numbers = tape
    s = TRACE.stretch
    for g in order:
        if g.saved is RELEASED:
            g.check_saved(0)
        if g.where:
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
            g = wrap(new_cell(kept, s), kept.meta)
            if kept.version:
                g._vc = [kept.version]
            results.append((leaves[place], g))
    if not keep:
        for g in order:
            if g.plan.frees:
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
    __slots__ = ("meta", "slot", "version")

    def __init__(self, g):
        self.slot = g._c.slot
        self.meta = g._c.meta
        self.version = version_of(g)


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
            s.node, [(places[id(x)], _Kept(g)) for x, g in results], capture.recipe
        )
    return results


class _Way:
    __slots__ = ("kept", "node", "recipe")

    def __init__(self, node, kept, recipe):
        self.node = node
        self.kept = kept
        self.recipe = recipe


