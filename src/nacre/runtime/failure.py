"""What is left of a stretch whose evaluation failed.

Values that do not depend on a failing operation are computed after all. A cell written in place
whose new value failed goes back to the latest value before it that did not; a step of an optimiser
goes back as a whole. Other cells have no value, and say so when they are read.
"""

from __future__ import annotations

import numpy as np

from nacre.ir.node import LEAF, MARK, REBIND, STEP
from nacre.ir.trace import Counted, Storage
from nacre.runtime.interpreter import run_nodes


class Remains:
    """The values of a stretch that can be computed, by slot."""

    def __init__(self, s, wanted):
        path = s.node.path()
        self.nodes = {node.slot: node for node in path if node.meta is not None}
        self.before: dict = {}
        self.flats: dict = {}
        self.failed: set = set()
        self._arrays: dict = {}
        changes = {node for node in path if node.op is MARK and type(node.attrs) is tuple}
        for node in changes:
            if node.attrs[0] == REBIND:
                self.before[node.attrs[2]] = node.attrs[1]
            elif node.attrs[0] == STEP:
                self.before.update(zip(node.attrs[2], node.attrs[1], strict=True))
        needed = self._needed(path, {*wanted, *self.before, *self.before.values()})
        with np.errstate(all="ignore"):
            for node in path:
                if node.op is not MARK:
                    if node.slot in needed:
                        self._compute(node, s)
                elif node in changes and node.attrs[0] == STEP:
                    self._together(node.attrs[2])

    @staticmethod
    def _needed(path, wanted):
        for node in reversed(path):
            if node.slot in wanted:
                wanted.update([a for a in node.args if type(a) is int])
        return wanted

    def _compute(self, node, s):
        if not self.failed.isdisjoint([a for a in node.args if type(a) is int]):
            self.failed.add(node.slot)
            return
        try:
            run_nodes([node], s.leaves, s.numbers, (), self.flats, self._arrays)
        except Exception:
            self.failed.add(node.slot)

    def _together(self, slots):
        if not self.failed.isdisjoint(slots):
            self.failed.update(slots)

    def latest(self, slot):
        """The slot, or that of the value before it, and so on, that did not fail; or None."""
        while slot in self.failed:
            slot = self.before.get(slot)
        return slot if slot in self.flats else None

    def storage(self, slot):
        """A value in memory of its own."""
        return Storage(self.flats[slot].copy())


def salvaged(s, wanted):
    """The attributes to set after a failed evaluation, as (cell, name, value).

    `wanted` pairs cells with the slots of their values.
    """
    remains = Remains(s, [slot for _, slot in wanted])
    triples = []
    kept = set()
    for c, slot in wanted:
        found = remains.latest(slot)
        if found is not None and remains.nodes[found].op is not LEAF:
            triples.append((c, "data", remains.storage(found)))
            kept.add(id(c))
    for c, before in reversed(s.undo):
        if type(before) is Counted:
            if before.slot in remains.failed:
                triples.append((c, "data", before.before))
        elif c.data is None and id(c) not in kept:
            triples.append((c, "data", before))
            triples.append((c, "stretch", None))
    return triples
