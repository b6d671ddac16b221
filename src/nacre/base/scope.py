"""Which blocks are running, so that an error can say where in the model it happened.

Nothing is noted while all goes well: the blocks are found on the call stack when somebody asks. A
block is a module (anything with `_modules`, a dictionary of named blocks) whose method that runs it
was marked:

    @scope.runs_block
    def __call__(self, *args):
        ...
"""

from __future__ import annotations

import os
import sys
from typing import Any, TypeVar

F = TypeVar("F")
_CODES: set = set()
_PACKAGE = os.path.dirname(os.path.dirname(os.path.abspath(__file__))) + os.sep


def runs_block(method: F) -> F:
    """Mark a method: while it runs, its `self` is a running block."""
    _CODES.add(method.__code__)  # type: ignore[attr-defined]
    return method


def running() -> list[Any]:
    """The blocks running on this thread, the outermost first."""
    found = []
    frame: Any = sys._getframe(1)
    while frame is not None:
        if frame.f_code in _CODES:
            found.append(frame.f_locals["self"])
        frame = frame.f_back
    return found[::-1]


def path() -> str:
    """The names of the running blocks, such as `MLP.hidden`; empty outside of all blocks."""
    return _path(running())


def describe() -> str:
    """The path and the innermost block, `MLP.hidden: Linear(in_features=20, …)`; or empty.

    A block made of others is named by its type alone.
    """
    blocks = running()
    if not blocks:
        return ""
    where, what = _path(blocks), _what(blocks[-1])
    return f"{where}: {what}" if what and what != where else where


def place() -> tuple[str, str]:
    """The running block as `describe` has it, and the line of the user's that is at work.

    That is the innermost line outside of nacre, as `file.py, line 3`; empty if there is none.
    """
    frame: Any = sys._getframe(1)
    while frame is not None and frame.f_code.co_filename.startswith(_PACKAGE):
        frame = frame.f_back
    line = "" if frame is None else f"{frame.f_code.co_filename}, line {frame.f_lineno}"
    return describe(), line


def _path(blocks: list[Any]) -> str:
    parts: list[str] = []
    above: Any = None
    for block in blocks:
        parts.append(_name_in(above, block) or type(block).__name__)
        above = block
    return ".".join(parts)


def _name_in(above: Any, block: Any) -> str:
    """What `above` calls a block inside it, dotted if it is deeper; empty if it is not there."""
    waiting = [("", above)]
    seen: set[int] = set()
    while waiting:
        prefix, parent = waiting.pop(0)
        if id(parent) in seen:
            continue
        seen.add(id(parent))
        for name, child in (getattr(parent, "_modules", None) or {}).items():
            if child is block:
                return prefix + name
            waiting.append((f"{prefix}{name}.", child))
    return ""


def _what(block: Any) -> str:
    name = type(block).__name__
    if getattr(block, "_modules", None):
        return name
    try:
        text = repr(block)
    except Exception:  # a block that cannot show itself must not hide the error it met
        return name
    return text if "\n" not in text and len(text) <= 200 else name
