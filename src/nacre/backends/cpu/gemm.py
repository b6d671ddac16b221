"""How a matrix product becomes kernel calls.

A product is first brought to the form out[b, m, n] = sum_k A[b, m, k] B[b, k, n] with few batch
dimensions, perhaps with its two sides exchanged (out^T = B^T A^T). It is then done tile by tile,
A read where it is and B too if its columns lie side by side, else packed into panels; products
of a few rows read B where it is in any case. The bits are the same.
"""

from __future__ import annotations

from array import array
from functools import cache
from math import prod

from nacre.backends import plan
from nacre.backends.calls import (
    SCRATCH,
    WALKED,
    Calls,
    Kernel,
    Operand,
    exactly,
    keep,
    known,
    put,
)
from nacre.backends.cpu import compile as compiler
from nacre.backends.cpu import target
from nacre.backends.cpu.gemm_kernels import direct_ir, pack_ir, tiles_ir
from nacre.backends.cpu.gemm_micro import (
    Tile,
    block_of,
    direct_text,
    largest_tile,
    tile_names,
    tiles_text,
)
from nacre.backends.cpu.target import Host
from nacre.backends.loops import Stream, body_key
from nacre.backends.plan import spread
from nacre.base.dtypes import dtype, float32, float64
from nacre.base.shapes import contiguous_strides, kept

# Chunks of a product: how many there may be, and the least multiplications that are worth one.
CHUNKS, CHUNK = 32, 100_000
# Bytes of B that a chunk walks through again and again.
CACHE = 1 << 20
# From this many rows and columns on B is packed although it need not be.
LARGE = 768
# Up to so many rows, packing B takes longer than turning it in registers.
FEW = 8
_TABLES: list[array] = []


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
    lanes = target.host().vector_bytes // kind.itemsize
    if _exchanges(product, lanes):
        product = product.exchanged()
    if product.m == 1 or (product.m <= FEW and product.b[-2] != 1 and product.n != 1):
        _direct(calls, product, lanes)
    else:
        _tiles(calls, product)


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
def _exchanges(p: Product, lanes: int) -> bool:
    """Whether the transposed product is expected to take less time."""
    m, n = p.m, p.n
    out = p.others[-1]
    near = out[-1] == 1 or n == 1
    if near and m > 1 and n >= lanes and p.b[-2] == 1:
        return False
    turned = out[-2] == 1 or m == 1
    plain = _cost(m, n, p.k, p.b[-2], p.b[-1], near, lanes)
    return _cost(n, m, p.k, p.a[-2], p.a[-1], turned, lanes) < plain


def _cost(m: int, n: int, k: int, b_n: int, b_k: int, near: bool, lanes: int) -> int:
    """An estimate of the time of a product, in multiplications of one vector."""
    steps = -(-n // lanes) * k
    store = 0 if near else 2 * m * n
    if b_n == 1 or n == 1:
        return store + steps * (2 if m == 1 else -(-m // 4) * 4)
    if b_k != 1:
        return store + steps * -(-m // 4) * 4 + 3 * n * k
    if m == 1:
        return store + 4 * steps
    high = -(-m // 4)
    return store + steps * high * 4 + (high * n * k * 3 // 20 if m <= FEW else n * k * 2 // 5 + 500)


def _read(n: int, b) -> str:
    """How B is read in place: columns side by side, k side by side, or neither."""
    return "c" if b[-2] == 1 or n == 1 else "t" if b[-1] == 1 else "s"


def _walk(across: int, along: int) -> str:
    """What lies side by side in a matrix to pack: elements of a panel, steps of k, or neither."""
    return "p" if across == 1 else "k" if along == 1 else "s"


@kept
def direct_tile(m: int, n: int, walk: str, lanes: int) -> Tile:
    """The tile for a product in place."""
    if m == 1 and walk == "c":
        return Tile(1, 1 if n <= lanes else 4, lanes)
    return Tile(1 if m == 1 else 4, 1, lanes)


# ---- in place ----
def _direct(calls: Calls, p: Product, lanes: int) -> None:
    """One call for few rows, that reads both sides where they are."""
    m, n, k, batch = p.m, p.n, p.k, p.batch
    walk = _read(n, p.b)
    tile = direct_tile(m, min(n, lanes + 1), walk, lanes)
    high, wide = m, n
    while high * wide * k > 400_000 and (high > 4 * tile.rows or wide > tile.columns):
        if wide > tile.columns:
            wide = _up(-(-wide // 2), tile.columns)
        else:
            high = _up(-(-high // 2), tile.rows)
    over_m, over_n = -(-m // high), -(-n // wide)
    micro = _direct_micro(p.left.dtype, tile, walk, target.host())
    words = [m, n, k, high, wide, over_m, over_n, *p.a[-2:], *p.b[-2:], micro, *batch]
    for x, strides in ((p.left, p.a), (p.right, p.b)):
        words += (x.slot, x.offset, *strides[:-2])
    structure = _epilogue(p, words, ["direct", tile.rows, tile.vectors, tile.lanes])
    kernel = known(structure) or keep(structure, _direct_kernel(p, tile))
    count = prod(batch)
    calls.add(kernel, over_m * over_n * count, words, count * m * n * (k + 8) // 16 + 500)


@cache
def _direct_micro(kind: dtype, tile: Tile, walk: str, host: Host) -> int:
    """The address of a micro-kernel."""
    key = f"gemm:micro:{kind.short}:{tile.key()}:{walk}"
    return compiler.get_module(key, lambda: direct_text(kind, tile, walk, host), ["micro"])["micro"]


def _direct_kernel(p: Product, tile: Tile) -> Kernel:
    kind, body, count, host = p.left.dtype, p.body, len(p.batch), target.host()
    ins, out, text = _streams(p)

    def factory(name):
        return direct_ir(name, kind, tile, count, ins, body, out, host)

    return Kernel(f"gemm:direct:{tile.key()}:{text}", factory)


# ---- tile by tile ----
def _tiles(calls: Calls, p: Product) -> None:
    """B packed if it must be, then one call."""
    m, n, k, batch = p.m, p.n, p.k, p.batch
    kind = p.left.dtype
    size = kind.itemsize
    host = target.host()
    tile = largest_tile(kind, host)
    block = block_of(kind)
    count = prod(batch)
    high, over_m, wide, over_n = _chunks(count, m, n, k, tile, CACHE // (size * block))
    if (p.b[-2] == 1 or n == 1) and (m < LARGE or n < LARGE):
        b = (p.right.slot, p.right.offset, *p.b[:-2])
        b_panel, b_k = tile.columns, p.b[-1]
    else:
        b = _pack(calls, p, tile.columns)
        b_panel, b_k = tile.columns * k, tile.columns
    up_m, up_n = over_m * high, over_n * wide
    a_row, a_k = p.a[-2:]
    micros = _tile_micros(kind, tile, host)
    words = [m, n, k, high, wide, over_m, over_n, up_n, a_row, a_k, b_panel, b_k, micros, *batch]
    words += (p.left.slot, p.left.offset, *p.a[:-2], *b)
    if k > block:
        partial = calls.take(count * up_m * up_n, size)
        words += (SCRATCH, partial, *contiguous_strides((*batch, up_m * up_n))[:-1])
    else:
        words += (SCRATCH, 0, *[0 for _ in batch])
    structure = _epilogue(p, words, ["tiles", tile.rows, tile.vectors, tile.lanes])
    kernel = known(structure) or keep(structure, _tiles_kernel(p, tile))
    calls.add(kernel, over_m * over_n * count, words, count * m * n * (k + 8) // 32 + 500)


@cache
def _tile_micros(kind: dtype, tile: Tile, host: Host) -> int:
    """The address of the table of a tile's micro-kernels."""
    names = list(tile_names(tile).values())
    key = f"gemm:micros:{kind.short}:{tile.key()}"
    found = compiler.get_module(key, lambda: tiles_text(kind, tile, host), names)
    table = array("q", [found[name] for name in names])
    _TABLES.append(table)
    return table.buffer_info()[0]


def _tiles_kernel(p: Product, tile: Tile) -> Kernel:
    kind, body, count, host = p.left.dtype, p.body, len(p.batch), target.host()
    ins, out, text = _streams(p)

    def factory(name):
        return tiles_ir(name, kind, tile, count, ins, body, out, host)

    return Kernel(f"gemm:tiles:{tile.key()}:{text}", factory)


def _pack(calls: Calls, p: Product, width: int) -> tuple:
    """Append the call that packs B; its place: slot, offset, the strides of the batch."""
    x, k = p.right, p.k
    *outer, across, along = p.b
    block = block_of(x.dtype)
    panels = -(-p.n // width)
    blocks = -(-k // block) or 1
    units = panels * blocks
    sizes, steps, own = [], [], []
    if outer:
        sizes = [size for size, step in zip(p.batch, outer, strict=True) if step != 0]
        own = [step for step in outer if step != 0]
        following = iter(contiguous_strides((*sizes, panels * k * width)))
        steps = [next(following) if step != 0 else 0 for step in outer]
    count = prod(sizes)
    offset = calls.take(count * panels * k * width, x.dtype.itemsize)
    if k == 0:
        return (SCRATCH, offset, *steps)
    units *= count
    group = min(65536 // (width * min(k, block)), units // 4) or 1
    words = [p.n, k, across, along, panels, blocks, group, units, *sizes]
    words += (x.slot, x.offset, *own, SCRATCH, offset)
    walk = _walk(across, along)
    key = ("pack", x.dtype, width, walk, len(sizes))
    kernel = known(key) or keep(key, _pack_kernel(x.dtype, width, walk, len(sizes)))
    calls.add(kernel, -(-units // group), words, p.n * k * count + 300)
    return (SCRATCH, offset, *steps)


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


def _chunks(count: int, m: int, n: int, k: int, tile: Tile, most: int):
    """Rows of a chunk, chunks over M, columns of a chunk, chunks over N: enough chunks to share,
    each of them worth a call and with at most `most` columns."""
    rows, columns = -(-m // tile.rows), -(-n // tile.columns)
    wanted = min(CHUNKS, count * m * n * k // CHUNK) // count
    over_m = min(rows, max(wanted, 1))
    over_n = min(columns, max(-(-wanted // over_m), -(-n // most)))
    high, wide = -(-rows // over_m), -(-columns // over_n)
    return high * tile.rows, -(-rows // high), wide * tile.columns, -(-columns // wide)
