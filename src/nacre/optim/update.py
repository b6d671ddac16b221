"""A whole optimiser step as one memoised jump.

An optimiser states the update of one parameter as a function of values: new parameter and buffers
from old ones, the gradient and numbers. The first step over given slots records it operation by
operation; the next ones are one lookup, and one call into C that gives every parameter and buffer
its new value, so that an interrupt leaves all of them as before the step or as after it.

Only tensors that are all of their memory go that way. Views, memory that NumPy sees and tensors
that share a cell are written one by one through `tensor/cell.py`.
"""

from __future__ import annotations

from collections import deque
from itertools import chain, repeat, starmap
from operator import setitem

import numpy as np

from nacre.autograd.modes import enable_grad
from nacre.base.dtypes import float32, float64, get_default_dtype
from nacre.ir.node import meta_of
from nacre.ir.trace import (
    TRACE,
    Capture,
    Cell,
    Storage,
    Symbol,
    enter,
    in_memory,
    mark,
    proxy,
    wrap,
)
from nacre.optim.optimizer import Optimizer
from nacre.runtime.run import settle
from nacre.tensor.cell import array_of, bump, copy_into, fill, still_exposed

STEP = "optimizer_step"
SLOW = "write one by one"
_SLOT, _DATA, _ENTERED, _NONE = repeat("slot"), repeat("data"), repeat("entered"), repeat(None)


class Way:
    """Where a step ended: its state, the new slots, and which number goes to which place.

    `writes` says how often PyTorch writes each tensor in a step, which its version counts.
    """

    __slots__ = ("node", "places", "recipe", "slots", "writes")

    def __init__(self, node, slots, writes, places, recipe):
        self.node = node
        self.slots = slots
        self.writes = writes
        self.places = places
        self.recipe = recipe


class Updater(Optimizer):
    """An optimiser given by `_settings`, `_scalars` and `_update`.

    `counted` says that the scalars depend on how many steps a parameter has seen, which is kept as
    the tensor `state[p]["step"]`.
    """

    counted = False
    _known: tuple = (None, 0)

    def _settings(self, group) -> tuple:
        """What shapes the update of a group; first the names of its buffers."""
        raise NotImplementedError

    def _scalars(self, group, settings, count) -> tuple:
        """The numbers of an update, as floats; `count` includes this step."""
        raise NotImplementedError

    def _update(self, settings, numbers, p, g, *buffers) -> tuple:
        """The new values of the parameter and its buffers (None before the first step)."""
        raise NotImplementedError

    def _writes(self, settings, first) -> tuple:
        """How often PyTorch writes the parameter and each buffer in a step."""
        raise NotImplementedError

    def step(self, closure=None):
        """Change the parameters by their gradients; returns what `closure()` returned."""
        loss = None
        if closure is not None:
            with enable_grad():
                loss = closure()
        if TRACE.capture is not None or not _advance(self):
            _slowly(self)
        return loss


# ---- the jump -----------------------------------------------------------------------------------
def _advance(self):
    """Take the step as one jump; False if some tensor must be written in another way."""
    s = TRACE.stretch
    key: list = [STEP, type(self)]
    numbers: list = []
    targets: list = []
    counts: list = []
    missing: list = []
    counted = self.counted
    for group in self.param_groups:
        settings = self._settings(group)
        key.append(settings)
        names = settings[0]
        if not counted:
            numbers += self._scalars(group, settings, 0)
        last = -1
        for p in group["params"]:
            g = p._grad
            if g is None:
                key.append(None)
                continue
            c = p._c
            if (c.stretch is not s or p._v is not None) and not _entered(p, s):
                return False
            d = g._c
            slot = d.slot if d.stretch is s and g._v is None else enter(g, s)
            key.append(c.slot)
            key.append(slot)
            targets.append(p)
            if not names:
                continue
            state = self.state[p]
            if counted:
                n = _count(state, s, counts)
                if n is None:
                    return False
                if n != last:
                    last = n
                    base = len(numbers)
                    numbers += self._scalars(group, settings, n + 1)
                key.append(base)
            if not _buffers(p, state, names, s, key, targets, missing):
                return False
    return not targets or _go(self, s, tuple(key), targets, numbers, counts, missing)


def _go(self, s, key, targets, numbers, counts, missing):
    """Follow the edge of a step; False if it leads nowhere."""
    node = s.node
    way = node.edges.get(key)
    if way is None:
        way = node.edges[key] = _first_sight(self, s, targets, numbers)
        s.node = node
    if way is SLOW:
        return False
    cells = [t._c for t in targets]
    data = [c.data for c in cells]
    if None in data:
        for c, before in zip(cells, data, strict=True):
            if before is not None:
                s.undo.append((c, before))
                s.cells.append(c)
            elif c.slot < 0:
                s.cells.append(c)
    else:
        s.undo += zip(cells, data, strict=True)
        s.cells += cells
    for t, n in zip(targets, way.writes, strict=True):
        version = t._vc
        if version is None:
            t._vc = [n]
        else:
            version[0] += n
    s.numbers.update(zip(way.places, map(numbers.__getitem__, way.recipe), strict=True))
    changes = chain(
        zip(cells, _SLOT, way.slots),  # noqa: B905 - the constants repeat for ever
        zip(cells, _DATA, _NONE),  # noqa: B905
        zip(cells, _ENTERED, _NONE),  # noqa: B905
        ((s, "node", way.node),),
    )
    if counts or missing:
        steps, items = _counted(s, counts)
        items += missing
        deque(chain(starmap(setattr, chain(changes, steps)), starmap(setitem, items)), maxlen=0)
    else:
        deque(starmap(setattr, changes), maxlen=0)
    return True


def _entered(t, s):
    """Whether a tensor is all of its memory, and enters the stretch as such."""
    c = t._c
    if t._v is not None:
        return False
    if c.data is None and c.stretch is not s:
        settle(c)
    if c.exposed and c.data is not None and still_exposed(c):
        return False
    enter(t, s)
    return c.stretch is s


def _buffers(p, state, names, s, key, targets, missing):
    """Add the buffers of a parameter to the key; one that is missing is made beside it."""
    for name in names:
        t = state.get(name)
        if t is not None and t._c.data is None and t._c.stretch is not s:
            failed = t._c.stretch
            if failed is not None and failed.failure is not None:
                t = None
        if t is None:
            key.append(None)
            t = wrap(Cell(p._m, None, s), p._m)
            missing.append((state, name, t))
        elif (t._c.stretch is not s or t._v is not None) and not _entered(t, s):
            return False
        else:
            key.append(t._c.slot)
        targets.append(t)
    return True


def _count(state, s, counts):
    """How many steps a parameter has seen; None if its counter must be written in another way."""
    t = state.get("step")
    if t is None:
        counts.append((state, None, 0))
        return 0
    c = t._c
    if c.data is None or c.stretch is s or t._v is not None or c.exposed:
        return None
    n = int(c.data.array[0])
    counts.append((state, c, n))
    return n


def _counted(s, counts):
    """The changes that count a step, as attributes and as items to be set."""
    triples = []
    items = []
    if counts:
        meta = count_meta()
        rows = np.array([n + 1 for _, _, n in counts], meta.dtype.np).reshape(-1, 1)
        for (state, c, _), row in zip(counts, rows, strict=True):
            if c is None:
                items.append((state, "step", in_memory(Storage(row), meta)))
            else:
                s.undo.append((c, c.data))
                triples.append((c, "data", Storage(row)))
    return triples, items


def count_meta():
    """The Meta of a step counter, a 0-d floating-point tensor."""
    return meta_of((), float64 if get_default_dtype() is float64 else float32)


def _first_sight(self, s, targets, numbers):
    """Record the step operation by operation; returns the way, or SLOW if it cannot be one."""
    trace = TRACE
    grads = [p._grad for _, _, p, _, _ in _jobs(self)]
    cells = [t._c for t in targets] + [g._c for g in grads]
    if len(set(map(id, cells))) < len(cells):
        return SLOW
    node, first = s.node, len(s.cells)
    capture = Capture(s)
    symbols = [Symbol(capture, x, None, i) for i, x in enumerate(numbers)]
    outer = trace.capture, trace.grad
    trace.capture, trace.grad = capture, False
    results = []
    writes = ()
    try:
        for settings, base, p, g, buffers in _jobs(self):
            held = [None if b is None else proxy(b, s) for b in buffers]
            results += self._update(
                settings, symbols[base[0] : base[1]], proxy(p, s), proxy(g, s), *held
            )
            writes += self._writes(settings, None in buffers)
    finally:
        trace.capture, trace.grad = outer
    made = [t._c for t in results]
    del s.cells[first:]
    if trace.stretch is not s or not capture.valid or len(set(map(id, made))) < len(made):
        return SLOW
    if not all(
        c.stretch is s and c.slot >= node.slots and r._v is None and r._m is t._m
        for r, c, t in zip(results, made, targets, strict=True)
    ):
        return SLOW
    if any(type(x) is not Symbol or x.function is not None for x in capture.recipe):
        return SLOW
    slots = tuple([c.slot for c in made])
    mark(s, (STEP, tuple([t._c.slot for t in targets]), slots))
    places = tuple(range(node.numbers, node.numbers + len(capture.recipe)))
    return Way(s.node, slots, writes, places, tuple([x.args for x in capture.recipe]))


def _jobs(self):
    """For each parameter with a gradient: settings, its numbers' place, itself, grad, buffers."""
    end = 0
    for group in self.param_groups:
        settings = self._settings(group)
        last = -1
        if not self.counted:
            base = (end, end + len(self._scalars(group, settings, 0)))
            end = base[1]
        for p in group["params"]:
            if p._grad is None:
                continue
            state = self.state[p] if settings[0] else {}
            if self.counted:
                n = _steps(state)
                if n != last:
                    base = (end, end + len(self._scalars(group, settings, n + 1)))
                    end = base[1]
                    last = n
            yield settings, base, p, p._grad, [_usable(state.get(name)) for name in settings[0]]


def _steps(state):
    t = state.get("step")
    return 0 if t is None else int(array_of(t).item())


def _usable(t):
    """A buffer, or None if the evaluation that was to make it failed."""
    if t is None:
        return None
    stretch = t._c.stretch
    lost = t._c.data is None and stretch is not None and stretch.failure is not None
    return None if lost else t


# ---- one by one ---------------------------------------------------------------------------------
def _slowly(self):
    """Update parameters one after the other, whatever memory they are in."""
    before = TRACE.grad
    TRACE.grad = bool(self.defaults.get("differentiable"))
    try:
        for group in self.param_groups:
            settings = self._settings(group)
            for p in group["params"]:
                if p._grad is not None:
                    _update_one(self, group, settings, p)
    finally:
        TRACE.grad = before


def _update_one(self, group, settings, p):
    names = settings[0]
    state = self.state[p] if names else {}
    n = _steps(state) + 1 if self.counted else 0
    buffers = [_usable(state.get(name)) for name in names]
    new, *values = self._update(settings, self._scalars(group, settings, n), p, p._grad, *buffers)
    if self.counted:
        if "step" in state:
            fill(state["step"], n, "FillBackward0")
        else:
            meta = count_meta()
            state["step"] = in_memory(Storage(np.array([n], meta.dtype.np)), meta)
    writes = self._writes(settings, None in buffers)
    for name, buffer, value, n in zip(names, buffers, values, writes[1:], strict=True):
        if buffer is None:
            state[name] = buffer = value.detach()
            buffer._vc = [n]
        else:
            copy_into(buffer, value)
            _count_writes(buffer, n - 1)
    copy_into(p, new)
    _count_writes(p, writes[0] - 1)


def _count_writes(t, more):
    for _ in range(more):
        bump(t)
