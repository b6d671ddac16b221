"""Reduction kernels. The order of accumulation is fixed by the reduced length alone.

    last     over the last dimension: 32 interleaved partial sums in chunks of CHUNK elements
    middle   over another dimension: rows in 4 interleaved chains, in chunks of ROWS rows
    chain    adds the results of the chunks, ascending

The arg kinds carry the index of the best element along; the first one wins and NaN beats all
numbers, which makes a total order, so that how they are combined does not matter.
"""

from __future__ import annotations

from nacre.backends.emit import MEMORY, REGISTER, Emitter, Val
from nacre.backends.ir_text import Function, Module
from nacre.backends.loops import ARGUMENTS, Array, Lanes, Reader, Words, unravel
from nacre.base.dtypes import bool_, dtype, float32, int32

CHUNK = 4096
ROWS = 1024
LANES = 32
CHAINS = 4
BLOCK = 512
LAST_INDEX = 2**31 - 1

COMBINE = {
    "sum": lambda e, a, b: e.add(a, b),
    "prod": lambda e, a, b: e.mul(a, b),
    "max": lambda e, a, b: e.maximum(a, b),
    "min": lambda e, a, b: e.minimum(a, b),
    "any": lambda e, a, b: e.or_(a, b),
    "all": lambda e, a, b: e.and_(a, b),
}
ARG = {"argmax": "gt", "argmin": "lt"}


def accumulator(kind: str, value: dtype, out: dtype) -> dtype:
    """The dtype a reduction accumulates in: the short floats add up in float32."""
    if kind in ("any", "all"):
        return bool_
    if kind in ("sum", "prod"):
        return float32 if out.is_floating_point and out.itemsize == 2 else out
    return value


def identity(kind: str, d: dtype):
    """The number that changes nothing."""
    if kind in ("sum", "any"):
        return 0
    if kind in ("prod", "all"):
        return 1
    low = kind in ("max", "argmax")
    if d.is_floating_point:
        return float("-inf") if low else float("inf")
    if d is bool_:
        return 0 if low else 1
    bits = 8 * d.itemsize
    if not d.is_signed:
        return 0 if low else 2**bits - 1
    return -(2 ** (bits - 1)) if low else 2 ** (bits - 1) - 1


def better(e: Emitter, kind: str, v: Val, at: Val, best: Val, best_at: Val) -> Val:
    """Whether element `v` at index `at` takes the place of the best one so far."""
    wins = getattr(e, ARG[kind])(v, best)
    tie = e.eq(v, best)
    if v.dtype.is_floating_point:
        new, old = e.isnan(v), e.isnan(best)
        wins = e.or_(wins, e.and_(new, e.not_(old)))
        tie = e.or_(tie, e.and_(new, old))
    return e.or_(wins, e.and_(tie, e.lt(at, best_at)))


class State:
    """What a reduction keeps for each lane: the accumulated value, for arg kinds its index too."""

    def __init__(self, kind: str, d: dtype):
        self.kind = kind
        self.dtypes = (d, int32) if kind in ARG else (d,)

    def start(self, e: Emitter) -> list[Val]:
        """The state before any element."""
        made = [e.const(identity(self.kind, self.dtypes[0]), self.dtypes[0])]
        return [*made, e.const(LAST_INDEX, int32)] if self.kind in ARG else made

    def step(self, e: Emitter, state, new) -> list[Val]:
        """Two states made one."""
        if self.kind in ARG:
            wins = better(e, self.kind, *new, *state)
            return [e.select(wins, n, s) for n, s in zip(new, state, strict=True)]
        return [COMBINE[self.kind](e, state[0], new[0])]

    def result(self, e: Emitter, state, out: dtype) -> Val:
        """The value to store."""
        return e.cast(state[-1], out)


def frame(name: str, lanes: int, host):
    """A kernel being written: (module, function, emitter, words)."""
    module = Module()
    f = Function(module, name, ARGUMENTS)
    return module, f, Emitter(f, lanes, host), Words(f)


def halve(e: Emitter, state, host):
    """The fixed tree: lane i with lane i + half, until one is left. Returns (emitter, values)."""
    f = e.f
    width = e.lanes
    while width > 1:
        half = width // 2
        part = Emitter(f, half, host)
        parts = []
        for start in (0, half):
            parts.append([_lanes(f, x, width, start, half) for x in state[1]])
        state = (state[0], state[0].step(part, parts[0], parts[1]))
        e, width = part, half
    return e, state[1]


def _lanes(f, x: Val, width, start, count):
    scalar = REGISTER[x.dtype.short]
    if count == 1:
        return Val(f.value(f"extractelement <{width} x {scalar}> {x.ref}, i64 {start}"), x.dtype)
    which = ", ".join([f"i32 {start + i}" for i in range(count)])
    vector = f"<{width} x {scalar}>"
    return Val(
        f.value(f"shufflevector {vector} {x.ref}, {vector} poison, <{count} x i32> <{which}>"),
        x.dtype,
    )


def _indices(e: Emitter, i) -> Val:
    ramp = e.constant("i32", 0)
    if e.lanes > 1:
        ramp = "<" + ", ".join([f"i32 {k}" for k in range(e.lanes)]) + ">"
    short = e.f.value(f"trunc i64 {i} to i32")
    return Val(e.binary("add", "i32", e.splat("i32", short), ramp), int32)


def last_ir(name, kind, outer, inputs, body, acc, out, chunked, host) -> str:
    """Over the last dimension. desc: n, chunk length, chunks of a row, jobs of a chunk of the
    pool, jobs, outer sizes, operands, output (its strides: outer and by chunk)."""
    module, f, e, words = frame(name, LANES, host)
    n, length, pieces, height, jobs = (words.take() for _ in range(5))
    sizes = [words.take() for _ in range(outer)]
    reader = Reader(words, e, inputs, body, outer)
    target = Array(words, out, outer + 1)
    reader.open_scalars(words)
    state = State(kind, acc)
    top = f.mul("%chunk", height)
    with f.loop(top, f.minimum(f.add(top, height), jobs)) as job:
        row, piece = (f.div(job, pieces), f.rem(job, pieces)) if chunked else (job, 0)
        indices = unravel(f, row, sizes)
        rows = reader.open_row(indices)
        slots = [f.alloca(e.type(d), 64) for d in state.dtypes]
        for slot, x in zip(slots, state.start(e), strict=True):
            f.store(e.type(x.dtype), x.ref, slot, 64)
        first = f.mul(piece, length)
        end = f.minimum(f.add(first, length), n)
        with f.loop(first, end, LANES) as i:
            _accumulate(f, e, state, reader, rows, i, end, slots)
        found = [Val(f.load(e.type(d), s, 64), d) for s, d in zip(slots, state.dtypes, strict=True)]
        one, values = halve(e, (state, found), host)
        one.store(target.row(f, [*indices, piece]), state.result(one, values, out.dtype))
    f.close()
    return module.text()


def _accumulate(f, e, state, reader, rows, i, end, slots):
    """Take 32 elements (or those left before `end`) into the state."""
    left = f.sub(end, i)
    group = Lanes(e, f.compare("sge", left, e.lanes), left)
    reader.read(group, rows, i)
    acc = state.dtypes[0]
    kind = e.type(acc)
    value = e.cast(reader.body.values[-1], acc)
    start = state.start(e)[0]

    def masked():
        return f.value(
            f"select {e.vector('i1')} {group.mask()}, {kind} {value.ref}, {kind} {start.ref}"
        )

    new = [Val(f.either(group.full, kind, lambda: value.ref, masked), acc)]
    if len(slots) == 2:
        at = _indices(e, i)
        beyond = e.const(LAST_INDEX, int32)

        def hidden():
            vector = e.type(int32)
            mask = group.mask()
            return f.value(
                f"select {e.vector('i1')} {mask}, {vector} {at.ref}, {vector} {beyond.ref}"
            )

        new.append(Val(f.either(group.full, e.type(int32), lambda: at.ref, hidden), int32))
    old = [Val(f.load(e.type(d), s, 64), d) for s, d in zip(slots, state.dtypes, strict=True)]
    for slot, x in zip(slots, state.step(e, old, new), strict=True):
        f.store(e.type(x.dtype), x.ref, slot, 64)


def middle_ir(name, kind, outer, inputs, body, acc, out, lanes, host) -> str:
    """Over a dimension that is not the last. desc: n (inner size), column blocks, rows, rows of
    a piece, pieces, jobs of a chunk of the pool, jobs, outer sizes, operands (the reduced
    dimension is their last outer one), output (its strides: outer and by piece)."""
    module, f, e, words = frame(name, lanes, host)
    n, columns, count, length, pieces, height, jobs = (words.take() for _ in range(7))
    sizes = [words.take() for _ in range(outer)]
    reader = Reader(words, e, inputs, body, outer + 1)
    target = Array(words, out, outer + 1)
    reader.open_scalars(words)
    state = State(kind, acc)
    chains = 1 if kind in ARG else CHAINS
    slots = [f.alloca(f"[{chains * BLOCK} x {MEMORY[d.short]}]", 64) for d in state.dtypes]
    top = f.mul("%chunk", height)
    with f.loop(top, f.minimum(f.add(top, height), jobs)) as job:
        first = f.mul(f.rem(job, columns), BLOCK)
        rest = f.div(job, columns)
        piece = f.rem(rest, pieces)
        indices = unravel(f, f.div(rest, pieces), sizes)
        width = f.sub(f.minimum(f.add(first, BLOCK), n), first)
        begin = f.mul(piece, length)
        end = f.minimum(f.add(begin, length), count)
        block = _Block(e, state, slots, first, width)
        block.clear(chains)
        with f.loop(begin, end) as r:
            chain = f.mul(f.value(f"and i64 {r}, {chains - 1}"), BLOCK) if chains > 1 else 0
            rows = reader.open_row([*indices, r])
            with f.loop(0, width, lanes) as i:
                group = block.group(i)
                reader.read(group, rows, f.add(first, i))
                new = [e.cast(reader.body.values[-1], acc)]
                if kind in ARG:
                    short = f.value(f"trunc i64 {r} to i32")
                    new.append(Val(e.splat("i32", short), int32))
                place = f.add(chain, i)
                block.put(place, state.step(e, block.get(place), new))
        place = target.row(f, [*indices, piece])
        with f.loop(0, width, lanes) as i:
            made = state.result(e, block.joined(i, chains), out.dtype)
            at = target.element(f, place, f.add(first, i))
            block.group(i).stores([target], [at], [made])
    f.close()
    return module.text()


class _Block:
    """The accumulators of a block of columns, in memory that stays in the first cache."""

    def __init__(self, e, state, slots, first, width):
        self.e = e
        self.state = state
        self.slots = slots
        self.first = first
        self.width = width

    def group(self, i) -> Lanes:
        """The columns from i on."""
        f = self.e.f
        left = f.sub(self.width, i)
        return Lanes(self.e, f.compare("sge", left, self.e.lanes), left)

    def _places(self, i):
        f = self.e.f
        pairs = zip(self.slots, self.state.dtypes, strict=True)
        return [(f.at(s, i, MEMORY[d.short]), d) for s, d in pairs]

    def get(self, i):
        """The state of the columns from i on."""
        return [self.e.load(p, d) for p, d in self._places(i)]

    def put(self, i, values) -> None:
        """Keep a state."""
        for (p, _), x in zip(self._places(i), values, strict=True):
            self.e.store(p, x)

    def clear(self, chains: int) -> None:
        """The state before any row."""
        f = self.e.f
        start = self.state.start(self.e)
        with f.loop(0, self.width, self.e.lanes) as i:
            for c in range(chains):
                self.put(f.add(c * BLOCK, i), start)

    def joined(self, i, chains: int):
        """(0 + 1) + (2 + 3)."""
        f = self.e.f
        parts = [self.get(f.add(c * BLOCK, i)) for c in range(chains)]
        while len(parts) > 1:
            pairs = zip(parts[::2], parts[1::2], strict=True)
            parts = [self.state.step(self.e, a, b) for a, b in pairs]
        return parts[0]


def chain_ir(name, kind, outer, acc, out, lanes, host) -> str:
    """Adds pieces ascending. desc: n, width, columns, height, rows (as in a map), pieces, elements
    of a piece, outer sizes, the pieces' operand, output."""
    module, f, e, words = frame(name, lanes, host)
    n, width, columns, height, rows, pieces, step = (words.take() for _ in range(7))
    sizes = [words.take() for _ in range(outer)]
    source = Array(words, acc, outer)
    target = Array(words, out, outer)
    first = f.mul(f.rem("%chunk", columns), width)
    last = f.minimum(f.add(first, width), n)
    top = f.mul(f.div("%chunk", columns), height)
    with f.loop(top, f.minimum(f.add(top, height), rows)) as row:
        indices = unravel(f, row, sizes)
        origin, place = source.row(f, indices), target.row(f, indices)
        with f.loop(first, last, lanes) as i:
            left = f.sub(last, i)
            group = Lanes(e, f.compare("sge", left, lanes), left)
            kind_text = e.type(acc.dtype)
            slot = f.alloca(kind_text, 64)
            at = source.element(f, origin, i)
            f.store(kind_text, group.loads([source], [at])[0].ref, slot, 64)
            with f.loop(1, pieces) as p:
                at = source.element(f, f.at(origin, f.mul(p, step), source.item), i)
                more = group.loads([source], [at])[0]
                total = Val(f.load(kind_text, slot, 64), acc.dtype)
                f.store(kind_text, COMBINE[kind](e, total, more).ref, slot, 64)
            total = Val(f.load(kind_text, slot, 64), acc.dtype)
            at = target.element(f, place, i)
            group.stores([target], [at], [e.cast(total, out.dtype)])
    f.close()
    return module.text()
