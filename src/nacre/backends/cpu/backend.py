"""The CPU as a backend: tables, programs, threads."""

from __future__ import annotations

import ctypes

from nacre.backends.cpu.compile import CompileError
from nacre.backends.cpu.quick import call_gemm, call_map, call_reduce
from nacre.backends.cpu.threads import get_num_threads, set_num_threads
from nacre.backends.program import FIRST_SLOT, Operand, Program, ProgramBuilder, Scalar

NAME = "cpu"


def table(n: int):
    """A table of n words for programs: (ctypes array, its address)."""
    words = (ctypes.c_int64 * n)()
    return words, ctypes.addressof(words)


__all__ = [
    "CompileError",
    "FIRST_SLOT",
    "NAME",
    "Operand",
    "Program",
    "ProgramBuilder",
    "Scalar",
    "call_gemm",
    "call_map",
    "call_reduce",
    "get_num_threads",
    "set_num_threads",
    "table",
]
