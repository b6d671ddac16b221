"""Tracebacks that start at the user's program, not at the command that runs it."""

from __future__ import annotations

import sys
import traceback
from types import ModuleType, TracebackType


def start_at(program: ModuleType) -> None:
    """Print uncaught errors without the calls that led to the program."""

    def show(
        kind: type[BaseException], problem: BaseException, trace: TracebackType | None
    ) -> None:
        traceback.print_exception(kind, problem, _from(trace, program))

    sys.excepthook = show


def _from(trace: TracebackType | None, program: ModuleType) -> TracebackType | None:
    """The part of a traceback that begins in the program; None if it never got there."""
    while trace is not None and trace.tb_frame.f_globals is not vars(program):
        trace = trace.tb_next
    return trace
