"""One kernel call at a time on NumPy arrays, for what runs once: the cold tier.

A call is planned, run from words that live as long as it does, and forgotten: its kernel is kept,
and what else there is to know of a shape takes less time to find out than to look up.
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

import numpy as np

from nacre.backends.calls import FIRST_SLOT, Operand, Scalar
from nacre.backends.cpu.memory import address_of
from nacre.backends.program import ProgramBuilder
from nacre.base.dtypes import ALL, from_numpy

_ndarray = np.ndarray
_KINDS = {d.np: d for d in ALL}
_FLOAT = struct.Struct("<d")
_INTEGER = struct.Struct("<q")


def call_map(inputs: Sequence, body: tuple, outputs: Sequence[tuple[int, np.ndarray]]) -> int:
    """Run `body` over arrays and Python numbers; returns the status.

    Args:
        inputs: values 0.. of the body: arrays of the shape of the outputs (broadcast by stride 0),
            floats, ints, bools.
        body: as for ProgramBuilder.map.
        outputs: pairs of a value's number and the array it goes to.
    """
    table: list = []
    given = [_operand(x, table) for x in inputs]
    goals = [(i, _array(x, table)) for i, x in outputs]
    builder = ProgramBuilder()
    builder.map(goals[0][1].shape, given, body, goals)
    return builder.run_once(table)


def call_reduce(kind: str, dims: tuple, inputs: Sequence, body: tuple, out: np.ndarray) -> int:
    """Reduce the last value of (inputs, body) over `dims` into `out`, which lacks them."""
    table: list = []
    given = [_operand(x, table) for x in inputs]
    shape = next(x.shape for x in inputs if isinstance(x, _ndarray))
    builder = ProgramBuilder()
    builder.reduce(kind, shape, dims, given, body, _array(out, table))
    return builder.run_once(table)


def call_gemm(a: np.ndarray, b: np.ndarray, out: np.ndarray, inputs=(), body: tuple = ()) -> int:
    """out = epilogue(a @ b), as ProgramBuilder.gemm."""
    table: list = []
    left, right, goal = _array(a, table), _array(b, table), _array(out, table)
    given = [_operand(x, table) for x in inputs]
    builder = ProgramBuilder()
    builder.gemm(left, right, goal, given, body)
    return builder.run_once(table)


def _array(x: np.ndarray, table: list) -> Operand:
    """An array as an operand; its address goes to the table."""
    slot = FIRST_SLOT + len(table)
    table.append(address_of(x))
    size = x.itemsize
    kind = _KINDS.get(x.dtype) or from_numpy(x.dtype)
    return Operand(slot, kind, x.shape, tuple([s // size for s in x.strides]))


def _operand(x, table: list) -> Operand | Scalar:
    """An array or a number as an operand; its address, or the number, goes to the table."""
    if isinstance(x, _ndarray):
        return _array(x, table)
    slot = FIRST_SLOT + len(table)
    if type(x) is float:
        table.append(_INTEGER.unpack(_FLOAT.pack(x))[0])
        return Scalar(slot, "f")
    table.append(int(x))
    return Scalar(slot, "b" if type(x) is bool else "i")
