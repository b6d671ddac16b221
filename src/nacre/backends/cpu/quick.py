"""One kernel call at a time on NumPy arrays, for what runs once: the cold tier.

A call is planned, run from words that live as long as it does, and forgotten: its kernel is kept,
and what else there is to know of a shape takes less time to find out than to look up.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from nacre.backends.calls import FIRST_SLOT, Operand, Scalar
from nacre.backends.cpu.gemm import plan_gemm
from nacre.backends.cpu.memory import address_of
from nacre.backends.mapping import plan_map
from nacre.backends.program import ProgramBuilder
from nacre.backends.reducing import plan_reduce
from nacre.base.dtypes import ALL, from_numpy

_ndarray = np.ndarray
_KINDS = {d.np: d for d in ALL}
_FLOAT = struct.Struct("<d")
_INTEGER = struct.Struct("<q")
_START = [0] * FIRST_SLOT


def call_map(inputs: Sequence, body: tuple, outputs: Sequence[tuple[int, np.ndarray]]) -> int:
    """Run `body` over arrays and Python numbers; returns the status.

    Args:
        inputs: values 0.. of the body: arrays that broadcast to the outputs' shape, floats, ints,
            bools.
        body: as for ProgramBuilder.map.
        outputs: pairs of a value's number and the array it goes to.
    """
    table = _START.copy()
    given = [_operand(x, table) for x in inputs]
    goals = [(i, _array(x, table)) for i, x in outputs]
    builder = ProgramBuilder()
    plan_map(builder, goals[0][1].shape, given, body, goals)
    return builder.run_once(table)


def call_reduce(kind: str, dims: tuple, inputs: Sequence, body: tuple, out: np.ndarray) -> int:
    """Reduce the last value of (inputs, body) over `dims` into `out`, which lacks them.

    The first of the inputs is an array.
    """
    table = _START.copy()
    given = [_operand(x, table) for x in inputs]
    shape = inputs[0].shape
    builder = ProgramBuilder()
    plan_reduce(builder, kind, shape, dims, given, body, _array(out, table))
    return builder.run_once(table)


def call_gemm(a: np.ndarray, b: np.ndarray, out: np.ndarray, inputs=(), body: tuple = ()) -> int:
    """out = epilogue(a @ b), as ProgramBuilder.gemm."""
    table = _START.copy()
    left, right, goal = _array(a, table), _array(b, table), _array(out, table)
    given = [_operand(x, table) for x in inputs]
    builder = ProgramBuilder()
    plan_gemm(builder, left, right, given, body, goal)
    return builder.run_once(table)


def _array(x: np.ndarray, table: list) -> Operand:
    """An array as an operand; its address goes to the table."""
    slot = len(table)
    table.append(address_of(x))
    size = x.itemsize
    strides = x.strides
    if len(strides) == 2:
        strides = strides[0] // size, strides[1] // size
    else:
        strides = tuple([s // size for s in strides])
    return Operand(slot, _KINDS.get(x.dtype) or from_numpy(x.dtype), x.shape, strides)


def _operand(x, table: list) -> Operand | Scalar:
    """An array or a number as an operand; its address, or the number, goes to the table."""
    if isinstance(x, _ndarray):
        return _array(x, table)
    slot = len(table)
    if type(x) is float:
        table.append(_INTEGER.unpack(_FLOAT.pack(x))[0])
        return Scalar(slot, "f")
    table.append(int(x))
    return Scalar(slot, "b" if type(x) is bool else "i")
