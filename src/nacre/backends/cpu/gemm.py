"""How a matrix product becomes kernel calls.

A product is first brought to the form out[b, m, n] = sum_k A[b, m, k] B[b, k, n] with few batch
dimensions, perhaps with its two sides exchanged (out^T = B^T A^T). It is then done in place, or
with its sides packed into panels, whichever is expected to be faster: the bits are the same.
"""

from __future__ import annotations

from functools import cache
from math import prod

from nacre.backends import plan
from nacre.backends.calls import (
    WALKED,
    Calls,
    Kernel,
    Operand,
    exactly,
    keep,
    known,
    put,
)
from nacre.backends.cpu import target
from nacre.backends.cpu.gemm_kernels import direct_ir, pack_ir, packed_ir
from nacre.backends.cpu.gemm_micro import Tile, block_of, packed_tile
from nacre.backends.loops import Stream, body_key
from nacre.backends.plan import spread
from nacre.base.dtypes import dtype, float32, float64

CHUNK = 2_000_000
CHUNKS = 16
CACHE = 1 << 20
ROWS, COLUMNS = 192, 256
# Products a nanosecond of a product in place, by how B is read.
RATES = {"c": 30.0, "t": 12.0, "s": 4.0}


def plan_gemm(calls: Calls, a: Operand, b: Operand, inputs, body: tuple, out: Operand) -> None:
    """Append the calls of a product (see ProgramBuilder.gemm).

    Raises NotImplementedError for dtypes other than float32 and float64.
    """
    kind = a.dtype
    if kind is not b.dtype or (kind is not float32 and kind is not float64):
        raise NotImplementedError(f"a product of {a.dtype!r} and {b.dtype!r}")
    if 0 in out.shape:
        return
    product = _matrices(a, b, inputs, body, out) if len(out.shape) == 2 else None
    if product is None:
        product = _folded(_open(a, b, inputs, body, out))
    exchange, packed = _choice(product)
    if exchange:
        product = product.exchanged()
    (_packed if packed else _direct)(calls, product)


# ---- the form of a product ----
class Product:
    """Sizes, and the strides of A (batch.., m, k), B (batch.., n, k), inputs and output
    (batch.., m, n); the two sides, the inputs and the output."""

    __slots__ = (
        "a",
        "b",
        "batch",
        "body",
        "inputs",
        "k",
        "left",
        "m",
        "n",
        "others",
        "out",
        "right",
    )

    def __init__(self, batch, m, n, k, a, b, others, left, right, inputs, body, out):
        self.batch = batch
        self.m = m
        self.n = n
        self.k = k
        self.a = a
        self.b = b
        self.others = others
        self.left = left
        self.right = right
        self.inputs = inputs
        self.body = body
        self.out = out

    def exchanged(self) -> Product:
        """The transposed product."""
        others = [(*s[:-2], s[-1], s[-2]) for s in self.others]
        return self.changed(self.batch, self.n, self.m, self.b, self.a, others, True)

    def changed(self, batch, m, n, a, b, others, turned=False) -> Product:
        """The same product in another form."""
        left, right = (self.right, self.left) if turned else (self.left, self.right)
        inputs, body, out = self.inputs, self.body, self.out
        return Product(batch, m, n, self.k, a, b, others, left, right, inputs, body, out)


def _matrices(a, b, inputs, body, out) -> Product | None:
    """A product of two matrices; a size of 1 has stride 0."""
    if len(a.shape) != 2 or len(b.shape) != 2:
        return None
    shape = out.shape
    m, n = shape
    k = a.shape[1]
    others = [spread(x, shape) for x in inputs if type(x) is Operand]
    others.append(out.strides)
    a_strides, (b_k, b_n) = a.strides, b.strides
    if m == 1 or n == 1 or k == 1:
        a_strides = (0 if m == 1 else a_strides[0], 0 if k == 1 else a_strides[1])
        b_k, b_n = 0 if k == 1 else b_k, 0 if n == 1 else b_n
        others = [(0 if m == 1 else s[0], 0 if n == 1 else s[1]) for s in others]
    return Product((), m, n, k, a_strides, (b_n, b_k), others, a, b, inputs, body, out)


def _open(a, b, inputs, body, out) -> Product:
    """The product as given, its batch dimensions merged; a size of 1 has stride 0."""
    shape = out.shape
    m, n = shape[-2:]
    k = a.shape[-1]
    others = [spread(x, shape) for x in inputs if type(x) is Operand] + [out.strides]
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
    batch = tuple(sizes)
    return Product(batch, m, n, k, rows[0], right, rows[2:], a, b, inputs, body, out)


def _folded(p: Product) -> Product:
    """Batch dimensions that only one side has become rows (or columns) of it."""
    if not p.batch:
        return p
    p = _fold_rows(p)
    return _fold_rows(p.exchanged()).exchanged() if p.batch else p


def _fold_rows(p: Product) -> Product:
    while p.batch and p.b[len(p.batch) - 1] == 0:
        size, d = p.batch[-1], len(p.batch) - 1
        rows = [p.a, *p.others]
        if p.m != 1 and any(s[d] != p.m * s[d + 1] for s in rows):
            return p
        rows = [(*s[:d], s[d] if p.m == 1 else s[d + 1], s[d + 2]) for s in rows]
        b = (*p.b[:d], *p.b[d + 1 :])
        p = p.changed(p.batch[:-1], p.m * size, p.n, rows[0], b, rows[1:])
    return p


# ---- the ways to compute it ----
def _choice(p: Product) -> tuple[bool, bool]:
    """Whether to exchange the sides, and whether to pack them: the least estimated time."""
    lanes = target.host().lanes(p.left.dtype.itemsize)
    out = p.others[-1]
    m, n, k = p.m, p.n, p.k
    batch = prod(p.batch)
    # Storing what does not lie side by side costs more.
    far = 1.9 * m * n * batch
    plain = 0.0 if out[-1] == 1 or n == 1 else far
    turned = 0.0 if out[-2] == 1 or m == 1 else far
    best = plain + batch * _direct_cost(m, n, k, p.b, lanes)
    other = turned + batch * _direct_cost(n, m, k, p.a, lanes)
    exchange = other < best
    if exchange:
        best = other
    if best < 1500:
        return exchange, False
    packed = batch * _packed_cost(m, n, k, p.left.dtype) + 1300
    other = batch * _packed_cost(n, m, k, p.left.dtype) + 1300
    if packed + plain <= other + turned:
        return (False, True) if packed + plain < best else (exchange, False)
    return (True, True) if other + turned < best else (exchange, False)


def _direct_cost(m: int, n: int, k: int, b, lanes: int) -> float:
    """Nanoseconds of a product in place."""
    walk = _read(n, b)
    tile = direct_tile(m, n, walk, lanes)
    high, wide = -(-m // tile.rows) * tile.rows, -(-n // tile.columns) * tile.columns
    steps = high * wide * k / RATES[walk] * (16 / lanes)
    if tile.rows == 1 and walk != "s":
        steps *= 2
    return steps + high * wide / lanes


def _packed_cost(m: int, n: int, k: int, kind: dtype) -> float:
    """Nanoseconds of a product of packed panels."""
    tile = packed_tile(kind, target.host())
    high, wide = -(-m // tile.rows) * tile.rows, -(-n // tile.columns) * tile.columns
    return high * wide * k / 48 * (kind.itemsize / 4) + (high + wide) * k * 0.35


def _read(n: int, b) -> str:
    """How B is read in place: columns side by side, k side by side, or neither."""
    return "c" if b[-2] == 1 or n == 1 else "t" if b[-1] == 1 else "s"


def _walk(across: int, along: int) -> str:
    """What lies side by side in a matrix to pack: elements of a panel, steps of k, or neither."""
    return "p" if across == 1 else "k" if along == 1 else "s"


@cache
def _tile(rows: int, vectors: int, lanes: int) -> Tile:
    return Tile(rows, vectors, lanes)


def direct_tile(m: int, n: int, walk: str, lanes: int) -> Tile:
    """The tile for a product in place."""
    if walk != "c":
        return _tile(1 if m == 1 else 4, 1, lanes)
    if m == 1:
        return _tile(1, 1 if n <= lanes else 4, lanes)
    return _tile(4, 1 if n <= lanes else 2, lanes)


# ---- in place ----
def _direct(calls: Calls, p: Product) -> None:
    """One call that reads both sides where they are."""
    m, n, k, batch = p.m, p.n, p.k, p.batch
    kind = p.left.dtype
    walk = _read(n, p.b)
    tile = direct_tile(m, n, walk, target.host().lanes(kind.itemsize))
    high, wide = m, n
    while high * wide * k > 400_000 and (high > 4 * tile.rows or wide > tile.columns):
        if wide > tile.columns:
            wide = _up(-(-wide // 2), tile.columns)
        else:
            high = _up(-(-high // 2), tile.rows)
    over_m, over_n = -(-m // high), -(-n // wide)
    words = [m, n, k, high, wide, over_m, over_n, *p.a[-2:], *p.b[-2:], *batch]
    for x, strides in ((p.left, p.a), (p.right, p.b)):
        words += (x.slot, x.offset, *strides[:-2])
    structure = _epilogue(p, words, ["direct", tile.rows, tile.vectors, tile.lanes, walk])
    kernel = known(structure) or keep(structure, _direct_kernel(p, tile, walk))
    count = prod(batch)
    calls.add(kernel, over_m * over_n * count, words, count * m * n * (k + 8) // 16 + 500)


def _direct_kernel(p: Product, tile: Tile, walk: str) -> Kernel:
    kind, body, count, host = p.left.dtype, p.body, len(p.batch), target.host()
    ins, out, text = _streams(p)

    def factory(name):
        return direct_ir(name, kind, tile, walk, count, ins, body, out, host)

    return Kernel(f"gemm:direct:{tile.key()}:{walk}:{text}", factory)


# ---- packed ----
def _packed(calls: Calls, p: Product) -> None:
    """B packed, A too if it is needed often, then the panels multiplied."""
    m, n, k, batch = p.m, p.n, p.k, p.batch
    kind = p.left.dtype
    tile = packed_tile(kind, target.host())
    high, wide = _chunks(p, tile, block_of(kind), kind.itemsize)
    if n <= 4 * wide:
        walk, a, a_steps = _walk(*p.a[-2:]), p.left, p.a[:-2]
    else:
        walk = ""
        a, a_steps = _pack(calls, p, p.left, p.a, m, tile.rows)
    b, b_steps = _pack(calls, p, p.right, p.b, n, tile.columns)
    up_m, up_n = _up(m, tile.rows), _up(n, tile.columns)
    several = k > block_of(kind)
    over_m, over_n = -(-m // high), -(-n // wide)
    words = [m, n, k, high, wide, over_m, over_n, up_n, *p.a[-2:], *batch]
    words += (a.slot, a.offset, *a_steps, b.slot, b.offset, *b_steps)
    partial = calls.room(kind, (*batch, up_m, up_n) if several else (0,))
    steps = partial.strides[:-2] if several else (0,) * len(batch)
    words += (partial.slot, partial.offset, *steps)
    structure = _epilogue(p, words, ["packed", tile.rows, tile.vectors, tile.lanes, walk])
    kernel = known(structure) or keep(structure, _packed_kernel(p, tile, walk))
    count = prod(batch)
    calls.add(kernel, over_m * over_n * count, words, count * m * n * (k + 8) // 32 + 500)


def _packed_kernel(p: Product, tile: Tile, walk: str) -> Kernel:
    kind, body, count, host = p.left.dtype, p.body, len(p.batch), target.host()
    ins, out, text = _streams(p)

    def factory(name):
        return packed_ir(name, kind, tile, walk, count, ins, body, out, host)

    return Kernel(f"gemm:packed:{tile.key()}:{walk}:{text}", factory)


def _pack(calls: Calls, p: Product, x: Operand, strides, count: int, width: int):
    """Append the call that packs one side; its room, and the strides of the batch there."""
    kept = [d for d, step in enumerate(strides[:-2]) if step != 0]
    sizes = [p.batch[d] for d in kept]
    across, along = strides[-2:]
    block = block_of(x.dtype)
    panels = -(-count // width)
    blocks = max(1, -(-p.k // block))
    units = panels * blocks * prod(sizes)
    group = max(1, 65536 // (width * max(1, min(p.k, block))))
    group = max(1, min(group, units // 4))
    room = calls.room(x.dtype, (*sizes, panels, p.k, width))
    steps = [0] * len(p.batch)
    for d, step in zip(kept, room.strides, strict=False):
        steps[d] = step
    if p.k == 0:
        return room, steps
    words = [count, p.k, across, along, panels, blocks, group, units, *sizes]
    words += (x.slot, x.offset, *[strides[d] for d in kept], room.slot, room.offset)
    walk = _walk(across, along)
    key = ("pack", x.dtype, width, walk, len(sizes))
    kernel = known(key) or keep(key, _pack_kernel(x.dtype, width, walk, len(sizes)))
    calls.add(kernel, -(-units // group), words, count * p.k + 300)
    return room, steps


def _pack_kernel(kind: dtype, width: int, walk: str, batch: int) -> Kernel:
    host = target.host()

    def factory(name):
        return pack_ir(name, kind, width, walk, batch, host)

    return Kernel(f"gemm:pack:{kind.short}:{width}:{walk}:{batch}", factory)


# ---- the epilogue's operands ----
def _epilogue(p: Product, words: list, structure: list) -> tuple:
    """Append the words of inputs, output and scalars; returns the structure of the whole call."""
    structure += (p.left.dtype, len(p.batch))
    scalars = []
    number = 0
    if p.inputs:
        structure.append(exactly(p.body))
        for x in p.inputs:
            if type(x) is Operand:
                strides = p.others[number]
                number += 1
                inner = strides[-1]
                structure.append(x.dtype)
                structure.append(inner if inner == 0 or inner == 1 else 2)
                put(words, x, strides, WALKED)
            else:
                structure.append(x.kind)
                scalars.append(x.slot)
    elif p.body:
        structure.append(exactly(p.body))
    strides = p.others[number]
    near = strides[-1] == 1 or p.n == 1
    structure.append(p.out.dtype)
    structure.append(near)
    words.append(p.out.slot)
    words.append(p.out.offset)
    if not near:
        words.append(strides[-1])
    words += strides[:-1]
    words += scalars
    return tuple(structure)


def _streams(p: Product):
    """The structure of inputs and output, and the text that goes into a kernel's key."""
    following = iter(p.others)
    ins = tuple(
        [
            Stream(x.dtype, plan.walk(next(following)[-1])) if type(x) is Operand else x.kind
            for x in p.inputs
        ]
    )
    out = Stream(p.out.dtype, "c" if p.others[-1][-1] == 1 or p.n == 1 else "s")
    text = ",".join([s.key() if isinstance(s, Stream) else s for s in ins])
    kind = p.left.dtype.short
    return ins, out, f"{kind}:{len(p.batch)}:{text}:{body_key(p.body)}:{out.key()}"


def _up(size: int, step: int) -> int:
    return -(-size // step) * step


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
