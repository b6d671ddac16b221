"""Where arrays are in memory."""

from __future__ import annotations

import ctypes

import numpy as np


def _reader():
    """The fastest way to the address of an array's elements.

    NumPy keeps it right behind the object's header; where that does not hold, NumPy is asked.
    """
    header = object.__basicsize__
    read = ctypes.c_ssize_t.from_address

    def direct(x: np.ndarray) -> int:
        return read(id(x) + header).value

    def asked(x: np.ndarray) -> int:
        return x.ctypes.data

    probe = np.arange(8)
    same = hasattr(probe, "ctypes") and all(direct(x) == asked(x) for x in (probe, probe[3:]))
    return direct if same else asked


address_of = _reader()
