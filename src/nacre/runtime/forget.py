"""A bound on what recording remembers.

Every new shape and every new order of operations adds states below ROOT, and executables that
evaluate them. When these have grown by an eighth of MOST, those that were evaluated longest ago are
dropped until three quarters of MOST are left. Time is counted in these sweeps: an executable notes
the sweep it was last selected in, and a sweep makes every state forget which executable was its
last, so that states in use are selected, and noted, once more. What comes after a state keeps it
alive. States that a thread is just recording on may be dropped too: they serve it to the end of its
stretch and are then made anew, which costs time but changes nothing.
"""

from __future__ import annotations

from collections import Counter

from nacre.ir.node import ROOT, Node, forget_metas

MOST = 100_000


class Memory:
    """How much is remembered, in states and as many for the nodes of a compiled executable."""

    def __init__(self, most=MOST):
        self.most = most
        self.sweeps = 1
        self.kept = 0
        self.compiled = 0

    def size(self) -> int:
        """What there is now."""
        return self.kept + Node.made + self.compiled

    def make_room(self):
        """Sweep if much was added; to be called with the lock of evaluation held."""
        if Node.made + self.compiled > self.most // 8:
            self.sweep()

    def sweep(self):
        """Drop what was evaluated longest ago, if there is too much."""
        nodes, latest = _latest()
        self.kept = sum(map(_weight, nodes))
        Node.made = self.compiled = 0
        if self.kept > self.most * 3 // 4:
            oldest = self._oldest(nodes, latest)
            for node in nodes:
                if latest[node] < oldest:
                    node.edges, node.executables, node.plans = {}, {}, None
                else:
                    _prune(node, latest, oldest)
            self.kept = sum([_weight(node) for node in nodes if latest[node] >= oldest])
        for node in nodes:
            node.refs = node.quick = None
        self.sweeps += 1
        nodes.clear()
        latest.clear()
        forget_metas()

    def _oldest(self, nodes, latest):
        """The sweep since which the states to keep were evaluated."""
        weights: Counter = Counter()
        for node in nodes:
            weights[latest[node]] += _weight(node)
        room = self.most * 3 // 4
        for sweep in sorted(weights, reverse=True):
            room -= weights[sweep]
            if room < 0:
                return sweep + 1
        return 0


def _latest():
    """The states, parents first, and when each or one after it was last evaluated."""
    nodes = [ROOT]
    for node in nodes:
        for after in list(node.edges.values()):
            if type(after) is Node and after.parent is node:
                nodes.append(after)
    latest: dict = dict.fromkeys(nodes, 0)
    for node in reversed(nodes):
        here = max([e.last for e in list(node.executables.values())], default=0)
        latest[node] = here = max(here, latest[node])
        if node.parent is not None:
            latest[node.parent] = max(here, latest[node.parent])
    return nodes, latest


def _weight(node) -> int:
    return 1 + sum([len(e.nodes) for e in list(node.executables.values()) if e.hot])


def _prune(node, latest, oldest):
    """Drop the edges of a state, jumps among them, to states that are dropped, and executables."""
    for key, after in list(node.edges.items()):
        target = after if type(after) is Node else getattr(after, "node", None)
        if target is not None and latest.get(target, 0) < oldest:
            del node.edges[key]
    for outs, executable in list(node.executables.items()):
        if executable.last < oldest:
            del node.executables[outs]


MEMORY = Memory()
