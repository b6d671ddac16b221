"""Kernels of matrix products: packing, products tile by tile, products of few rows in place.

Packed panels: a matrix [count, K] becomes [panel][K][width], the elements of `width` columns side
by side for each k, the last panel filled by repeating.
"""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass

from nacre.backends.cpu.gemm_micro import (
    DIRECT,
    TILES,
    Tile,
    below,
    block_of,
    tile_names,
    transposed,
)
from nacre.backends.cpu.target import Host
from nacre.backends.emit import REGISTER, Emitter
from nacre.backends.ir_text import Function, Module
from nacre.backends.loops import (
    ARGUMENTS,
    Array,
    Body,
    Lanes,
    Reader,
    Stream,
    Words,
    unravel,
)
from nacre.base.dtypes import dtype


# ---- packing ----
def pack_ir(name: str, kind: dtype, width: int, walk: str, batch: int, host: Host) -> str:
    """The text of the kernel that packs panels of `width`.

    `walk` tells what lies side by side in the source: 'p' a panel's elements, 'k', or 's' neither.
    Words: count, K, panel stride, k stride, panels, k blocks, units of a chunk, units, the batch
    sizes, then source (slot, offset, batch strides) and goal (slot, offset). A unit is one block of
    K in one panel.
    """
    f = Function(Module(), name, ARGUMENTS)
    e = Emitter(f, host.lanes(kind.itemsize), host)
    words = Words(f)
    count, depth, across, along, panels, blocks, group, units = (words.take() for _ in range(8))
    sizes = [words.take() for _ in range(batch)]
    source = Array(words, Stream(kind, "c"), batch)
    goal = Array(words, Stream(kind, "c"), 0)
    scalar = REGISTER[kind.short]
    first = f.mul("%chunk", group)
    with f.loop(first, f.minimum(f.add(first, group), units)) as unit:
        panel = f.div(unit, blocks)
        k = f.mul(f.rem(unit, blocks), block_of(kind))
        n = f.minimum(f.sub(depth, k), block_of(kind))
        start = f.mul(f.rem(panel, panels), width)
        left = f.minimum(f.sub(count, start), width)
        row = source.row(f, unravel(f, f.div(panel, panels), sizes))
        place = f.add(f.mul(start, across), f.mul(k, along))
        block = _Block(
            f,
            e,
            kind,
            width,
            f.at(row, place, scalar),
            f.at(goal.base, f.mul(f.add(f.mul(panel, depth), k), width), scalar),
            across,
            along,
            n,
        )
        block.pack(walk, left)
    f.close()
    return f.module.text()


class _Block:
    """One unit of packing: from `source` to `goal`, `n` steps of k."""

    def __init__(self, f, e, kind, width, source, goal, across, along, n):
        self.f = f
        self.e = e
        self.kind = kind
        self.scalar = REGISTER[kind.short]
        self.width = width
        self.source = source
        self.goal = goal
        self.across = across
        self.along = along
        self.n = n

    def pack(self, walk: str, left) -> None:
        """Do it; `left` of the panel's elements exist."""
        f = self.f
        if walk == "s":
            self.collect(0, left)
        elif walk == "k":
            self.turn(left)
        else:
            done, some, whole = f.fresh("packed"), f.fresh("some"), f.fresh("whole")
            f.branch(f.compare("eq", left, self.width), whole, some)
            f.begin(whole)
            self.copy()
            f.jump(done)
            f.begin(some)
            self.copy_some(left)
            f.jump(done)
            f.begin(done)

    def copy(self) -> None:
        """The elements of a panel lie side by side."""
        f, size = self.f, self.kind.itemsize
        row = f"<{self.width} x {self.scalar}>"
        with f.loop(0, self.n) as k:
            taken = f.load(row, f.at(self.source, f.mul(k, self.along), self.scalar), size)
            f.store(row, taken, f.at(self.goal, f.mul(k, self.width), self.scalar), size)

    def copy_some(self, left) -> None:
        """The same for the last panel, 0 where there is nothing."""
        f, e, lanes = self.f, self.e, self.e.lanes
        masks = {first: below(e, f.sub(left, first)) for first in range(0, self.width, lanes)}
        with f.loop(0, self.n) as k:
            row = f.at(self.source, f.mul(k, self.along), self.scalar)
            goal = f.at(self.goal, f.mul(k, self.width), self.scalar)
            for first, mask in masks.items():
                taken = e.load(f.at(row, first, self.scalar), self.kind, mask).ref
                self._store(taken, self.width - first, f.at(goal, first, self.scalar))

    def _store(self, vector: str, count: int, pointer: str) -> None:
        """Write the first `count` lanes, or all."""
        f, lanes = self.f, self.e.lanes
        kind = self.e.vector(self.scalar)
        if count < lanes:
            picks = "<" + ", ".join([f"i32 {i}" for i in range(count)]) + ">"
            vector = f.value(
                f"shufflevector {kind} {vector}, {kind} poison, <{count} x i32> {picks}"
            )
            kind = f"<{count} x {self.scalar}>"
        f.store(kind, vector, pointer, self.kind.itemsize)

    def turn(self, left) -> None:
        """Steps of k lie side by side: square blocks are transposed in registers."""
        f, e, scalar = self.f, self.e, self.scalar
        vector, lanes, size = e.vector(scalar), e.lanes, self.kind.itemsize
        whole = f.sub(self.n, f.rem(self.n, lanes))
        last = f.sub(left, 1)
        for first in range(0, self.width, lanes):
            count = min(lanes, self.width - first)
            rows = [
                f.at(self.source, f.mul(f.minimum(first + r, last), self.across), scalar)
                for r in range(count)
            ]
            with f.loop(0, whole, lanes) as k:
                loaded = [f.load(vector, f.at(p, k, scalar), size) for p in rows]
                loaded += ["poison"] * (lanes - count)
                place = f.at(self.goal, f.add(f.mul(k, self.width), first), scalar)
                for step, made in enumerate(transposed(e, scalar, size, loaded)):
                    self._store(made, count, f.at(place, step * self.width, scalar))
        self.collect(whole, left)

    def collect(self, start, left) -> None:
        """Element by element from step `start` on; `left` of the panel's elements exist."""
        f, scalar, size = self.f, self.scalar, self.kind.itemsize
        last = f.sub(left, 1)
        with f.loop(0, self.width) as r:
            row = f.at(self.source, f.mul(f.minimum(r, last), self.across), scalar)
            goal = f.at(self.goal, r, scalar)
            with f.loop(start, self.n) as k:
                one = f.load(scalar, f.at(row, f.mul(k, self.along), scalar), size)
                f.store(scalar, one, f.at(goal, f.mul(k, self.width), scalar), size)


# ---- the epilogue ----
class Epilogue:
    """What is done with a finished tile: the body on each element, and the store."""

    def __init__(self, words: Words, f: Function, tile: Tile, kind, inputs, body, out, outer, host):
        self.f = f
        self.e = Emitter(f, tile.lanes, host)
        self.tile = tile
        self.kind = kind
        self.reader = Reader(words, self.e, inputs, body, outer, shift=1)
        levels = [0 if a is None else 1 if a.walk == "b" else 2 for a in self.reader.arrays]
        self.reader.body = Body(self.e, body, [2, *levels])
        self.goal = Array(words, out, outer)
        self.reader.open_scalars(words)

    def run(self, buffer: str, batch: list, first, rows, start, columns) -> None:
        """Store `rows` by `columns` elements of a tile at row `first`, column `start`."""
        f, lanes = self.f, self.e.lanes
        some, whole, done = f.fresh("some"), f.fresh("whole"), f.fresh("done")
        f.branch(f.compare("eq", columns, self.tile.columns), whole, some)
        f.begin(whole)
        with self._rows(buffer, batch, first, rows) as row:
            for i in range(0, self.tile.columns, lanes):
                self._vector(Lanes(self.e), row, i, f.add(start, i))
        f.jump(done)
        f.begin(some)
        with self._rows(buffer, batch, first, rows) as row, f.loop(0, columns, lanes) as i:
            left = f.sub(columns, i)
            group = Lanes(self.e, f.compare("sge", left, lanes), left)
            self._vector(group, row, i, f.add(start, i))
        f.jump(done)
        f.begin(done)

    @contextmanager
    def _rows(self, buffer: str, batch: list, first, rows):
        """The rows of a tile: in the buffer, of the inputs, and of the output."""
        f = self.f
        with f.loop(0, rows) as r:
            indices = [*batch, f.add(first, r)]
            line = f.at(buffer, f.mul(r, self.tile.columns), REGISTER[self.kind.short])
            yield line, self.reader.open_row(indices), self.goal.row(f, indices)

    def _vector(self, group: Lanes, row, i, column) -> None:
        """One vector of a row."""
        f, e, reader = self.f, self.e, self.reader
        line, sources, place = row
        reader.body.values[0] = e.load(f.at(line, i, REGISTER[self.kind.short]), self.kind)
        reader.read(group, sources, column)
        made = e.cast(reader.body.values[-1], self.goal.kind)
        group.stores([self.goal], [self.goal.element(f, place, column)], [made])


# ---- products ----
class _Micros:
    """The micro-kernels of a tile; `table` has their addresses."""

    def __init__(self, f: Function, table: str, kind: dtype, tile: Tile):
        self.f = f
        self.tile = tile
        self.scalar = REGISTER[kind.short]
        self.found = {size: f.pointer(table, i) for i, size in enumerate(tile_names(tile))}

    def run(self, left, right, rows, columns, length, goal, more) -> None:
        """Multiply `rows` by `columns` of a tile; left is (A, row stride, k stride), right (B,
        k stride)."""
        f, tile = self.f, self.tile
        done, whole, some = f.fresh("done"), f.fresh("whole"), f.fresh("some")
        f.branch(f.compare("eq", rows, tile.rows), whole, some)
        f.begin(whole)
        self._across(tile.rows, left, right, rows, columns, (length, goal, more))
        f.jump(done)
        f.begin(some)
        a, a_row, a_k = left
        with f.loop(0, rows, tile.few) as r:
            lower = f.at(a, f.mul(r, a_row), self.scalar), a_row, a_k
            place = f.at(goal, f.mul(r, tile.columns), self.scalar)
            self._across(tile.few, lower, right, f.sub(rows, r), columns, (length, place, more))
        f.jump(done)
        f.begin(done)

    def _across(self, high, left, right, rows, columns, rest) -> None:
        f, tile = self.f, self.tile
        done, whole, some = f.fresh("done"), f.fresh("whole"), f.fresh("some")
        f.branch(f.compare("eq", columns, tile.columns), whole, some)
        f.begin(whole)
        call(f, self.found[high, tile.vectors], TILES, (*left, rows, *right, columns, *rest))
        f.jump(done)
        f.begin(some)
        b, b_k = right
        length, goal, more = rest
        with f.loop(0, columns, tile.lanes) as j:
            there = f.at(b, j, self.scalar), b_k
            rest = length, f.at(goal, j, self.scalar), more
            call(f, self.found[high, 1], TILES, (*left, rows, *there, f.sub(columns, j), *rest))
        f.jump(done)
        f.begin(done)


def call(f: Function, micro: str, arguments, values) -> None:
    """Call a micro-kernel by address."""
    given = [f"{d.split()[0]} {v}" for d, v in zip(arguments, values, strict=True)]
    f.do(f"call void {micro}({', '.join(given)})")


def tiles_ir(name, kind, tile: Tile, batch: int, inputs, body, out: Stream, host: Host) -> str:
    """The text of the kernel that multiplies matrices tile by tile.

    A is read where it is, B too or from panels. Words: M, N, K, rows and columns of a chunk, chunks
    over M, chunks over N, padded N, row and k stride of A, step from a panel of B to the next and
    k stride in it, the address of the table of micro-kernels, the batch sizes; A, B (slot, offset,
    batch strides); partial tiles (slot, offset, batch strides), used if K has several blocks; then
    inputs, output and scalars. A chunk is a part of one product.
    """
    module = Module()
    f = Function(module, name, ARGUMENTS)
    words = Words(f)
    m, n, depth, high, wide, over_m, over_n, padded = (words.take() for _ in range(8))
    a_row, a_k, b_panel, b_k = (words.take() for _ in range(4))
    micros = _Micros(f, words.pointer(), kind, tile)
    sizes = [words.take() for _ in range(batch)]
    left, right, partial = (Array(words, Stream(kind, "c"), batch) for _ in range(3))
    epilogue = Epilogue(words, f, tile, kind, inputs, body, out, batch + 1, host)
    part = _part(f, m, n, high, wide, over_m, over_n, sizes)
    a, b, parts = (x.row(f, part.indices) for x in (left, right, partial))
    scalar, block = REGISTER[kind.short], block_of(kind)
    buffer = f.alloca(f"[{tile.rows * tile.columns} x {scalar}]", 64)
    several = f.compare("sgt", depth, block)
    with blocks(f, depth, block) as (k, length, more, final):
        with f.loop(part.top, part.bottom, tile.rows) as i:
            rows = f.minimum(f.sub(part.bottom, i), tile.rows)
            band = f.at(a, f.add(f.mul(i, a_row), f.mul(k, a_k)), scalar)
            with f.loop(part.start, part.end, tile.columns) as j:
                columns = f.minimum(f.sub(part.end, j), tile.columns)
                panel = f.mul(f.div(j, tile.columns), b_panel)
                strip = f.at(b, f.add(panel, f.mul(k, b_k)), scalar)
                kept = f.at(parts, f.add(f.mul(i, padded), f.mul(j, tile.rows)), scalar)
                goal = f.value(f"select i1 {several}, ptr {kept}, ptr {buffer}")
                micros.run((band, a_row, a_k), (strip, b_k), rows, columns, length, goal, more)
                with f.when(final):
                    epilogue.run(goal, part.indices, i, rows, j, columns)
    f.close()
    return module.text()


@dataclass(frozen=True, slots=True)
class _Part:
    """Which part of the result a chunk makes."""

    indices: list
    top: str
    bottom: str
    start: str
    end: str


def _part(f: Function, m, n, high, wide, over_m, over_n, sizes) -> _Part:
    rest = f.div("%chunk", over_m)
    top = f.mul(f.rem("%chunk", over_m), high)
    start = f.mul(f.rem(rest, over_n), wide)
    bottom, end = f.minimum(f.add(top, high), m), f.minimum(f.add(start, wide), n)
    return _Part(unravel(f, f.div(rest, over_n), sizes), top, bottom, start, end)


@contextmanager
def blocks(f: Function, depth, block: int):
    """The blocks of K, one empty one if K is 0: start, length, not the first, the last."""
    slot = f.alloca("i64")
    f.store("i64", 0, slot)
    head, done = f.fresh("block"), f.fresh("done")
    f.jump(head)
    f.begin(head)
    k = f.load("i64", slot)
    length = f.minimum(f.sub(depth, k), block)
    after = f.add(k, length)
    final = f.compare("eq", after, depth)
    yield k, length, f.compare("sgt", k, 0), final
    f.store("i64", after, slot)
    f.branch(final, done, head)
    f.begin(done)


def direct_ir(name, kind, tile, batch, inputs, body, out: Stream, host: Host) -> str:
    """The text of the kernel that multiplies matrices where they are.

    Words: M, N, K, rows and columns of a chunk, chunks over M, chunks over N, row and k stride of
    A, column and k stride of B, the address of the micro-kernel, the batch sizes; A, B (slot,
    offset, batch strides); inputs, output and scalars.
    """
    module = Module()
    f = Function(module, name, ARGUMENTS)
    words = Words(f)
    m, n, depth, high, wide, over_m, over_n = (words.take() for _ in range(7))
    a_row, a_k, b_column, b_k = (words.take() for _ in range(4))
    micro = words.pointer()
    sizes = [words.take() for _ in range(batch)]
    left, right = (Array(words, Stream(kind, "c"), batch) for _ in range(2))
    epilogue = Epilogue(words, f, tile, kind, inputs, body, out, batch + 1, host)
    part = _part(f, m, n, high, wide, over_m, over_n, sizes)
    a, b = left.row(f, part.indices), right.row(f, part.indices)
    scalar = REGISTER[kind.short]
    buffer = f.alloca(f"[{tile.rows * tile.columns} x {scalar}]", 64)
    with f.loop(part.start, part.end, tile.columns) as j:
        columns = f.minimum(f.sub(part.end, j), tile.columns)
        strip = f.at(b, f.mul(j, b_column), scalar)
        with f.loop(part.top, part.bottom, tile.rows) as i:
            rows = f.minimum(f.sub(part.bottom, i), tile.rows)
            band = f.at(a, f.mul(i, a_row), scalar)
            with blocks(f, depth, block_of(kind)) as (k, length, more, _):
                x, y = f.at(band, f.mul(k, a_k), scalar), f.at(strip, f.mul(k, b_k), scalar)
                values = (x, a_row, a_k, rows, y, b_column, b_k, columns, length, buffer, more)
                call(f, micro, DIRECT, values)
            epilogue.run(buffer, part.indices, i, rows, j, columns)
    f.close()
    return module.text()
