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
    enter,
    made,
    mark,
    proxy,
    put_numbers,
    slot_of,
    wrap,
)

BACKWARD = "backward"


def by_jump(root, given, meta, keep):
    """Go where backward over this tape led before; False if it must run node by node, or fail.

    The key says what the tape looks like: for each node what was recorded, where its edges lead,
    and
    the values that it saved.
    """
    s = TRACE.stretch
    key = [BACKWARD]
    order = [root]
    places = {id(root): 0}
    leaves = []
    numbers = []
    for g in order:
        plan = g.plan
        if g.hooks is not None or plan.key is None:
            return False
        key.append(plan.key)
        if plan.numeric:
            numbers += g.numbers
        saved = g.saved
        if saved is RELEASED:
            return False
        i = 0
        for version in g.versions:
            x = saved[i]
            counter = x._vc
            if version != (0 if counter is None else counter[0]):
                return False
            c = x._c
            key.append(c.slot if c.stretch is s and x._v is None else enter(x, s))
            i += 1
        for f in g.next:
            if f is None:
                continue
            place = places.get(id(f))
            if place is None:
                if f.__class__ is Port:
                    key.append(f.index)
                    f = f.node
                    if id(f) in places:
                        key.append(places[id(f)])
                        continue
                place = places[id(f)] = len(places)
                if isinstance(f, Value):
                    if f._hooks:
                        return False
                    leaves.append(f)
                    key.append(f._m)
                else:
                    order.append(f)
            key.append(place)
    if given is not None:
        key.append(slot_of(given, s))
    node = s.node
    key = tuple(key)
    way = node.edges.get(key)
    if way is None:
        results = _first_time(s, node, key, order, leaves, numbers, root, given, meta)
    else:
        if way.recipe:
            values = [r.evaluate(numbers) if type(r) is Symbol else r for r in way.recipe]
            put_numbers(s, node.numbers, values)
        s.node = way.node
        results = []
        for place, kept in way.kept:
            t = made(kept, s)
            if kept.version:
                t._vc = [kept.version]
            if kept.views is not None:
                t = _viewed(kept, t, results)
            results.append((leaves[place], t))
    if not keep:
        for g in order:
            if g.plan.frees:
                g.saved = RELEASED
    for leaf, t in results:
        if leaf._grad is None and leaf._after is None and leaf._rg:
            leaf._grad = t
        else:
            accumulate(leaf, t, False)
    return True


class _Kept:
    """A gradient: its slot and version, and what it is of it if it is a view: (offset, meta, of).

    `of` is the place of an earlier result that shares its memory, or None.
    """

    __slots__ = ("meta", "slot", "version", "views")

    def __init__(self, g, before):
        c = g._c
        self.slot = c.slot
        self.meta = c.meta
        self.version = version_of(g)
        self.views = None
        of = next((i for i, t in enumerate(before) if t._c is c), None)
        if g._v is not None or of is not None:
            self.views = (g._v, g._m, of)


def _viewed(kept, t, results):
    """A view of the memory of a value just made, or of an earlier result's."""
    offset, meta, of = kept.views
    cell = t._c
    if of is not None:
        cell.stretch.cells.pop()
        cell = results[of][1]._c
    view = wrap(cell, meta, offset)
    view._vc = t._vc
    return view


def _first_time(s, node, key, order, leaves, numbers, root, given, meta):
    """Run node by node under capture, then remember the way."""
    capture = Capture(s)
    outer = TRACE.capture
    first = len(s.cells)
    symbols = iter([Symbol(capture, x, None, i) for i, x in enumerate(numbers)])
    plain = [(g, g.numbers) for g in order if g.numbers]
    try:  # all that is undone below: an interrupt may come anywhere
        TRACE.capture = capture
        for g, ns in plain:
            g.numbers = tuple([next(symbols) for _ in ns])
        given = None if given is None else proxy(given, s)
        found = Run(False, True, None).run([(root, given, meta)])
    finally:
        TRACE.capture = outer
        for g, ns in plain:
            g.numbers = ns
    results = [(x, found.leaves[id(x)]) for x in found.order]
    same = TRACE.stretch is s and outer is None
    if same and capture.valid and s.node.leaves == node.leaves:
        gradients = [g for _, g in results]
        s.cells[first:] = dict.fromkeys([g._c for g in gradients])
        mark(s, BACKWARD)
        places = {id(x): i for i, x in enumerate(leaves)}
        node.edges[key] = _Way(
            s.node,
            [(places[id(x)], _Kept(g, gradients[:i])) for i, (x, g) in enumerate(results)],
            capture.recipe,
        )
    return results


class _Way:
    __slots__ = ("kept", "node", "recipe")

    def __init__(self, node, kept, recipe):
        self.node = node
        self.kept = kept
        self.recipe = recipe
