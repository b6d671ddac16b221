"""Tracebacks that start at the user's program, not at the command that runs it."""

from __future__ import annotations

import sys
import traceback
from types import FrameType, ModuleType, TracebackType

from nacre.compat import note_missing


def start_at(program: ModuleType) -> None:
    """Print uncaught errors without the calls that led to the program.

    Nor with those that found out that nacre has no such name: the program's line is the place.
    """

    def show(
        kind: type[BaseException], problem: BaseException, trace: TracebackType | None
    ) -> None:
        note_missing(problem)
        traceback.print_exception(kind, problem, _of(program, trace))

    sys.excepthook = show


def _of(program: ModuleType, trace: TracebackType | None) -> TracebackType | None:
    """The part of a traceback that begins in the program; None if it never got there."""
    while trace is not None and trace.tb_frame.f_globals is not vars(program):
        trace = trace.tb_next
    calls = []
    while trace is not None and not _is_finder(trace.tb_frame):
        calls.append(trace)
        trace = trace.tb_next
    shown = None
    for call in reversed(calls):
        shown = TracebackType(shown, call.tb_frame, call.tb_lasti, call.tb_lineno)
    return shown


def _is_finder(frame: FrameType) -> bool:
    return frame.f_globals.get("__name__") == "nacre.compat.finder"
