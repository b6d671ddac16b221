"""Single elements of evaluated memory: read, computed and written at once, without recording.

A program that walks a tensor element by element has nothing to fuse; recording and evaluating a
stretch for each would cost several times as much. What is not plain (gradients, pending values,
other types, results that overflow) returns None or False and goes the usual way; the bits are the
same, because the sum, product or quotient of two float32 numbers, computed in double precision and
rounded, is the correctly rounded one.
"""

from __future__ import annotations

from operator import add, mul, sub, truediv
from struct import error, pack, unpack
from sys import getrefcount

import numpy as np

from nacre.base.dtypes import float32, float64, int64
from nacre.ir.node import meta_of
from nacre.ir.trace import INFERENCE, TRACE, Cell, Storage, Value, is_read, wrap
from nacre.ops import elementwise
from nacre.ops.view import part
from nacre.tensor.cell import ALONE

FUNCTIONS = {
    elementwise.add: add,
    elementwise.sub: sub,
    elementwise.mul: mul,
    elementwise.div: truediv,
}
# Results in this range are rounded as IEEE 754 says; others are left to the kernels.
RANGES = {float32: (1.2e-38, 3.4e38), float64: (0.0, 1e308), int64: (0, 2**63 - 1)}


def row(x, index):
    """x[index] for an int, where no gradient flows through it; None otherwise."""
    m = x._m
    geometry = m.row
    if geometry is None:
        if not m.rank:
            return None
        inner = meta_of(m.shape[1:], m.dtype, m.strides[1:], m.device)
        geometry = m.row = (m.shape[0], m.strides[0], inner)
    size, step, inner = geometry
    if not -size <= index < size or not is_plain(x):
        return None
    return part(x, inner, (x._v or 0) + (index if index >= 0 else index + size) * step)


def is_plain(x) -> bool:
    """Whether no gradient flows through a tensor's views."""
    return not x._rg and (x._v is None or x._base is None or not x._base._rg)


def _read(x):
    """The value of a 0-d tensor in memory that needs no gradient, or None."""
    data = x._c.data
    if data is None or x._rg or x._m.rank:
        return None
    base = x._base
    if base is not None and base._rg:
        return None
    return data.array.item(x._v or 0)


def computed(op, x, other):
    """op(x, other) of a 0-d tensor in memory and another or a number, or None."""
    function = FUNCTIONS.get(op)
    dtype = x._m.dtype
    limits = RANGES.get(dtype)
    if function is None or limits is None or TRACE.capture is not None:
        return None
    a = _read(x)
    if a is None:
        return None
    if isinstance(other, Value):
        b = _read(other) if other._m.dtype is dtype else None
    elif other.__class__ is int and (dtype is int64 or -(2**24) <= other <= 2**24):
        b = other
    elif other.__class__ is float and dtype is not int64:
        b = other if dtype is float64 else _rounded(other)
    else:
        b = None
    if b is None or (function is truediv and (b == 0 or dtype is int64)):
        return None
    result = function(a, b)
    if not (limits[0] <= abs(result) <= limits[1] or result == 0):
        return None
    array = np.empty(1, dtype.np)
    array[0] = result
    meta = meta_of((), dtype)
    return wrap(Cell(meta, Storage(array)), meta)


def _rounded(number):
    try:
        return unpack("f", pack("f", number))[0]
    except error:
        return None


def put(x, index, value) -> bool:
    """x[index] = value where both are plain and in memory; False if it must go the usual way."""
    m = x._m
    c = x._c
    data = c.data
    if m.rank != 1 or data is None or x._v is not None or x._rg:
        return False
    if x._vc.__class__ is not list and x._vc is not None:
        return False
    size = m.numel
    if not -size <= index < size or is_read(c, TRACE.stretch):
        return False
    if isinstance(value, Value):
        if value._m.dtype is not m.dtype or value._m.rank or value._vc is INFERENCE:
            return False
        value = _read(value)
        if value is None:
            return False
    elif value.__class__ is not float or not m.dtype.is_floating_point or abs(value) > 3e38:
        return False
    if TRACE.capture is not None or (not c.exposed and getrefcount(data) - data.rings > ALONE + 1):
        return False
    data.array[(index if index >= 0 else index + size) * m.strides[0]] = value
    if x._vc is None:
        x._vc = [1]
    else:
        x._vc[0] += 1
    return True
