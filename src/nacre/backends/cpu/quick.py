"""One kernel call at a time on NumPy arrays, for what runs once: the cold tier.

Programs are kept by the operation and the layout of its operands; a call then writes addresses
into a table and runs.
"""

from __future__ import annotations

import ctypes
import os
import struct
import threading
from collections.abc import Callable, Sequence

import numpy as np

from nacre.backends.calls import exactly
from nacre.backends.program import FIRST_SLOT, Operand, ProgramBuilder, Scalar
from nacre.base.dtypes import from_numpy

MOST_PROGRAMS = 10_000
_LOCK = threading.RLock()
_KEPT: dict = {}
_ndarray = np.ndarray


def call_map(inputs: Sequence, body: tuple, outputs: Sequence[tuple[int, np.ndarray]]) -> int:
    """Run `body` over arrays and Python numbers; returns the status.

    Args:
        inputs: values 0.. of the body: arrays of the shape of the outputs (broadcast by stride 0),
            floats, ints, bools.
        body: as for ProgramBuilder.map.
        outputs: pairs of a value's number and the array it goes to.
    """
    arrays = [x for _, x in outputs]
    which = tuple([i for i, _ in outputs])

    def build(builder, operands):
        at = len(inputs)
        goals = list(zip(which, operands[at:], strict=True))
        builder.map(arrays[0].shape, operands[:at], body, goals)

    return _call(("map", exactly(body), which), [*inputs, *arrays], build)


def call_reduce(kind: str, dims: tuple, inputs: Sequence, body: tuple, out: np.ndarray) -> int:
    """Reduce the last value of (inputs, body) over `dims` into `out`, which lacks them."""

    def build(builder, operands):
        shape = next(x.shape for x in operands if type(x) is Operand)
        builder.reduce(kind, shape, dims, operands[:-1], body, operands[-1])

    return _call(("reduce", kind, dims, exactly(body)), [*inputs, out], build)


def call_gemm(a: np.ndarray, b: np.ndarray, out: np.ndarray, inputs=(), body: tuple = ()) -> int:
    """out = epilogue(a @ b), as ProgramBuilder.gemm."""

    def build(builder, operands):
        first, second, *more, goal = operands
        builder.gemm(first, second, goal, more, body)

    return _call(("gemm", exactly(body)), [a, b, *inputs, out], build)


def _call(key: tuple, operands: list, build: Callable) -> int:
    layout = tuple(
        [(x.dtype, x.shape, x.strides) if isinstance(x, _ndarray) else type(x) for x in operands]
    )
    key = (key, layout)
    with _LOCK:
        kept = _KEPT.get(key)
        if kept is None:
            kept = _make(key, operands, build)
        program, words, address = kept
        slot = FIRST_SLOT
        for x in operands:
            if isinstance(x, _ndarray):
                words[slot] = x.ctypes.data
            elif type(x) is float:
                words[slot] = struct.unpack("<q", struct.pack("<d", x))[0]
            else:
                words[slot] = x
            slot += 1
        return program.run(address)


def _make(key, operands, build):
    if len(_KEPT) >= MOST_PROGRAMS:
        _KEPT.clear()
    described = []
    for slot, x in enumerate(operands, FIRST_SLOT):
        if isinstance(x, _ndarray):
            strides = tuple([s // x.itemsize for s in x.strides])
            described.append(Operand(slot, from_numpy(x.dtype), x.shape, strides))
        else:
            described.append(Scalar(slot, {float: "f", bool: "b"}.get(type(x), "i")))
    builder = ProgramBuilder()
    build(builder, described)
    words = (ctypes.c_int64 * (FIRST_SLOT + len(operands)))()
    kept = _KEPT[key] = (builder.finish(), words, ctypes.addressof(words))
    return kept


if hasattr(os, "register_at_fork"):
    os.register_at_fork(
        before=_LOCK.acquire, after_in_parent=_LOCK.release, after_in_child=_LOCK.release
    )
