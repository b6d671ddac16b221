"""How a matrix product becomes kernel calls.

A product is first brought to the form out[b, m, n] = sum_k A[b, m, k] B[b, k, n] with few batch
dimensions, perhaps with its two sides exchanged (out^T = B^T A^T). It is then done in place, or
with both sides packed into panels, whichever is expected to be faster: the bits are the same.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from math import prod

from nacre.backends import plan
from nacre.backends.calls import (
    Operand,
    Plan,
    Recipe,
    array_places,
    scalar_places,
    spread,
)
from nacre.backends.cpu import target
from nacre.backends.cpu.gemm_kernels import direct_ir, pack_ir, packed_ir
from nacre.backends.cpu.gemm_micro import Tile, block_of, packed_tile
from nacre.backends.loops import Stream, body_key
from nacre.base.dtypes import dtype, float32, float64

CHUNK = 2_000_000
CHUNKS = 16
CACHE = 1 << 20
ROWS, COLUMNS = 192, 256


def plan_gemm(a: Operand, b: Operand, inputs, body, out: Operand) -> Recipe:
    """The calls of a product; operands are numbered a, b, *inputs, out in the recipe.

    Raises NotImplementedError for dtypes other than float32 and float64.
    """
    kind = a.dtype
    if kind is not b.dtype or kind not in (float32, float64):
        raise NotImplementedError(f"a product of {a.dtype!r} and {b.dtype!r}")
    recipe = Recipe()
    if 0 in out.shape:
        return recipe
    product = _folded(_open(a, b, inputs, out))
    stage = _Stage(recipe, kind, tuple(inputs), tuple(body), out.dtype, target.host())
    ways = [
        (cost, number, make)
        for number, side in enumerate((product, product.exchanged()))
        for cost, make in stage.ways(side)
    ]
    min(ways, key=lambda way: way[:2])[2]()
    return recipe


# ---- the form of a product ----
@dataclass(frozen=True, slots=True)
class Product:
    """Sizes, and the strides of A (batch.., m, k), B (batch.., n, k), inputs and output
    (batch.., m, n); `sides` are the numbers of A and B in the recipe."""

    batch: tuple
    m: int
    n: int
    k: int
    a: tuple
    b: tuple
    others: tuple
    sides: tuple

    def exchanged(self) -> Product:
        """The transposed product."""
        others = tuple((*s[:-2], s[-1], s[-2]) for s in self.others)
        return Product(self.batch, self.n, self.m, self.k, self.b, self.a, others, self.sides[::-1])


def _open(a: Operand, b: Operand, inputs, out: Operand) -> Product:
    """The product as given, its batch dimensions merged; a size of 1 has stride 0."""
    shape = tuple(out.shape)
    m, n = shape[-2:]
    k = a.shape[-1]
    others = [spread(x, shape) for x in inputs if type(x) is Operand] + [tuple(out.strides)]
    a_strides = spread(a, (*shape[:-2], m, k))
    b_strides = spread(b, (*shape[:-2], k, n))
    every = [a_strides, b_strides, *others]
    kept = [d for d, size in enumerate(shape[:-2]) if size != 1]
    sizes = [shape[d] for d in kept]
    strides = [[s[d] for d in kept] for s in every]
    sizes, strides = plan.merge(sizes, strides)
    ends = [(m, k), (k, n), *[(m, n) for _ in others]]
    rows = [
        (*s, *[0 if size == 1 else step for size, step in zip(end, whole[-2:], strict=True)])
        for s, whole, end in zip(strides, every, ends, strict=True)
    ]
    right = (*rows[1][:-2], rows[1][-1], rows[1][-2])
    return Product(tuple(sizes), m, n, k, rows[0], right, tuple(rows[2:]), (0, 1))


def _folded(p: Product) -> Product:
    """Batch dimensions that only one side has become rows (or columns) of it."""
    p = _fold_rows(p)
    return _fold_rows(p.exchanged()).exchanged()


def _fold_rows(p: Product) -> Product:
    while p.batch and p.b[len(p.batch) - 1] == 0:
        size, d = p.batch[-1], len(p.batch) - 1
        rows = [p.a, *p.others]
        if p.m != 1 and any(s[d] != p.m * s[d + 1] for s in rows):
            return p
        rows = [(*s[:d], s[d] if p.m == 1 else s[d + 1], s[d + 2]) for s in rows]
        b = (*p.b[:d], *p.b[d + 1 :])
        p = replace(p, batch=p.batch[:-1], m=p.m * size, a=rows[0], b=b, others=tuple(rows[1:]))
    return p


# ---- ways to compute it ----
class _Stage:
    """What all calls of one product need."""

    def __init__(self, recipe: Recipe, kind: dtype, inputs, body, out: dtype, host):
        self.recipe = recipe
        self.kind = kind
        self.inputs = inputs
        self.body = body
        self.out = out
        self.host = host

    def ways(self, p: Product):
        """Pairs of an estimate in nanoseconds and a function that appends the calls."""
        near = p.others[-1][-1] == 1 or p.n == 1
        store = p.m * p.n * prod(p.batch) * (0.1 if near else 2.0)
        walk = "c" if p.b[-2] == 1 or p.n == 1 else "t" if p.b[-1] == 1 else "s"
        tile = direct_tile(p.m, p.n, walk, self.host.lanes(self.kind.itemsize))
        return (
            (store + _direct_cost(p, tile, walk, self.kind), lambda: self.direct(p, tile, walk)),
            (store + self._packed_cost(p), lambda: self.packed(p)),
        )

    def _packed_cost(self, p: Product) -> float:
        tile = packed_tile(self.kind, self.host)
        m, n = _up(p.m, tile.rows), _up(p.n, tile.columns)
        each = m * n * p.k / 48 * (self.kind.itemsize / 4) + (m + n) * p.k * 0.35
        return prod(p.batch) * each + 1500

    # ---- in place ----
    def direct(self, p: Product, tile: Tile, walk: str) -> None:
        """One call that reads both sides where they are."""
        ins, out = self._streams(p)
        count = len(p.batch)
        high, wide = p.m, p.n
        while high * wide * p.k > 400_000 and (high > 4 * tile.rows or wide > tile.columns):
            if wide > tile.columns:
                wide = _up(-(-wide // 2), tile.columns)
            else:
                high = _up(-(-high // 2), tile.rows)
        over_m, over_n = -(-p.m // high), -(-p.n // wide)
        words = [p.m, p.n, p.k, high, wide, over_m, over_n]
        words += [*p.a[-2:], *p.b[-2:], *p.batch]
        places = []
        for strides in (p.a, p.b):
            places.append(len(words))
            words += [0, 0, *strides[:-2]]
        places += self._rest(words, p, ins, out)
        kind, body, host = self.kind, self.body, self.host
        key = f"gemm:direct:{tile.key()}:{walk}:{self._key(count, ins, out)}"

        def factory(name):
            return direct_ir(name, kind, tile, walk, count, ins, body, out, host)

        total = prod(p.batch) * p.m * p.n
        work = total * (p.k + 8) // 16 + 500
        made = Plan(key, factory, words, places, over_m * over_n * prod(p.batch), work)
        self.recipe.calls.append((made, (*p.sides, *self._names())))

    # ---- packed ----
    def packed(self, p: Product) -> None:
        """Both sides packed, then the panels multiplied."""
        tile = packed_tile(self.kind, self.host)
        ins, out = self._streams(p)
        count = len(p.batch)
        high, wide = _chunks(p, tile, block_of(self.kind), self.kind.itemsize)
        if p.n <= 4 * wide:
            walk, a, a_steps = _walk(*p.a[-2:]), p.sides[0], p.a[:-2]
        else:
            walk = ""
            a, a_steps = self._pack(p, p.a, p.m, tile.rows, p.sides[0])
        b, b_steps = self._pack(p, p.b, p.n, tile.columns, p.sides[1])
        m, n = _up(p.m, tile.rows), _up(p.n, tile.columns)
        several = p.k > block_of(self.kind)
        partial = self.recipe.room(self.kind, (*p.batch, m, n) if several else (0,))
        over_m, over_n = -(-p.m // high), -(-p.n // wide)
        words = [p.m, p.n, p.k, high, wide, over_m, over_n, n, *p.a[-2:], *p.batch]
        places = []
        for strides in (a_steps, b_steps, partial.strides[:count] if several else (0,) * count):
            places.append(len(words))
            words += [0, 0, *strides]
        places += self._rest(words, p, ins, out)
        kind, body, host = self.kind, self.body, self.host
        key = f"gemm:packed:{tile.key()}:{walk}:{self._key(count, ins, out)}"

        def factory(name):
            return packed_ir(name, kind, tile, walk, count, ins, body, out, host)

        total = prod(p.batch) * p.m * p.n
        work = total * (p.k + 8) // 32 + 500
        made = Plan(key, factory, words, places, over_m * over_n * prod(p.batch), work)
        self.recipe.calls.append((made, (a, b, partial, *self._names())))

    def _pack(self, p: Product, strides, count: int, width: int, number: int):
        """The call that packs one side; its room, and the strides of the batch there."""
        kept = [d for d, step in enumerate(strides[:-2]) if step != 0]
        sizes = [p.batch[d] for d in kept]
        across, along = strides[-2:]
        panels = -(-count // width)
        blocks = max(1, -(-p.k // block_of(self.kind)))
        units = panels * blocks * prod(sizes)
        group = max(1, 65536 // (width * max(1, min(p.k, block_of(self.kind)))))
        group = max(1, min(group, units // 4))
        room = self.recipe.room(self.kind, (*sizes, panels, p.k, width))
        steps = [0] * len(p.batch)
        for d, step in zip(kept, room.strides, strict=False):
            steps[d] = step
        if p.k == 0:
            return room, steps
        walk = _walk(across, along)
        words = [count, p.k, across, along, panels, blocks, group, units, *sizes]
        places = [len(words), len(words) + 2 + len(sizes)]
        words += [0, 0, *[strides[d] for d in kept], 0, 0]
        kind, host, batch = self.kind, self.host, len(sizes)

        def factory(name):
            return pack_ir(name, kind, width, walk, batch, host)

        key = f"gemm:pack:{kind.short}:{width}:{walk}:{batch}"
        made = Plan(key, factory, words, places, -(-units // group), count * p.k + 300)
        self.recipe.calls.append((made, (number, room)))
        return room, steps

    # ---- the epilogue's operands ----
    def _streams(self, p: Product):
        """The structure of inputs and output."""
        following = iter(p.others)
        ins = tuple(
            [
                Stream(x.dtype, plan.walk(next(following)[-1])) if type(x) is Operand else x.kind
                for x in self.inputs
            ]
        )
        walk = "c" if p.others[-1][-1] == 1 or p.n == 1 else "s"
        return ins, Stream(self.out, walk)

    def _rest(self, words: list, p: Product, ins, out: Stream) -> list:
        """Append the words of inputs, output and scalars; returns their places."""
        streams = [s for s in ins if type(s) is Stream]
        places = array_places(words, p.others, [*streams, out])
        return scalar_places(words, places, ins)

    def _names(self) -> tuple:
        return tuple(range(2, 3 + len(self.inputs)))

    def _key(self, batch: int, ins, out: Stream) -> str:
        text = ",".join([s.key() if type(s) is Stream else s for s in ins])
        return f"{self.kind.short}:{batch}:{text}:{body_key(self.body)}:{out.key()}"


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


def _walk(across: int, along: int) -> str:
    """What lies side by side in a matrix to pack: elements of a panel, steps of k, or neither."""
    return "p" if across == 1 else "k" if along == 1 else "s"


def direct_tile(m: int, n: int, walk: str, lanes: int) -> Tile:
    """The tile for a product in place."""
    if walk != "c":
        return Tile(1 if m == 1 else 4, 1, lanes)
    if m == 1:
        return Tile(1, 1 if n <= lanes else 4, lanes)
    return Tile(4, 1 if n <= lanes else 2, lanes)


RATES = {"c": 30.0, "t": 12.0, "s": 4.0}


def _direct_cost(p: Product, tile: Tile, walk: str, kind: dtype) -> float:
    lanes = tile.lanes
    m, n = _up(p.m, tile.rows), _up(p.n, tile.columns)
    steps = m * n * p.k / RATES[walk] / (lanes * kind.itemsize / 64)
    if tile.rows == 1 and walk != "s":
        steps *= 2
    return prod(p.batch) * (steps + m * n / lanes) + 200


def _chunks(p: Product, tile: Tile, block: int, size: int):
    """Rows and columns of a chunk: enough chunks to share, each of them worth a call."""
    rows, columns = -(-p.m // tile.rows), -(-p.n // tile.columns)
    wide = max(COLUMNS, CACHE // (size * max(1, min(p.k, block))))
    if p.n > 2 * wide:
        wide = COLUMNS
    high, wide = min(rows, ROWS // tile.rows), min(columns, max(1, wide // tile.columns))
    batch = prod(p.batch)
    while True:
        count = batch * -(-rows // high) * -(-columns // wide)
        work = high * wide * tile.rows * tile.columns * p.k
        if count >= CHUNKS or work < CHUNK:
            break
        if high > 1:
            high = -(-high // 2)
        elif wide > 1:
            wide = -(-wide // 2)
        else:
            break
    high = -(-rows // -(-rows // high))
    wide = -(-columns // -(-columns // wide))
    return high * tile.rows, wide * tile.columns
