"""Native programs: a list of kernel calls that runs as one native call.

The table `tab` of a program is an array of i64: tab[0] is the status (0, or 1 + the number of the call
that met a bad index), tab[1] the offending value, tab[2] the program's scratch memory; slots from
FIRST_SLOT on hold addresses of arrays and scalars.
"""

from __future__ import annotations

from dataclasses import dataclass

from nacre.base.dtypes import dtype

FIRST_SLOT = 4
SCRATCH = 2


@dataclass(frozen=True, slots=True)
class Operand:
    """An array as a kernel sees it: tab[slot] is its address, strides and offset are in elements."""

    slot: int
    dtype: dtype
    shape: tuple
    strides: tuple
    offset: int = 0


@dataclass(frozen=True, slots=True)
class Scalar:
    """A number as a kernel sees it, in tab[slot]: kind 'f' (bits of a float64), 'i' (int64), 'b'."""

    slot: int
    kind: str
