"""Kernels of matrix products: packing, products of packed panels, products in place.

Packed panels: a matrix [count, K] becomes [panel][K][width], the elements of `width` rows (A) or
columns (B) side by side for each k, the last panel filled by repeating.
"""

from __future__ import annotations

from nacre.backends.cpu.gemm_micro import (
    Tile,
    block_of,
    direct_micro,
    packed_micro,
    transposed,
)
from nacre.backends.cpu.target import Host
from nacre.backends.emit import REGISTER, Emitter
from nacre.backends.ir_text import Function, Module
from nacre.backends.loops import ARGUMENTS, Array, Body, Lanes, Reader, Stream, Words, unravel
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
        done = f.fresh("packed")
        if walk != "s":
            some, whole = f.fresh("some"), f.fresh("whole")
            f.branch(f.compare("eq", left, width), whole, some)
            f.begin(whole)
            if walk == "p":
                block.copy()
            else:
                block.turn()
            f.jump(done)
            f.begin(some)
        block.collect(0, left)
        f.jump(done)
        f.begin(done)
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

    def copy(self) -> None:
        """The elements of a panel lie side by side."""
        f, size = self.f, self.kind.itemsize
        row = f"<{self.width} x {self.scalar}>"
        with f.loop(0, self.n) as k:
            taken = f.load(row, f.at(self.source, f.mul(k, self.along), self.scalar), size)
            f.store(row, taken, f.at(self.goal, f.mul(k, self.width), self.scalar), size)

    def turn(self) -> None:
        """Steps of k lie side by side: square blocks are transposed in registers."""
        f, e, scalar = self.f, self.e, self.scalar
        vector, lanes, size = e.vector(scalar), e.lanes, self.kind.itemsize
        whole = f.sub(self.n, f.rem(self.n, lanes))
        for first in range(0, self.width, lanes):
            count = min(lanes, self.width - first)
            rows = [f.at(self.source, f.mul(first + r, self.across), scalar) for r in range(count)]
            row = f"<{count} x {scalar}>"
            picks = "<" + ", ".join([f"i32 {i}" for i in range(count)]) + ">"
            with f.loop(0, whole, lanes) as k:
                loaded = [f.load(vector, f.at(p, k, scalar), size) for p in rows]
                loaded += ["poison"] * (lanes - count)
                place = f.at(self.goal, f.add(f.mul(k, self.width), first), scalar)
                for step, made in enumerate(transposed(e, scalar, size, loaded)):
                    if count < lanes:
                        made = f.value(
                            f"shufflevector {vector} {made}, {vector} poison, "
                            f"<{count} x i32> {picks}"
                        )
                    f.store(row, made, f.at(place, step * self.width, scalar), size)
        self.collect(whole, self.width)

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
        f, e, reader = self.f, self.e, self.reader
        scalar = REGISTER[self.kind.short]
        with f.loop(0, rows) as r:
            indices = [*batch, f.add(first, r)]
            sources = reader.open_row(indices)
            place = self.goal.row(f, indices)
            line = f.at(buffer, f.mul(r, self.tile.columns), scalar)
            with f.loop(0, columns, e.lanes) as i:
                left = f.sub(columns, i)
                lanes = Lanes(e, f.compare("sge", left, e.lanes), left)
                reader.body.values[0] = e.load(f.at(line, i, scalar), self.kind)
                column = f.add(start, i)
                reader.read(lanes, sources, column)
                made = e.cast(reader.body.values[-1], self.goal.kind)
                lanes.stores([self.goal], [self.goal.element(f, place, column)], [made])


# ---- products ----
def packed_ir(name, kind, tile: Tile, batch: int, inputs, body, out: Stream, host: Host) -> str:
    """The text of the kernel that multiplies packed panels.

    Words: M, N, K, rows and columns of a chunk, chunks over M, chunks over N, padded N, the batch
    sizes; A, B (slot, offset, batch strides); partial tiles (slot, offset, batch strides), used if
    K has several blocks; then inputs, output and scalars. A chunk is a part of one product.
    """
    module = Module()
    micro = packed_micro(module, kind, tile, host, tile.rows)
    f = Function(module, name, ARGUMENTS)
    words = Words(f)
    m, n, depth, high, wide, over_m, over_n, padded = (words.take() for _ in range(8))
    sizes = [words.take() for _ in range(batch)]
    left, right, partial = (Array(words, Stream(kind, "c"), batch) for _ in range(3))
    epilogue = Epilogue(words, f, tile, kind, inputs, body, out, batch + 1, host)
    rest = f.div("%chunk", over_m)
    top = f.mul(f.rem("%chunk", over_m), high)
    start = f.mul(f.rem(rest, over_n), wide)
    bottom = f.minimum(f.add(top, high), m)
    end = f.minimum(f.add(start, wide), n)
    indices = unravel(f, f.div(rest, over_n), sizes)
    a, b, parts = (x.row(f, indices) for x in (left, right, partial))
    scalar, block = REGISTER[kind.short], block_of(kind)
    buffer = f.alloca(f"[{tile.rows * tile.columns} x {scalar}]", 64)
    several = f.compare("sgt", depth, block)
    slot = f.alloca("i64")
    f.store("i64", 0, slot)
    head, done = f.fresh("block"), f.fresh("done")
    f.jump(head)
    f.begin(head)
    k = f.load("i64", slot)
    length = f.minimum(f.sub(depth, k), block)
    after = f.add(k, length)
    more, final = f.compare("sgt", k, 0), f.compare("eq", after, depth)
    with f.loop(top, bottom, tile.rows) as i:
        panel = f.at(a, f.add(f.mul(i, depth), f.mul(k, tile.rows)), scalar)
        with f.loop(start, end, tile.columns) as j:
            other = f.at(b, f.add(f.mul(j, depth), f.mul(k, tile.columns)), scalar)
            part = f.at(parts, f.add(f.mul(i, padded), f.mul(j, tile.rows)), scalar)
            goal = f.value(f"select i1 {several}, ptr {part}, ptr {buffer}")
            f.do(
                f"call void @{micro}(ptr {panel}, ptr {other}, i64 {length}, ptr {goal}, i1 {more})"
            )
            with f.when(final):
                rows = f.minimum(f.sub(bottom, i), tile.rows)
                columns = f.minimum(f.sub(end, j), tile.columns)
                epilogue.run(goal, indices, i, rows, j, columns)
    f.store("i64", after, slot)
    f.branch(final, done, head)
    f.begin(done)
    f.close()
    return module.text()


def direct_ir(name, kind, tile, walk, batch, inputs, body, out: Stream, host: Host) -> str:
    """The text of the kernel that multiplies matrices where they are.

    Words: M, N, K, rows and columns of a chunk, chunks over M, chunks over N, row and k stride of
    A, column and k stride of B, the batch sizes; A, B (slot, offset, batch strides); inputs, output
    and scalars.
    """
    module = Module()
    micro = direct_micro(module, kind, tile, walk, host)
    f = Function(module, name, ARGUMENTS)
    words = Words(f)
    m, n, depth, high, wide, over_m, over_n = (words.take() for _ in range(7))
    a_row, a_k, b_column, b_k = (words.take() for _ in range(4))
    sizes = [words.take() for _ in range(batch)]
    left, right = (Array(words, Stream(kind, "c"), batch) for _ in range(2))
    epilogue = Epilogue(words, f, tile, kind, inputs, body, out, batch + 1, host)
    rest = f.div("%chunk", over_m)
    top = f.mul(f.rem("%chunk", over_m), high)
    start = f.mul(f.rem(rest, over_n), wide)
    bottom = f.minimum(f.add(top, high), m)
    end = f.minimum(f.add(start, wide), n)
    indices = unravel(f, f.div(rest, over_n), sizes)
    a, b = left.row(f, indices), right.row(f, indices)
    scalar, block = REGISTER[kind.short], block_of(kind)
    buffer = f.alloca(f"[{tile.rows * tile.columns} x {scalar}]", 64)
    slot = f.alloca("i64")
    with f.loop(start, end, tile.columns) as j:
        columns = f.minimum(f.sub(end, j), tile.columns)
        strip = f.at(b, f.mul(j, b_column), scalar)
        with f.loop(top, bottom, tile.rows) as i:
            rows = f.minimum(f.sub(bottom, i), tile.rows)
            band = f.at(a, f.mul(i, a_row), scalar)
            f.store("i64", 0, slot)
            head, done = f.fresh("block"), f.fresh("done")
            f.jump(head)
            f.begin(head)
            k = f.load("i64", slot)
            length = f.minimum(f.sub(depth, k), block)
            after = f.add(k, length)
            more = f.compare("sgt", k, 0)
            x, y = f.at(band, f.mul(k, a_k), scalar), f.at(strip, f.mul(k, b_k), scalar)
            values = (x, a_row, a_k, rows, y, b_column, b_k, columns, length, buffer, more)
            kinds = ("ptr", "i64", "i64", "i64", "ptr", "i64", "i64", "i64", "i64", "ptr", "i1")
            given = ", ".join([f"{t} {v}" for t, v in zip(kinds, values, strict=True)])
            f.do(f"call void @{micro}({given})")
            f.store("i64", after, slot)
            f.branch(f.compare("eq", after, depth), done, head)
            f.begin(done)
            epilogue.run(buffer, indices, i, rows, j, columns)
    f.close()
    return module.text()
