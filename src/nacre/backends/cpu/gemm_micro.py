"""Micro-kernels of matrix products: a tile of the result held in registers.

Every element of a product is made in one order, whatever the path: K is cut into blocks of
`block_of(kind)`, a block is one chain of fused multiply-adds from 0 upwards, blocks are added
upwards. So packed or not, in any tile and at any edge, an element has the same bits.

A micro-kernel does one block for one tile: `c` is the tile, rows of `columns` elements, contiguous
and aligned; the block's chains are stored there, or added to it if `more`. Micro-kernels are
functions of their own, called by address: kernels with different epilogues share them.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from nacre.backends.cpu.target import Host
from nacre.backends.emit import REGISTER, Emitter
from nacre.backends.ir_text import Function, Module
from nacre.base.dtypes import dtype, float64


def block_of(kind: dtype) -> int:
    """How many products make one chain."""
    return 256 if kind is float64 else 512


@dataclass(frozen=True, slots=True)
class Tile:
    """A register tile: `rows` broadcast elements of A by `vectors` vectors of B."""

    rows: int
    vectors: int
    lanes: int

    @property
    def columns(self) -> int:
        """How many elements of B stand side by side."""
        return self.vectors * self.lanes

    @property
    def few(self) -> int:
        """The rows of the lower micro-kernels at its edge."""
        return self.rows // 3

    def key(self) -> str:
        """Short text for cache keys."""
        return f"{self.rows}x{self.vectors}x{self.lanes}"


@cache
def largest_tile(kind: dtype, host: Host) -> Tile:
    """The largest tile: accumulators, B's vectors and one of A fill the registers."""
    return Tile(12 if host.registers >= 32 else 6, 2, host.lanes(kind.itemsize))


class Chains:
    """The accumulators of a tile, in slots that become registers."""

    def __init__(self, f: Function, e: Emitter, kind: dtype, tile: Tile, rows: int, vectors: int):
        self.f = f
        self.tile = tile
        self.rows = rows
        self.scalar = REGISTER[kind.short]
        self.e = e
        self.vector = e.vector(self.scalar)
        self.size = kind.itemsize
        self.slots = [[f.alloca(self.vector) for _ in range(vectors)] for _ in range(rows)]
        for slot in [s for row in self.slots for s in row]:
            f.store(self.vector, "zeroinitializer", slot)

    def multiply(self, row: int, pointer: str, right: list[str]) -> None:
        """Add the element of A at `pointer` times vectors of B to the chains of a row."""
        f, e = self.f, self.e
        left = e.splat(self.scalar, f.load(self.scalar, pointer, self.size))
        for slot, vector in zip(self.slots[row], right, strict=True):
            total = f.load(self.vector, slot)
            f.store(self.vector, e.intrinsic("fma", self.scalar, left, vector, total), slot)

    def _each(self):
        for r, row in enumerate(self.slots):
            for q, slot in enumerate(row):
                yield slot, self.f.at("%c", r * self.tile.columns + q * self.e.lanes, self.scalar)

    def finish(self) -> None:
        """Put the chains into the tile at %c, or add them to it if %more."""
        f = self.f
        align = self.e.lanes * self.size
        with f.when("%more"):
            for slot, pointer in self._each():
                before = f.load(self.vector, pointer, align)
                now = f.load(self.vector, slot)
                f.store(self.vector, self.e.binary("fadd", self.scalar, before, now), slot)
        for slot, pointer in self._each():
            f.store(self.vector, f.load(self.vector, slot), pointer, align)


UNROLL = 4
GROUP = 4

TILES = (
    "ptr %a",
    "i64 %a_row",
    "i64 %a_k",
    "i64 %rows",
    "ptr %b",
    "i64 %b_k",
    "i64 %columns",
    "i64 %n",
    "ptr %c",
    "i1 %more",
)


def tile_names(tile: Tile) -> dict:
    """The micro-kernels of a tile: whole, and for its edges lower ones and narrower ones."""
    sizes = [(rows, q) for rows in (tile.rows, tile.few) for q in (tile.vectors, 1)]
    return {size: f"micro{size[0]}x{size[1]}" for size in sizes}


def tiles_text(kind: dtype, tile: Tile, host: Host) -> str:
    """The text of the micro-kernels of a tile."""
    module = Module()
    for (rows, vectors), name in tile_names(tile).items():
        _tile_micro(module, name, kind, tile, host, rows, vectors)
    return module.text()


def _tile_micro(module: Module, name: str, kind: dtype, tile: Tile, host: Host, rows, vectors):
    """Define a micro-kernel with arguments TILES that reads A where it is.

    Strides are in elements; B's columns lie side by side. All rows of a whole tile exist, of a
    lower one `rows`, the others repeat the last; of a single vector of columns `columns` exist.
    """
    f = Function(module, name, TILES)
    e = Emitter(f, tile.lanes, host)
    chains = Chains(f, e, kind, tile, rows, vectors)
    scalar, size = chains.scalar, kind.itemsize
    mask = below(e, "%columns") if vectors == 1 else None
    if rows == tile.rows:
        # A group of rows is one pointer and three strides: what an address of x86 can hold.
        steps = [0, "%a_row", f.mul("%a_row", 2), f.mul("%a_row", 3)]
        first = [f.at("%a", f.mul(r, "%a_row"), scalar) for r in range(0, rows, GROUP)]
        places = [(r // GROUP, steps[r % GROUP]) for r in range(rows)]
    else:
        last = f.sub("%rows", 1)
        first = [f.at("%a", f.mul(f.minimum(r, last), "%a_row"), scalar) for r in range(rows)]
        places = [(r, 0) for r in range(rows)]
    left, right = [f.alloca("ptr") for _ in first], f.alloca("ptr")
    for slot, pointer in zip([*left, right], [*first, "%b"], strict=True):
        f.store("ptr", pointer, slot)

    def step(count: int) -> None:
        bases, b = [f.load("ptr", slot) for slot in left], f.load("ptr", right)
        for _ in range(count):
            right_hand = []
            for q in range(vectors):
                place = f.at(b, q * tile.lanes, scalar)
                if mask is None:
                    right_hand.append(f.load(chains.vector, place, size))
                else:
                    right_hand.append(e.load(place, kind, mask).ref)
            for r, (base, shift) in enumerate(places):
                chains.multiply(r, f.at(bases[base], shift, scalar), right_hand)
            bases = [f.at(base, "%a_k", scalar) for base in bases]
            b = f.at(b, "%b_k", scalar)
        for slot, pointer in zip([*left, right], [*bases, b], strict=True):
            f.store("ptr", pointer, slot)

    whole = f.sub("%n", f.rem("%n", UNROLL))
    with f.loop(0, whole, UNROLL):
        step(UNROLL)
    with f.loop(whole, "%n"):
        step(1)
    chains.finish()
    f.close()


DIRECT = (
    "ptr %a",
    "i64 %a_row",
    "i64 %a_k",
    "i64 %rows",
    "ptr %b",
    "i64 %b_column",
    "i64 %b_k",
    "i64 %columns",
    "i64 %n",
    "ptr %c",
    "i1 %more",
)


def direct_text(kind: dtype, tile: Tile, walk: str, host: Host) -> str:
    """The text of `micro`, with arguments DIRECT, that reads A and B where they are.

    Strides are in elements. Only `rows` rows of A and `columns` columns of B exist; the others of
    the tile repeat the last row, and are 0 or repeat the last column. `walk` tells how B is read:
    'c' columns side by side, 't' k side by side (blocks are transposed in registers), 's' neither.
    """
    module = Module()
    f = Function(module, "micro", DIRECT)
    e = Emitter(f, tile.lanes, host)
    chains = Chains(f, e, kind, tile, tile.rows, tile.vectors)
    scalar = chains.scalar
    last = f.sub("%rows", 1)
    rows = [f.at("%a", f.mul(f.minimum(r, last), "%a_row"), scalar) for r in range(tile.rows)]

    def multiply(k, vectors) -> None:
        shift = f.mul(k, "%a_k")
        for r, row in enumerate(rows):
            chains.multiply(r, f.at(row, shift, scalar), vectors)

    if walk == "c":
        read = _masked_reader(f, e, kind, tile)
    else:
        read = _gathering_reader(f, e, kind, tile)
    start = 0
    if walk == "t":
        start = f.sub("%n", f.rem("%n", tile.lanes))
        columns = _column_pointers(f, tile, scalar)
        with f.loop(0, start, tile.lanes) as k:
            loaded = [f.load(chains.vector, f.at(p, k, scalar), kind.itemsize) for p in columns]
            for step, vector in enumerate(transposed(e, scalar, kind.itemsize, loaded)):
                multiply(f.add(k, step), [vector])
    with f.loop(start, "%n") as k:
        multiply(k, read(k))
    chains.finish()
    f.close()
    return module.text()


def below(e: Emitter, count: str) -> str:
    """The mask of the lanes below a number."""
    ramp = "<" + ", ".join([f"i64 {i}" for i in range(e.lanes)]) + ">"
    return e.f.value(f"icmp slt {e.vector('i64')} {ramp}, {e.splat('i64', count)}")


def _masked_reader(f, e, kind, tile):
    masks = [below(e, f.sub("%columns", q * tile.lanes)) for q in range(tile.vectors)]

    def read(k):
        row = f.at("%b", f.mul(k, "%b_k"), REGISTER[kind.short])
        places = [f.at(row, q * tile.lanes, REGISTER[kind.short]) for q in range(tile.vectors)]
        return [e.load(p, kind, mask).ref for p, mask in zip(places, masks, strict=True)]

    return read


def _column_pointers(f, tile, scalar):
    last = f.sub("%columns", 1)
    return [f.at("%b", f.mul(f.minimum(i, last), "%b_column"), scalar) for i in range(tile.columns)]


def _gathering_reader(f, e, kind, tile):
    """Element by element: gathers of a processor are hardly faster, and not everywhere."""
    scalar = REGISTER[kind.short]
    vector = e.vector(scalar)
    columns = _column_pointers(f, tile, scalar)

    def read(k):
        shift = f.mul(k, "%b_k")
        vectors = []
        for q in range(tile.vectors):
            ref = "poison"
            for i in range(tile.lanes):
                place = f.at(columns[q * tile.lanes + i], shift, scalar)
                one = f.load(scalar, place, kind.itemsize)
                ref = f.value(f"insertelement {vector} {ref}, {scalar} {one}, i64 {i}")
            vectors.append(ref)
        return vectors

    return read


def transposed(e: Emitter, scalar: str, size: int, rows: list[str]) -> list[str]:
    """The columns of a square block whose rows are `e.lanes` vectors.

    First inside pieces of 16 bytes, as processors interleave, then the pieces are exchanged.
    """
    vector = e.vector(scalar)
    lanes, piece = e.lanes, 16 // size
    pieces = lanes // piece

    def shuffle(a, b, picks):
        mask = "<" + ", ".join([f"i32 {p}" for p in picks]) + ">"
        return e.f.value(f"shufflevector {vector} {a}, {vector} {b}, <{lanes} x i32> {mask}")

    def interleaved(a, b, high):
        picks = []
        for start in range(0, lanes, piece):
            for i in range(piece // 2):
                at = start + i + high * piece // 2
                picks += [at, at + lanes]
        return shuffle(a, b, picks)

    def blocks(a, b, picks):
        return shuffle(a, b, [p * piece + i for p in picks for i in range(piece)])

    groups = []
    for g in range(0, lanes, piece):
        group = rows[g : g + piece]
        for _ in range(piece.bit_length() - 1):
            half = len(group) // 2
            pairs = list(zip(group[:half], group[half:], strict=True))
            group = [interleaved(a, b, high) for a, b in pairs for high in (0, 1)]
        groups.append(group)
    result = [""] * lanes
    for t in range(piece):
        column = _exchanged([group[t] for group in groups], blocks)
        for b in range(pieces):
            result[b * piece + t] = column[b]
    return result


def _exchanged(v: list[str], blocks) -> list[str]:
    """Transpose a square block of 1, 2 or 4 vectors whose elements are pieces."""
    if len(v) == 1:
        return v
    if len(v) == 2:
        return [blocks(v[0], v[1], (i, 2 + i)) for i in range(2)]
    result = []
    for low in (0, 2):
        front = blocks(v[0], v[1], (low, low + 1, low + 4, low + 5))
        back = blocks(v[2], v[3], (low, low + 1, low + 4, low + 5))
        result += [blocks(front, back, (i, i + 2, i + 4, i + 6)) for i in range(2)]
    return result
