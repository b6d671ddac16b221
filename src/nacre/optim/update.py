"""A whole optimiser step as one memoised jump.

An optimiser states the update of one parameter as a function of values: new parameter and buffers
from old ones, the gradient and numbers. The first step over given slots records it operation by
operation; the next ones are one lookup, and one call into C that gives every parameter and buffer
its new value, so that an interrupt leaves all of them as before the step or as after it.

Only tensors that are all of their memory go that way. Views, memory that NumPy sees and tensors
that share a cell are written one by one through `tensor/cell.py`.
"""

from __future__ import annotations

from itertools import chain, starmap
from operator import setitem

import numpy as np

from nacre.autograd.modes import enable_grad
from nacre.base.dtypes import float32, float64, get_default_dtype
from nacre.base.errors import fail
from nacre.ir.node import STEP, meta_of
from nacre.ir.trace import (
    TRACE,
    Capture,
    Cell,
    Counted,
    Storage,
    Symbol,
    Value,
    enter,
    in_memory,
    mark,
    proxy,
    wrap,
)
from nacre.ops import elementwise as ew
from nacre.ops.create import full
from nacre.optim.optimizer import Optimizer
from nacre.runtime.run import settle
from nacre.tensor.cell import array_of, bump, copy_into, fill, still_exposed

SLOW = "write one by one"


class Way:
    """Where a step ended: its state, and what the values in it are for.

    `slots` and `writes` go with the tensors that change: the new slot, and how often PyTorch writes
    such a tensor in a step, which its version counts. `recipe` pairs the place of each number that
    was recorded with its index among the numbers of a step.
    """

    __slots__ = ("node", "recipe", "slots", "writes")

    def __init__(self, node, slots, writes, recipe):
        self.node = node
        self.slots = slots
        self.writes = writes
        self.recipe = recipe


class Updater(Optimizer):
    """An optimiser given by `_plan` and `_update`.

    `counted` says that an update has numbers that depend on how many steps the parameter has seen;
    that is kept as the tensor `state[p]["step"]`.
    """

    counted = False

    def _plan(self, group) -> tuple:
        """What shapes the update in a group (first the names of its buffers), and its numbers."""
        raise NotImplementedError

    def _corrections(self, group, count) -> tuple:
        """Further numbers for a parameter that takes its `count`-th step."""
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
        special = self.defaults["differentiable"] or TRACE.capture is not None
        if special or not _advance(self):
            _slowly(self)
        return loss


def downhill(g, p, maximize, decay):
    """The gradient to go down by: negated to go up, with weight decay unless that is None."""
    if maximize:
        g = ew.neg(g)
    return g if decay is None else ew.add_scaled(g, p, decay)


def or_zeros(buffer, p):
    """A buffer, at first zeros like its parameter."""
    return full(0.0, attrs=p._m) if buffer is None else buffer


def check_settings(**settings):
    """Refuse the first setting that is negative, or for `lr` no number; by PyTorch's names."""
    lr = settings.pop("lr")
    if isinstance(lr, Value) and lr._m.numel != 1:
        fail(ValueError, "Tensor lr must be 1-element")
    if not lr >= 0.0:
        fail(ValueError, f"Invalid learning rate: {lr}")
    for name, value in settings.items():
        if not value >= 0.0:
            fail(ValueError, f"Invalid {name} value: {value}")


def check_fused(fused, foreach, differentiable):
    """Refuse flags that exclude each other."""
    if fused and differentiable:
        fail(RuntimeError, "`fused` does not support `differentiable`")
    if fused and foreach:
        fail(RuntimeError, "`fused` and `foreach` cannot be `True` together.")


# ---- the jump -----------------------------------------------------------------------------------
def _advance(self):
    """Take the step as one jump; False if some tensor must be written in another way."""
    s = TRACE.stretch
    key: list = [type(self)]
    numbers: list = []
    targets: list = []
    items: list = []
    counts: list = []
    counted = self.counted
    for group in self.param_groups:
        settings, shared = self._plan(group)
        key.append(settings)
        numbers += shared
        names = settings[0]
        last = -1
        for p in group["params"]:
            g = p._grad
            if g is None:
                key.append(None)
                continue
            c = p._c
            place = c.slot if c.stretch is s and p._v is None else _entered(p, s)
            if place < 0:
                return False
            d = g._c
            slot = d.slot if d.stretch is s and g._v is None else enter(g, s)
            key.append(place)
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
                    numbers += self._corrections(group, n + 1)
                key.append(base)
            if not _buffers(p, state, names, s, key, targets, items):
                return False
    return not targets or _go(self, s, tuple(key), targets, numbers, items, counts)


def _go(self, s, key, targets, numbers, items, counts):
    """Follow the edge of a step; False if it leads nowhere."""
    node = s.node
    way = node.edges.get(key)
    if way is None:
        way = node.edges[key] = _first_sight(self, s, targets, numbers)
        if way is SLOW:  # what it recorded may be where a tensor entered, so it stays
            return False
        s.node = node
    if way is SLOW:
        return False
    place_of = s.numbers
    for place, i in way.recipe:
        place_of[place] = numbers[i]
    cells, undo = s.cells, s.undo
    changes = [(s, "node", way.node)]
    for t, slot, writes in zip(targets, way.slots, way.writes):  # noqa: B905 - for speed
        c = t._c
        before = c.data
        if before is not None:
            undo.append((c, before))
            cells.append(c)
            changes += ((c, "stretch", s), (c, "slot", slot), (c, "data", None))
            if c.entered is not None:
                changes.append((c, "entered", None))
        else:
            if c.slot < 0:
                cells.append(c)
            changes += ((c, "slot", slot), (c, "data", None))
        version = t._vc
        if version is None:
            t._vc = [writes]
        else:
            version[0] += writes
    if counts or items:
        _step_counters(s, counts, changes, items, way)
        any(chain(starmap(setattr, changes), starmap(setitem, items)))
    else:
        any(starmap(setattr, changes))  # one call into C: no signal comes between
    return True


def _entered(t, s):
    """The slot by which a tensor that is all of its memory enters the stretch; -1 if it is not."""
    c = t._c
    if t._v is not None or t._m is not c.meta:
        return -1
    data = c.data
    if data is None and c.stretch is not s:
        data = settle(c)
    if data is not None and (data.pinned or (c.exposed and still_exposed(c))):
        return -1
    return enter(t, s)


def _buffers(p, state, names, s, key, targets, items):
    """Add the buffers of a parameter to the key; one that is missing is made beside it."""
    for name in names:
        t = _usable(state.get(name))
        if t is None:
            key.append(None)
            t = wrap(Cell(p._m, None, s), p._m)
            items.append((state, name, t))
        else:
            c = t._c
            place = c.slot if c.stretch is s and t._v is None else _entered(t, s)
            if place < 0:
                return False
            key.append(place)
        targets.append(t)
    return True


def _usable(t):
    """A buffer; None if there is none, or the evaluation that was to make it failed."""
    if t is None or t._c.data is not None:
        return t
    stretch = t._c.stretch
    return None if stretch is not None and stretch.failure is not None else t


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


def _step_counters(s, counts, changes, items, way):
    """Add to the changes those that count a step; they are undone if the step's values fail."""
    if not counts:
        return
    meta = count_meta()
    rows = np.array([n + 1 for _, _, n in counts], meta.dtype.np).reshape(-1, 1)
    made = []
    for (state, c, _), row in zip(counts, rows, strict=True):
        if c is None:
            t = in_memory(Storage(np.zeros(1, row.dtype)), meta)
            made.append((state, "step", t))
            c = t._c
        s.undo.append((c, Counted(c.data, way.slots[0])))
        changes.append((c, "data", Storage(row)))
    items[:0] = made


def count_meta():
    """The Meta of a step counter, a 0-d floating-point tensor."""
    return meta_of((), float64 if get_default_dtype() is float64 else float32)


def _first_sight(self, s, targets, numbers):
    """Record the step operation by operation; returns the way, or SLOW if it cannot be one."""
    trace = TRACE
    jobs = list(_jobs(self))
    cells = [t._c for t in targets] + [g._c for _, _, _, g, _ in jobs]
    if len(set(map(id, cells))) < len(cells):
        return SLOW
    node, first = s.node, len(s.cells)
    capture = Capture(s)
    symbols = [Symbol(capture, x, None, i) for i, x in enumerate(numbers)]
    outer = trace.capture, trace.grad
    trace.capture, trace.grad = capture, False
    results = []
    writes: tuple = ()
    try:
        for settings, places, p, g, buffers in jobs:
            chosen = [symbols[i] for i in places]
            held = [None if b is None else proxy(b, s) for b in buffers]
            results += self._update(settings, chosen, proxy(p, s), proxy(g, s), *held)
            writes += self._writes(settings, None in buffers)
    finally:
        trace.capture, trace.grad = outer
    del s.cells[first:]
    same = trace.stretch is s and s.node.leaves == node.leaves
    if not same or not _is_way(s, node, targets, results, capture):
        return SLOW
    slots = tuple([t._c.slot for t in results])
    before = tuple([t._c.slot if t._c.stretch is s else -1 for t in targets])
    mark(s, (STEP, before, slots))
    recipe = [(node.numbers + k, x.args) for k, x in enumerate(capture.recipe)]
    return Way(s.node, slots, writes, recipe)


def _is_way(s, node, targets, results, capture):
    """Whether every tensor gets a new value of its own, from numbers as they are given."""
    if len({id(t._c) for t in results}) < len(results) or not capture.valid:
        return False
    for t, new in zip(targets, results, strict=True):
        c = new._c
        if c.stretch is not s or c.slot < node.slots or new._v is not None or new._m is not t._m:
            return False
    return all(type(x) is Symbol and x.function is None for x in capture.recipe)


def _jobs(self):
    """For each parameter with a gradient: settings, its numbers' places, itself, grad, buffers."""
    end = 0
    for group in self.param_groups:
        settings, shared = self._plan(group)
        shared = range(end, end + len(shared))
        end = shared.stop
        own = range(0)
        last = -1
        for p in group["params"]:
            if p._grad is None:
                continue
            state = self.state[p] if settings[0] else {}
            n = _steps(state) if self.counted else last
            if n != last:
                last = n
                own = range(end, end + len(self._corrections(group, n + 1)))
                end = own.stop
            buffers = [_usable(state.get(name)) for name in settings[0]]
            yield settings, (*shared, *own), p, p._grad, buffers


def _steps(state):
    t = state.get("step")
    return 0 if t is None else int(array_of(t).item())


# ---- one by one ---------------------------------------------------------------------------------
def _slowly(self):
    """Update parameters one after the other, whatever memory they are in."""
    before = TRACE.grad
    TRACE.grad = bool(self.defaults["differentiable"])
    try:
        for group in self.param_groups:
            for p in group["params"]:
                if p._grad is not None:
                    _update_one(self, group, p)
    finally:
        TRACE.grad = before


def _update_one(self, group, p):
    settings, numbers = self._plan(group)
    names = settings[0]
    state = self.state[p] if names else {}
    if self.counted:
        n = _steps(state) + 1
        numbers = (*numbers, *self._corrections(group, n))
    buffers = [_usable(state.get(name)) for name in names]
    new, *values = self._update(settings, numbers, p, p._grad, *buffers)
    if self.counted:
        if "step" in state:
            fill(state["step"], n)
        else:
            meta = count_meta()
            state["step"] = in_memory(Storage(np.array([n], meta.dtype.np)), meta)
    writes = self._writes(settings, None in buffers)
    for name, buffer, value, count in zip(names, buffers, values, writes[1:], strict=True):
        if buffer is None:
            state[name] = buffer = value.detach()
            buffer._vc = [count]
        else:
            copy_into(buffer, value)
            _count_writes(buffer, count - 1)
    copy_into(p, new)
    _count_writes(p, writes[0] - 1)


def _count_writes(t, more):
    for _ in range(more):
        bump(t)
