"""Native programs: a list of kernel calls that runs as one native call.

The table `tab` of a program is an array of i64: tab[0] is the status (0, or 1 + the number of the call
that met a bad index), tab[1] the offending value, tab[2] the program's scratch memory; slots from
FIRST_SLOT on hold addresses of arrays, and scalars.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass
from math import prod

import numpy as np

from nacre.backends import plan, reducing, reductions
from nacre.backends.cpu import compile as compiler
from nacre.backends.cpu import target, threads
from nacre.backends.loops import SCALARS, Stream, body_key, body_weight, map_ir
from nacre.base.dtypes import dtype
from nacre.base.shapes import contiguous_strides

FIRST_SLOT = 4
SCRATCH = 2
BRIEF = 20_000


@dataclass(frozen=True, slots=True)
class Operand:
    """An array as a kernel sees it: tab[slot] is its address, strides and offset are in elements."""

    slot: int
    dtype: dtype
    shape: tuple
    strides: tuple
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number as a kernel sees it, in tab[slot]: kind 'f' (bits of a float64), 'i' (int64), 'b'."""

    slot: int
    kind: str


class Plan:
    """How one call is made, but for slots and offsets: kernel, words, chunks.

    `places` says where slots and offsets go: for operand i, words[places[i]] is the slot and the
    word after it the offset (a scalar has a slot only).
    """

    __slots__ = ("address", "chunks", "factory", "key", "places", "words", "work")

    def __init__(self, key, factory, words, places, chunks, work):
        self.key = key
        self.factory = factory
        self.words = words
        self.places = places
        self.chunks = chunks
        self.work = work
        self.address = 0

    def fill(self, operands) -> list:
        """The words of a call on these operands."""
        words = self.words.copy()
        for place, x in zip(self.places, operands, strict=True):
            words[place] = x.slot
            if type(x) is Operand:
                words[place + 1] = x.offset
        return words


_PLANS: dict = {}
MOST_PLANS = 20_000


def planned(key, make) -> Plan:
    """The plan kept under `key`, made by `make()` at first sight; None if there is nothing to do."""
    try:
        return _PLANS[key]
    except KeyError:
        if len(_PLANS) >= MOST_PLANS:
            _PLANS.clear()
        made = _PLANS[key] = make()
        return made


def signature(operands) -> tuple:
    """What a plan depends on in its operands: all but slots and offsets."""
    return tuple(
        [(x.dtype, x.shape, x.strides) if type(x) is Operand else x.kind for x in operands]
    )


def spread(x: Operand, shape) -> tuple:
    """The strides that read an operand as one of `shape`, 0 where it repeats."""
    extra = len(shape) - len(x.strides)
    strides = (0,) * extra + tuple(x.strides)
    if tuple(x.shape) == tuple(shape):
        return strides
    sizes = (1,) * extra + tuple(x.shape)
    return tuple(
        0 if size == 1 and wanted != 1 else stride
        for size, wanted, stride in zip(sizes, shape, strides, strict=True)
    )


def lanes_for(kinds, weight: int) -> int:
    """How many elements a kernel handles at once: two registers of a light body, one of a heavy."""
    widest = max((kind.itemsize for kind in kinds), default=4)
    lanes = target.host().vector_bytes // max(widest, 2)
    return lanes * 2 if weight <= 8 else lanes


class ProgramBuilder:
    """Collects kernel calls; `finish()` makes them a Program."""

    def __init__(self):
        self.calls: list = []
        self.scratch = 0

    # ---- maps ----
    def map(self, shape, inputs, body, outputs) -> None:
        """Compute `body` for every element of `shape`.

        `inputs` are Operands (broadcast by stride 0) and Scalars, values 0.. of the body; `outputs` are
        (value index, Operand) pairs. An output may be exactly an input; other overlap is not allowed.
        """
        operands = [*inputs, *[x for _, x in outputs]]
        which = tuple([i for i, _ in outputs])
        key = ("map", shape, body, which, signature(operands))
        made = planned(key, lambda: _plan_map(shape, inputs, body, outputs))
        if made is not None:
            self.calls.append((made, made.fill(operands)))

    # ---- reductions ----
    def reduce(self, kind, shape, dims, inputs, body, out: Operand) -> None:
        """Reduce the last value of (inputs, body) over `dims`, which `out` does not have.

        kind: sum prod max min any all argmax argmin. argmax over several dims takes the index in
        their row-major order; they must be adjacent.
        """
        key = ("reduce", kind, shape, dims, body, signature([*inputs, out]))
        recipe = planned(key, lambda: _plan_reduce(kind, shape, dims, inputs, body, out))
        operands = [*inputs, out]
        for made, which in recipe[0]:
            chosen = [operands[x] if type(x) is int else x for x in which]
            self.calls.append((made, made.fill(chosen)))
        self.scratch = max(self.scratch, recipe[1])

    def copy(self, source: Operand, target_: Operand) -> None:
        """target = source, cast to target's dtype."""
        body = ()
        if source.dtype is not target_.dtype:
            body = (("cast", (0,), target_.dtype, ()),)
        self.map(target_.shape, [source], body, [(len(body), target_)])

    def fill(self, target_: Operand, value) -> None:
        """target = value (a Python number, or a Scalar)."""
        if type(value) is Scalar:
            body = (("cast", (0,), target_.dtype, ()),)
            self.map(target_.shape, [value], body, [(1, target_)])
        else:
            body = (("const", (), target_.dtype, (value,)),)
            self.map(target_.shape, [], body, [(0, target_)])

    def finish(self) -> Program:
        """The program; compiles or loads the kernels it needs, in one batch."""
        missing = [made for made, _ in self.calls if not made.address]
        if missing:
            found = compiler.get_functions([(m.key, m.factory) for m in missing])
            for made, address in zip(missing, found, strict=True):
                made.address = address
        return Program(self.calls, self.scratch)


class Program:
    """Kernel calls in order. `run(tab)` returns 0, or 1 + the number of the call that failed."""

    __slots__ = ("_at", "_memory", "_scratch", "_words", "brief", "ncalls", "shared")

    def __init__(self, calls, scratch: int = 0):
        self.ncalls = len(calls)
        head: list = []
        tail: list = []
        places: list = []
        self.shared = False
        work = 0
        for made, words in calls:
            places.append(len(tail))
            tail += words
            head += (made.address, 0, made.chunks, 0)
            work += made.work
            if made.chunks > 1:
                self.shared = True
        self._words = array("q", head + tail)
        self._at = base = self._words.buffer_info()[0]
        start = base + 8 * len(head)
        for i, place in enumerate(places):
            self._words[4 * i + 1] = start + 8 * place
        self.brief = work < BRIEF
        self._memory = np.empty(scratch + 64, np.uint8) if scratch else None
        self._scratch = (self._memory.ctypes.data + 63) // 64 * 64 if scratch else 0

    def run(self, tab: int) -> int:
        """Run on the table at this address; the status."""
        native = threads.POOL.native or threads.functions()
        if self.brief:
            return native.drive_briefly(tab, self._at, self.ncalls, 0, self._scratch)
        pool = 0
        if self.shared:
            pool = threads.POOL.address or threads.POOL.start()
            if threads.POOL.sleeping:
                threads.POOL.wake()
        return native.drive(tab, self._at, self.ncalls, pool, self._scratch)


def kinds_of(inputs) -> tuple:
    """The dtypes of a body's first values."""
    return tuple([x.dtype if type(x) is Operand else SCALARS[x.kind] for x in inputs])


def _plan_map(shape, inputs, body, outputs):
    if 0 in shape:
        return None
    host = target.host()
    arrays = [x for x in inputs if type(x) is Operand] + [x for _, x in outputs]
    sizes, strides = plan.collapse(shape, [spread(x, shape) for x in arrays])
    if not sizes:
        sizes, strides = [1], [[1] for _ in arrays]
    kinds = kinds_of(inputs)
    weight = body_weight(kinds, body, host)
    streams = [Stream(x.dtype, plan.walk(s[-1])) for x, s in zip(arrays, strides, strict=True)]
    outs = tuple(
        (i, Stream(x.dtype, "c" if s.walk == "c" else "s"))
        for (i, x), s in zip(outputs, streams[len(streams) - len(outputs) :], strict=True)
    )
    ins = []
    following = iter(streams)
    for x in inputs:
        ins.append(next(following) if type(x) is Operand else x.kind)
    n, outer = sizes[-1], sizes[:-1]
    rows = 1
    for size in outer:
        rows *= size
    width, columns, height, chunks = plan.grid(n, rows, plan.chunk_elements(weight))
    words = [n, width, columns, height, rows, *outer]
    places = array_places(words, strides, [*[s for s in ins if type(s) is Stream], *[s for _, s in outs]])
    places = scalar_places(words, places, ins)
    all_kinds = [*kinds, *[out for _, _, out, _ in body], *[x.dtype for x in arrays]]
    lanes = lanes_for(all_kinds, weight)
    text = ",".join([s.key() if type(s) is Stream else s for s in ins])
    out_text = ",".join([f"{i}{s.key()}" for i, s in outs])
    key = f"map:{lanes}:{len(outer)}:{text}:{body_key(body)}:{out_text}"
    ins = tuple(ins)

    def factory(name):
        return map_ir(name, len(outer), ins, body, outs, lanes, host)

    return Plan(key, factory, words, places, chunks, n * rows * (weight + 4) // 16 + 500)


class _Recipe:
    """The calls of a reduction being planned, and the scratch memory they need."""

    def __init__(self):
        self.calls: list = []
        self.bytes = 0

    def room(self, kind, shape) -> Operand:
        """A new contiguous array in scratch memory."""
        at = self.bytes
        strides = contiguous_strides(tuple(shape))
        self.bytes += -(-prod(shape) * kind.itemsize // 64) * 64
        return Operand(SCRATCH, kind, tuple(shape), strides, at // kind.itemsize)


def _plan_reduce(kind, shape, dims, inputs, body, out):
    recipe = _Recipe()
    shape = tuple(shape)
    if 0 in out.shape:
        return recipe.calls, 0
    if 0 in shape:
        value = reductions.identity(kind, out.dtype)
        body = (("const", (), out.dtype, (value,)),)
        made = _plan_map(out.shape, [], body, [(0, out)])
        return [(made, (len(inputs),))], 0
    values = [*kinds_of(inputs), *[d for _, _, d, _ in body]]
    acc = reductions.accumulator(kind, values[-1], out.dtype)
    axes = reducing.Axes(shape, dims)
    if kind in reductions.ARG and len(axes.groups) > 1:
        raise NotImplementedError(f"{kind} over dimensions that are not adjacent")
    _Reduction(recipe, kind, acc).run(shape, axes, inputs, body, out, values[-1])
    return recipe.calls, recipe.bytes


class _Reduction:
    """Plans the groups of one reduction, from the last to the first."""

    def __init__(self, recipe: _Recipe, kind: str, acc: dtype):
        self.recipe = recipe
        self.kind = kind
        self.acc = acc
        self.host = target.host()

    def run(self, shape, axes, inputs, body, out, value):
        names = list(range(len(inputs)))
        goal = len(inputs)
        sources = list(inputs)
        groups = axes.groups
        if not groups:
            self._no_group(shape, sources, names, body, out, goal, value)
            return
        last = axes.last
        kept_axes = {d: i for i, d in enumerate(d for d in range(len(shape)) if d in axes.kept)}
        out_strides = dict(zip(_kept_of(shape, axes, out), _strides_kept(shape, axes, out), strict=True))
        gone: set = set()
        for k in range(len(groups) - 1, -1, -1):
            group = groups[k]
            kept = [d for d in range(len(shape)) if d in kept_axes or any(d in g for g in groups[:k])]
            arrays = [x for x in sources if type(x) is Operand]
            strides = [spread(x, _shape_without(shape, gone)) for x in arrays]
            steps = reducing.walkable(shape, strides, group)
            if steps is None:
                sources, names, body = self._materialised(
                    _shape_without(shape, gone), sources, names, body, value
                )
                arrays = [x for x in sources if type(x) is Operand]
                strides = [spread(x, _shape_without(shape, gone)) for x in arrays]
                steps = reducing.walkable(shape, strides, group)
            final = k == 0
            stage = reducing.Stage(self.kind, sources, body, self.acc, value, self.host)
            sizes = [shape[d] for d in kept]
            limit = reductions.CHUNK if last else reductions.ROWS
            length = prod([shape[d] for d in group])
            pieces = reducing.pieces_of(length, limit, self.kind)
            call = reducing.last_call if last else reducing.middle_call
            direct = [out_strides[d] for d in kept] if final else None
            made_shape = _shape_without(shape, gone | set(group))
            goal_of_stage: object = goal
            if not final or pieces > 1:
                room = self.recipe.room(self.acc, (pieces, *sizes))
                here = list(contiguous_strides(tuple(sizes)))
                here_dtype = self.acc
                goal_of_stage = room
            else:
                here, here_dtype = direct, out.dtype
            if pieces == 1 and not final:
                room = Operand(SCRATCH, self.acc, made_shape, contiguous_strides(made_shape), room.offset)
                goal_of_stage = room
            call(
                stage, self._maker(names, goal_of_stage), shape, strides, kept, group, steps,
                here_dtype, here, prod(sizes),
            )
            if pieces > 1:
                if final:
                    joined: object = goal
                    joined_strides, joined_dtype = direct, out.dtype
                else:
                    joined = self.recipe.room(self.acc, made_shape)
                    joined_strides, joined_dtype = list(contiguous_strides(tuple(sizes))), self.acc
                reducing.chain_call(
                    stage, self._maker([room], joined), sizes, pieces, joined_dtype, joined_strides
                )
                room = joined
            if not final:
                sources, names, body, value = [room], [room], (), self.acc
            gone |= set(group)
            last = False

    def _maker(self, names, goal):
        def make(key, factory, words, places, target_place, ins, chunks, work):
            where = scalar_places(words, [*places, target_place], ins)
            made = Plan(key, factory, words, where, chunks, work)
            self.recipe.calls.append((made, (*names, goal)))

        return make

    def _materialised(self, shape, sources, names, body, value):
        """Store the value to reduce in scratch memory, in row-major order."""
        room = self.recipe.room(value, shape)
        count = len(sources) + len(body)
        made = _plan_map(shape, sources, body, [(count - 1, room)])
        self.recipe.calls.append((made, (*names, room)))
        return [room], [room], ()

    def _no_group(self, shape, sources, names, body, out, goal, value):
        """Every reduced dimension has one element: a map."""
        index = len(sources) + len(body) - 1
        if self.kind in reductions.ARG:
            body = (("const", (), out.dtype, (0,)),)
            self.recipe.calls.append((_plan_map(out.shape, [], body, [(0, out)]), (goal,)))
            return
        body = (*body, ("cast", (index,), self.acc, ()), ("cast", (index + 1,), out.dtype, ()))
        full = _unsqueezed(shape, out)
        made = _plan_map(shape, sources, body, [(index + 2, full)])
        self.recipe.calls.append((made, (*names, goal)))


def _shape_without(shape, gone):
    """`shape` with the dimensions already reduced counted as 1."""
    return tuple([1 if d in gone else n for d, n in enumerate(shape)])


def _kept_of(shape, axes, out):
    return axes.kept


def _strides_kept(shape, axes, out):
    """The strides of `out` along the kept dimensions of size > 1."""
    return [s for n, s in zip(out.shape, out.strides, strict=True) if n != 1]


def _unsqueezed(shape, out):
    """`out` as an array of `shape`, whose missing dimensions have size 1."""
    strides = [s for n, s in zip(out.shape, out.strides, strict=True) if n != 1]
    following = iter(strides)
    full = tuple([0 if n == 1 else next(following) for n in shape])
    return Operand(out.slot, out.dtype, tuple(shape), full, out.offset)


def array_places(words: list, strides, streams) -> list:
    """Append the words of each array; returns where their slots are."""
    places = []
    for s, stream in zip(strides, streams, strict=True):
        places.append(len(words))
        words += [0, 0]
        if stream.walk == "s":
            words.append(s[-1])
        words += s[:-1]
    return places


def scalar_places(words: list, places: list, inputs) -> list:
    """Append a slot for each scalar; returns the places in the order of all operands."""
    result = []
    following = iter(places)
    late = []
    for x in inputs:
        if type(x) is Stream:
            result.append(next(following))
        else:
            late.append(len(result))
            result.append(0)
    for i in late:
        result[i] = len(words)
        words.append(0)
    return [*result, *following]
