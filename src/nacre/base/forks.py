"""Forks: while a process forks, its locks are held, so that the child finds whole what they guard.

Locks are taken by rank, outermost first, in whatever order their modules were imported: a thread
that holds an outer lock may be waiting for an inner one, and a fork that had taken that one already
would wait for ever.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

EVALUATION, POOL, COMPILER, CACHE = range(4)

_GUARDS: list[tuple] = []
_HELD: list[tuple] = []


def guard(
    rank: int,
    lock: Any,
    prepare: Callable[[], None] | None = None,
    in_child: Callable[[], None] | None = None,
) -> None:
    """Hold a lock during forks.

    `prepare` runs before a fork, with the lock and all outer ones held; `in_child` in the child,
    before its copy of the lock is released. Neither may raise.
    """
    _GUARDS.append((rank, lock, prepare, in_child))
    _GUARDS.sort(key=lambda entry: entry[0])


def _before() -> None:
    for entry in _GUARDS:
        _, lock, prepare, _ = entry
        lock.acquire()
        _HELD.append(entry)
        if prepare is not None:
            prepare()


def _in_parent() -> None:
    while _HELD:
        _HELD.pop()[1].release()


def _in_child() -> None:
    for _, _, _, in_child in _HELD:
        if in_child is not None:
            in_child()
    _in_parent()


if hasattr(os, "register_at_fork"):
    os.register_at_fork(before=_before, after_in_parent=_in_parent, after_in_child=_in_child)
