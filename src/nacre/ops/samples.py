"""Samples: what an operation's record says it must get right, and what it must refuse.

They are written as calls in PyTorch's own language, so that one list serves every spelling of the
operation, its in-place twin, both tiers, and PyTorch itself as the judge. A record holds a function
that returns the list; only tests call it.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field, replace
from math import prod

GOLDEN = 0.6180339887498949
FLOATS = ("float32", "float64")
INTEGERS = ("int64", "int32", "uint8")


@dataclass(frozen=True)
class Array:
    """A tensor that a sample needs: its shape, type, range of values and layout.

    `layout` is "" (row-major), "turned" (memory in the opposite order), "step" (every other element
    of a row), "offset" (not at the start of its memory) or "expanded" (the first dimension
    repeats). `fixed`: no gradient is asked for.
    """

    shape: tuple
    dtype: str = "float32"
    low: float = -2.0
    high: float = 2.0
    layout: str = ""
    data: tuple | None = None
    fixed: bool = False

    def values(self, which: int = 0) -> list:
        """Its elements in row-major order: distinct, none near 0, others for each argument."""
        if self.data is not None:
            return list(self.data)
        shape = (1, *self.shape[1:]) if self.layout == "expanded" else self.shape
        return [self._value(k, which) for k in range(prod(shape))]

    def _value(self, k, which):
        if self.dtype == "bool":
            return (k * 3 + which) % 4 in (0, 3)
        if self.dtype in INTEGERS:
            return int(self.low) + (k * 5 + which * 3 + 1) % (int(self.high) - int(self.low))
        share = ((k + 1) * GOLDEN + which * 0.37) % 1.0
        value = round((self.low + (self.high - self.low) * share) * 64) / 64
        if self.low < 0 < self.high:
            value += 0.125 if value >= 0 else -0.125
        return value

    def laid(self, layout: str) -> Array:
        """The same with another layout."""
        return replace(self, layout=layout)


def _maker(dtype, low, high):
    def make(*shape, low=low, high=high, layout="", data=None, fixed=False):
        if data is not None:
            data = tuple(data)
            shape = shape or (len(data),)
        return Array(shape, dtype, low, high, layout, data, fixed)

    make.__doc__ = f"A tensor of {dtype} for a sample."
    return make


f32 = _maker("float32", -2.0, 2.0)
f64 = _maker("float64", -2.0, 2.0)
i64 = _maker("int64", -4, 5)
i32 = _maker("int32", -4, 5)
u8 = _maker("uint8", 0, 7)
b1 = _maker("bool", 0, 1)
MAKERS = {"float32": f32, "float64": f64, "int64": i64, "int32": i32, "uint8": u8, "bool": b1}


@dataclass(frozen=True)
class Sample:
    """One call: positional and keyword arguments, and the spellings it is for (all if empty).

    `apart`: those spellings take arguments of their own, not those of the other samples. `smooth`
    is false where finite differences mean nothing: at a kink, a tie, an infinity.
    """

    args: tuple
    kwargs: dict = field(default_factory=dict)
    calls: tuple = ()
    apart: bool = False
    smooth: bool = True

    def by(self, *calls: str) -> Sample:
        """The same for these spellings, which the other samples are not for."""
        return replace(self, calls=calls, apart=True)

    def only(self, *calls: str) -> Sample:
        """The same for some of the spellings."""
        return replace(self, calls=calls)

    def rough(self) -> Sample:
        """The same without finite differences."""
        return replace(self, smooth=False)


@dataclass(frozen=True)
class Refused(Sample):
    """A call that must raise `error` with a first line that contains `words`."""

    error: type = RuntimeError
    words: str = ""


def sample(*args, **kwargs) -> Sample:
    """A call that must work."""
    return Sample(args, kwargs)


def refused(error: type, words: str, *args, **kwargs) -> Refused:
    """A call that must be refused."""
    return Refused(args, kwargs, error=error, words=words)


# ---- lists that many operations share -----------------------------------------------------------
SPECIAL = (0.0, -0.0, 1.0, -1.0, 0.5, float("inf"), float("-inf"), float("nan"))


def unary(low=-2.0, high=2.0, integers=True, special=SPECIAL, bools=True) -> Callable:
    """Samples of a function of one tensor on a range."""

    def samples():
        bounds = {"low": low, "high": high}
        found = [
            sample(f32(2, 3, **bounds)),
            sample(f64(4, **bounds)),
            sample(f32(**bounds)),
            sample(f32(0, 3, **bounds)),
            sample(f32(3, 2, layout="turned", **bounds)),
            sample(f64(2, 2, layout="step", **bounds)),
            sample(f32(3, 2, layout="expanded", **bounds)),
        ]
        if integers:
            found += [sample(i64(4, low=-3, high=4)), sample(i32(3)), sample(u8(3)), sample(i64())]
        if bools:
            found += [sample(b1(4))]
        if special:
            found += [sample(f32(data=special)).rough(), sample(f64(data=special)).rough()]
        return found

    return samples


def floats_of_two(**bounds) -> list:
    """Pairs of floating tensors: broadcast, 0-d, empty, of two layouts and two types."""
    return [
        sample(f32(2, 3, **bounds), f32(2, 3, **bounds)),
        sample(f32(2, 3, **bounds), f32(3, **bounds)),
        sample(f64(2, 1, **bounds), f64(1, 3, **bounds)),
        sample(f32(3, **bounds), f32(2, 3, **bounds)),
        sample(f32(2, 2, **bounds), f32(**bounds)),
        sample(f32(**bounds), f32(**bounds)),
        sample(f32(0, 3, **bounds), f32(3, **bounds)),
        sample(f64(2, **bounds), f32(2, **bounds)),
        sample(f32(3, 2, layout="turned", **bounds), f32(3, 2, **bounds)),
        sample(f32(3, 2, layout="turned", **bounds), f32(3, 2, layout="turned", **bounds)),
        sample(f32(2, 3, layout="step", **bounds), f32(1, 3, **bounds)),
        sample(f32(2, 3, layout="expanded", **bounds), f32(2, 3, **bounds)),
    ]


def binary(numbers=True, integers=True, bools=True, special=True, **bounds) -> Callable:
    """Samples of a function of two tensors, or of a tensor and a number."""

    def samples():
        found = floats_of_two(**bounds)
        if numbers:
            found += [sample(f32(2, 3, **bounds), 1.5), sample(f64(2, **bounds), 2)]
        if integers:
            found += [
                sample(i64(2, 3), i64(3, low=1, high=5)),
                sample(i64(3), f32(3, low=0.5, high=2.0, fixed=True)),
                sample(u8(4), i32(4, low=1, high=5)),
                sample(i32(4), i64(low=2, high=5)),
                sample(u8(4), u8(4, low=1, high=6)),
                sample(i64(0), i64(1, low=1, high=2)),
            ]
        if integers and numbers:
            found += [sample(i64(3), 2), sample(i32(3), 2.5), sample(u8(3), 3)]
        if bools:
            found += [sample(b1(4), f32(4, low=0.5, high=2.0, fixed=True)), sample(b1(4), b1(4))]
        if bools and integers:
            found += [sample(i32(3), b1(1, data=(True,)))]
        if special:
            found += [sample(f32(data=SPECIAL), f32(8, 1, data=SPECIAL)).rough()]
        if special and numbers:
            found += [sample(f64(data=SPECIAL), 2.0).rough()]
        return found

    return samples


def unequal(a: int, b: int, dim: int) -> str:
    """What PyTorch says of two sizes that do not broadcast."""
    return (
        f"The size of tensor a ({a}) must match the size of tensor b ({b}) at non-singleton "
        f"dimension {dim}"
    )


def unequal_sizes() -> list:
    """Refused: two shapes that do not broadcast."""
    return [refused(RuntimeError, unequal(3, 4, 1), f32(2, 3), f32(2, 4))]


def not_a_number() -> list:
    """Refused: a number where only a tensor will do."""
    return [refused(TypeError, "must be Tensor, not float", f32(3), 2.0)]
