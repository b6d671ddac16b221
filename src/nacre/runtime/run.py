"""Evaluation of the open stretch: the one entry.

Which recorded values are wanted is told by reference counts alone: a cell that only the stretch
refers to is dead. The tuple of counts seen last time answers it with one comparison. A stretch that
is interrupted is either as before its evaluation or as after it.
"""

from __future__ import annotations

import threading
from collections import deque
from contextlib import suppress
from itertools import starmap
from sys import getrefcount

from nacre.base import config, forks
from nacre.base.errors import fail
from nacre.base.scope import running
from nacre.ir.node import LEAF, ROOT, VIEW
from nacre.ir.trace import TRACE, Services, Storage, Stretch
from nacre.ir.verify import check_stretch
from nacre.runtime.failure import salvaged
from nacre.runtime.forget import MEMORY
from nacre.runtime.interpreter import interpret, needed_nodes
from nacre.runtime.tier import compiled

LOCK = threading.RLock()


class _Probe:
    pass


def _counts(cells):
    return tuple(map(getrefcount, cells))


DEAD = _counts([_Probe()])[0]


class Executable:
    """What evaluates one state for one set of wanted values."""

    __slots__ = ("hot", "last", "nodes", "outs", "sights")

    def __init__(self, node, outs):
        self.outs = outs
        self.nodes = needed_nodes(node, [slot for _, slot in outs])
        self.sights = 0
        self.hot = None
        self.last = MEMORY.sweeps


def evaluate(trace=None, patient=False):
    """Compute every wanted value of this thread's stretch and begin a new one.

    If one fails, `patient` leaves the stretch as it is.
    """
    trace = TRACE if trace is None else trace
    s = trace.stretch
    node = s.node
    if node is ROOT:
        return
    with LOCK:
        counts = tuple(map(getrefcount, s.cells))
        known = node.refs == counts and not s.torn
        executable = node.quick if known else _select(s, node, counts)
        problem = None
        try:
            hot = executable.hot
            if hot is None:
                hot = _warmed(executable, s)
            if hot and hot.run(trace, s):
                return
        except KeyboardInterrupt:
            raise
        except BaseException as error:
            problem = error
        _finish_cold(trace, s, executable, patient)
    if problem is not None:
        raise problem


def _finish_cold(trace, s, executable, patient):
    """Evaluate node by node and commit; what fails is raised after all else has its value."""
    failure = None
    try:
        triples = [
            (s.cells[i], "data", storage)
            for (i, _), storage in zip(executable.outs, _cold(executable, s), strict=True)
        ]
    except KeyboardInterrupt:
        raise
    except BaseException as error:
        if patient:
            raise
        failure = error
        triples = [*salvaged(s, [(s.cells[i], slot) for i, slot in executable.outs])]
        triples.append((s, "failure", _told(error)))
    commit([*triples, (trace, "stretch", Stretch())])
    s.close()
    if failure is not None:
        raise failure


def _warmed(executable, s):
    """Compile an executable that has been seen often enough."""
    executable.sights += 1
    if executable.sights >= config.HOT:
        executable.hot = compiled(executable, s)
        MEMORY.compiled += len(executable.nodes)
    return executable.hot


def commit(triples):
    """Set many attributes in one call into C, which no signal handler can interrupt."""
    deque(starmap(setattr, triples), maxlen=0)


def _select(s, node, counts):
    """The executable for the cells that are wanted now."""
    outs = []
    torn = False
    for i, (c, count) in enumerate(zip(s.cells, counts, strict=True)):
        if count > DEAD:
            if c.stretch is s and c.data is None:
                outs.append((i, c.slot))
            else:
                torn = True
    outs = tuple(outs)
    executable = node.executables.get(outs)
    if executable is None:
        if config.VERIFY:
            check_stretch(s)
        executable = node.executables[outs] = Executable(node, outs)
        MEMORY.make_room()
    executable.last = MEMORY.sweeps
    if not torn:
        node.refs = counts
        node.quick = executable
    return executable


def _cold(executable, s):
    """The wanted values, computed node by node, each in memory of its own."""
    wanted = [slot for _, slot in executable.outs]
    flats = interpret(executable.nodes, s.leaves, s.numbers, wanted)
    owned = {n.slot for n in executable.nodes if n.op is not LEAF and n.op is not VIEW}
    results = []
    for _, slot in executable.outs:
        flat = flats[slot]
        if slot in owned:
            owned.discard(slot)
        else:
            flat = flat.copy()
        results.append(Storage(flat))
    return results


def settle(c):
    """The memory of a cell: computed if it is pending in another thread's stretch.

    That thread may go on recording meanwhile; what it makes of the cell then is left alone.
    RuntimeError if the cell has no value.
    """
    with LOCK:
        data, s, slot = c.data, c.stretch, c.slot
        if data is not None:
            return data
        node = s.node
        if s.failure is not None:
            fail(
                RuntimeError,
                f"this tensor has no value: its evaluation failed with {s.failure}",
                "the error was raised where the value was first needed",
            )
        s.torn = True
        nodes = needed_nodes(node, [slot])
        try:
            flats = interpret(nodes, dict(s.leaves), dict(s.numbers), (slot,))
        except Exception as error:
            commit(_without_value(c, s, error))
            raise
        data = Storage(flats[slot].copy())
        if c.data is None and c.slot == slot and c.stretch is s:
            c.data = data
        return data


def _told(error):
    """An error as text: the error itself would keep alive all that its traceback refers to."""
    return f"{type(error).__name__}: {error}"


def _without_value(c, s, error):
    """What to set on a cell that failed for a reader in another thread than its own."""
    triples = [x for x in salvaged(s, [(c, c.slot)]) if x[0] is c]
    if triples:
        return triples
    failed = Stretch()
    failed.failure = _told(error)
    return [(c, "stretch", failed)]


LIMIT_LOAD = 1 << 27


def boundary():
    """A natural place to evaluate if much is pending: a batch begins, an outermost block is
    called.
    """
    if TRACE.stretch.node.load > LIMIT_LOAD and len(running()) <= 1:
        evaluate()


def _before_fork():
    """Evaluate what is pending here, lest parent and child both do; what fails fails in both."""
    if TRACE.capture is None:
        with suppress(BaseException):
            evaluate(patient=True)


forks.guard(forks.EVALUATION, LOCK, prepare=_before_fork)
Services.evaluate = evaluate
Services.settle = settle
