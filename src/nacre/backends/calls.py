"""Operands, kernels and calls: what planning works with.

A call is a kernel, a number of chunks and the words that the kernel reads: sizes, strides, and for
each operand the slot of the table that holds its address. Which kernel a call needs depends on the
structure of its operands alone (dtypes, how each is walked, the body), so a shape that is new only
makes new words.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import prod

from nacre.backends.cpu import target
from nacre.backends.loops import SCALARS
from nacre.base.dtypes import dtype
from nacre.base.shapes import contiguous_strides

FIRST_SLOT = 4
SCRATCH = 2
MOST_KERNELS = 20_000


@dataclass(slots=True)
class Operand:
    """An array in tab[slot] as a kernel sees it; strides and offset are in elements."""

    slot: int
    dtype: dtype
    shape: tuple
    strides: tuple
    offset: int = 0


@dataclass(slots=True)
class Scalar:
    """A number in tab[slot]: kind 'f' (bits of a float64), 'i' (int64), 'b' (0 or 1)."""

    slot: int
    kind: str


class Kernel:
    """A kernel: `factory(name)` writes its text; `address` is 0 until it is loaded.

    `weight` is the work of its body for one vector, `chunk` how many elements make a chunk.
    """

    __slots__ = ("address", "chunk", "factory", "key", "weight")

    def __init__(self, key: str, factory: Callable[[str], str], weight: int = 0, chunk: int = 0):
        self.key = key
        self.factory = factory
        self.weight = weight
        self.chunk = chunk
        self.address = 0


_KERNELS: dict[tuple, Kernel] = {}


def known(structure: tuple) -> Kernel | None:
    """The kernel kept for a structure."""
    return _KERNELS.get(structure)


def keep(structure: tuple, kernel: Kernel) -> Kernel:
    """Keep a kernel for a structure."""
    if len(_KERNELS) >= MOST_KERNELS:
        _KERNELS.clear()
    _KERNELS[structure] = kernel
    return kernel


class Calls:
    """Calls being collected: `calls` is a flat list, for each call the address of its kernel, its
    chunks, the number of words with these three, and the words."""

    __slots__ = ("calls", "missing", "ncalls", "scratch", "shared", "used", "work")

    def __init__(self):
        self.calls: list[int] = []
        self.missing: list[tuple[int, Kernel]] = []
        self.ncalls = 0
        self.scratch = 0
        self.used = 0
        self.shared = False
        self.work = 0

    def add(self, kernel: Kernel, chunks: int, words: list[int], work: int) -> None:
        """Append a call; `work` is an estimate of its time, in cycles."""
        calls = self.calls
        address = kernel.address
        if not address:
            self.missing.append((len(calls), kernel))
        calls += (address, chunks, len(words) + 3)
        calls += words
        self.ncalls += 1
        self.work += work
        if chunks > 1:
            self.shared = True

    def take(self, n: int, size: int) -> int:
        """Scratch memory for n elements of `size` bytes, for the operation being planned; where
        it begins, in elements."""
        at = self.used
        self.used = at + (n * size + 63) // 64 * 64
        if self.used > self.scratch:
            self.scratch = self.used
        return at // size

    def room(self, kind: dtype, shape: tuple) -> Operand:
        """A new contiguous array in scratch memory."""
        offset = self.take(prod(shape), kind.itemsize)
        return Operand(SCRATCH, kind, shape, contiguous_strides(shape), offset)


def exactly(body: tuple):
    """A body as a key that tells 0.0 from -0.0 and 1 from True, which compare equal."""
    constants = [attrs for _, _, _, attrs in body if attrs]
    return (body, repr(constants)) if constants else body


def lanes_for(kinds, weight: int) -> int:
    """How many elements a kernel handles at once: two registers of a light body, one of a heavy."""
    widest = max((kind.itemsize for kind in kinds), default=4)
    lanes = target.host().vector_bytes // max(widest, 2)
    return lanes * 2 if weight <= 8 else lanes


def kinds_of(inputs) -> tuple:
    """The dtypes of a body's first values."""
    return tuple([x.dtype if type(x) is Operand else SCALARS[x.kind] for x in inputs])


def put(words: list, x: Operand, strides, plain: tuple) -> None:
    """Append an array's words: slot, offset, the inner stride unless it is `plain`, the others."""
    words.append(x.slot)
    words.append(x.offset)
    if strides[-1] not in plain:
        words.append(strides[-1])
    words += strides[:-1]


WALKED, STORED = (0, 1), (1,)
