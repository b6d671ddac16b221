"""Errors: PyTorch's own first line, then notes that say where it happened and what to do."""

from __future__ import annotations

from typing import NoReturn


def fail(kind: type[BaseException], first_line: str, *notes: str) -> NoReturn:
    """Raise `kind` with PyTorch's words and add the remedies as notes."""
    error = kind(first_line)
    for line in notes:
        error.add_note(line)
    raise error
