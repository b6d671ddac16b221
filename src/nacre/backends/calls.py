"""Operands, and plans: how a kernel call is made but for the addresses of its operands."""

from __future__ import annotations

from dataclasses import dataclass
from math import prod

from nacre.backends.cpu import target
from nacre.backends.loops import SCALARS, Stream
from nacre.base.dtypes import dtype
from nacre.base.shapes import contiguous_strides

FIRST_SLOT = 4
SCRATCH = 2
MOST_PLANS = 20_000


@dataclass(frozen=True, slots=True)
class Operand:
    """An array in tab[slot] as a kernel sees it; strides and offset are in elements."""

    slot: int
    dtype: dtype
    shape: tuple
    strides: tuple
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number in tab[slot]: kind 'f' (bits of a float64), 'i' (int64), 'b' (0 or 1)."""

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


def planned(key, make):
    """The Plan or Recipe kept under `key`, made by `make()` at first sight."""
    found = _PLANS.get(key, _PLANS)
    if found is not _PLANS:
        return found
    if len(_PLANS) >= MOST_PLANS:
        _PLANS.clear()
    made = _PLANS[key] = make()
    return made


def exactly(body) -> tuple:
    """A body as a key that tells 0.0 from -0.0 and 1 from True, which compare equal."""
    return body, tuple([repr(attrs) for _, _, _, attrs in body if attrs])


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


def kinds_of(inputs) -> tuple:
    """The dtypes of a body's first values."""
    return tuple([x.dtype if type(x) is Operand else SCALARS[x.kind] for x in inputs])


class Recipe:
    """Calls that make up one operation, and the scratch memory they need.

    `calls` has pairs (plan, operands): an operand is an Operand in scratch memory or the number
    of one of those the operation was given.
    """

    def __init__(self):
        self.calls: list = []
        self.bytes = 0

    def room(self, kind, shape) -> Operand:
        """A new contiguous array in scratch memory."""
        at = self.bytes
        strides = contiguous_strides(tuple(shape))
        self.bytes += -(-prod(shape) * kind.itemsize // 64) * 64
        return Operand(SCRATCH, kind, tuple(shape), strides, at // kind.itemsize)


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
