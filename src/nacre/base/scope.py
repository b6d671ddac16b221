"""Which blocks are running: the stack that lets an error say where in the model it happened.

A block pushes itself and nothing else, since it is called far more often than it fails; names are
looked up in the blocks above it when somebody asks. A block is a module (anything with
`_modules`, a dictionary of named blocks) or a string.

    stack = scope.stack()
    stack.append(self)
    try:
        ...
    finally:
        stack.pop()
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any


class _Local(threading.local):
    def __init__(self) -> None:
        self.stack: list[Any] = []


_LOCAL = _Local()


def stack() -> list[Any]:
    """The blocks running on this thread, the outermost first; to append to and to pop from."""
    return _LOCAL.stack


@contextmanager
def inside(block: Any) -> Iterator[None]:
    """Run the body of a `with` inside a block, or a part of a program that has only a name.

    >>> with inside("warm-up"):
    ...     path()
    'warm-up'
    """
    running = _LOCAL.stack
    running.append(block)
    try:
        yield
    finally:
        running.pop()


def path() -> str:
    """The names of the running blocks, such as `MLP.hidden`; empty outside of all blocks."""
    return _path(_LOCAL.stack)


def describe() -> str:
    """The path and the innermost block, `MLP.hidden: Linear(in_features=20, …)`; or empty.

    A block made of others is named by its type alone.
    """
    running = _LOCAL.stack
    if not running:
        return ""
    where, what = _path(running), _what(running[-1])
    return f"{where}: {what}" if what and what != where else where


def _path(running: list[Any]) -> str:
    parts: list[str] = []
    above: Any = None
    for block in list(running):
        if isinstance(block, str):
            parts.append(block)
        else:
            name = _name_in(above, block)
            parts.append(name or type(block).__name__)
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
    if isinstance(block, str):
        return ""
    name = type(block).__name__
    if getattr(block, "_modules", None):
        return name
    try:
        text = repr(block)
    except Exception:  # a block that cannot show itself must not hide the error it met
        return name
    return text if "\n" not in text and len(text) <= 200 else name
