"""Native programs: a list of kernel calls that runs as one native call.

The table `tab` of a program is an array of i64: tab[0] is the status (0, or 1 + the number of the call
that met a bad index), tab[1] the offending value, tab[2] the program's scratch memory; slots from
FIRST_SLOT on hold addresses of arrays, and scalars.
"""

from __future__ import annotations

from array import array
from dataclasses import dataclass

import numpy as np

from nacre.backends import plan
from nacre.backends.cpu import compile as compiler
from nacre.backends.cpu import target, threads
from nacre.backends.loops import SCALARS, Stream, body_key, body_weight, map_ir
from nacre.base.dtypes import dtype

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
