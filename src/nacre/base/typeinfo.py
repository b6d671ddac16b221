"""`finfo` and `iinfo`: the limits of the element types."""

from __future__ import annotations

import math
from typing import Any

from nacre.base import dtypes
from nacre.base.dtypes import dtype
from nacre.base.errors import fail

_FORMATS = {"float16": (11, 15), "bfloat16": (8, 127), "float32": (24, 127), "float64": (53, 1023)}
"""Binary digits of the significand and the largest exponent of two."""

DIGITS = {name: digits for name, (digits, _) in _FORMATS.items()}
LARGEST = {
    name: math.ldexp(2.0 - 2.0 ** (1 - digits), top) for name, (digits, top) in _FORMATS.items()
}


class finfo:
    """Limits of a floating-point type, the default one if none is named.

    `eps` is the distance from 1 to the next number, `tiny` (or `smallest_normal`) the smallest
    positive number of full precision, `resolution` the decimal one. TypeError for other types.

        >>> finfo(dtypes.float16).max
        65504.0
    """

    __slots__ = ("bits", "dtype", "eps", "max", "min", "resolution", "smallest_normal", "tiny")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, type: dtype | None = None):
        d = dtypes.get_default_dtype() if type is None else type
        _need_dtype("finfo", d)
        if not d.is_floating_point:
            fail(
                TypeError,
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                "'torch.finfo'",
                f"{d} is not a floating point type: use torch.iinfo({d})",
            )
        digits, top = _FORMATS[d.name]
        self.bits = 8 * d.itemsize
        self.dtype = d.name
        self.eps = 2.0 ** (1 - digits)
        self.max = LARGEST[d.name]
        self.min = -self.max
        self.tiny = self.smallest_normal = 2.0 ** (1 - top)
        self.resolution = float(f"1e-{math.floor((digits - 1) * math.log10(2))}")

    def __repr__(self) -> str:
        return (
            f"finfo(resolution={self.resolution:g}, min={self.min:g}, max={self.max:g}, "
            f"eps={self.eps:g}, smallest_normal={self.smallest_normal:g}, tiny={self.tiny:g}, "
            f"dtype={self.dtype})"
        )

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and other.dtype == self.dtype

    def __reduce__(self) -> tuple[Any, ...]:
        return finfo, (dtypes.BY_NAME[self.dtype],)


class iinfo:
    """Limits of an integer type; TypeError for other types.

    >>> iinfo(dtypes.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    __slots__ = ("bits", "dtype", "max", "min")
    __hash__ = None  # type: ignore[assignment]

    def __init__(self, type: dtype):
        _need_dtype("iinfo", type)
        if type.is_floating_point:
            fail(
                TypeError,
                "torch.iinfo() requires an integer input type. Use torch.finfo to handle "
                "'torch.iinfo'",
                f"{type} is a floating point type: use torch.finfo({type})",
            )
        if type is dtypes.bool_:
            fail(TypeError, "torch.bool is not supported by torch.iinfo")
        self.bits = 8 * type.itemsize
        self.dtype = type.name
        self.max = (1 << (self.bits - type.is_signed)) - 1
        self.min = -self.max - 1 if type.is_signed else 0

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and other.dtype == self.dtype

    def __reduce__(self) -> tuple[Any, ...]:
        return iinfo, (dtypes.BY_NAME[self.dtype],)


finfo.__module__ = iinfo.__module__ = "torch"


def _need_dtype(name: str, given: object) -> None:
    if not isinstance(given, dtype):
        fail(
            TypeError,
            f"{name}(): argument 'type' (position 1) must be torch.dtype, not "
            f"{type(given).__name__}",
        )
