"""Errors: PyTorch's own first line, then notes that say where it happened and what to do.

What PyTorch refuses is refused with its type and its words, so that programs which match on them
work; the rest comes as notes, which leave the exception and its traceback as they are:

    RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x16 and 20x256)
      in MLP.hidden: Linear(in_features=20, out_features=256, bias=True)
      the input has shape (2, 16); its last dimension must be 20

Most errors are Python's own types. These are PyTorch's, or ours where PyTorch has none:

    Exception
    ├── RuntimeError
    │   ├── LinAlgError          a matrix is singular, or not positive definite
    │   ├── OutOfMemoryError     the device has no memory left
    │   └── BackendError         kernels cannot be compiled or loaded on this machine
    ├── pickle.UnpicklingError
    │   └── UnsafeFileError      a file asks for more than tensors and plain values
    └── Warning
        └── UserWarning
            └── NacreWarning     nacre does something else than was asked for
"""

from __future__ import annotations

import pickle
from typing import NoReturn, TypeVar

from nacre.base import scope

E = TypeVar("E", bound=BaseException)


class LinAlgError(RuntimeError):
    """A matrix that cannot be inverted, factorised or decomposed."""


class OutOfMemoryError(RuntimeError):
    """The device has no memory left for a tensor."""


class BackendError(RuntimeError):
    """Kernels cannot be compiled or loaded on this machine."""


class UnsafeFileError(pickle.UnpicklingError):
    """A file asks for more than tensors and plain values; loading it could run code."""


class NacreWarning(UserWarning):
    """Nacre does something else than was asked for."""


# Programs that print or log the type see PyTorch's name.
LinAlgError.__module__ = "torch.linalg"
OutOfMemoryError.__module__ = "torch"

_INDENT = "  "


def note(error: E, *lines: str) -> E:
    """Add lines below the error's message, each once; returns the error."""
    present = getattr(error, "__notes__", ())
    for line in lines:
        text = _INDENT + line
        if text not in present:
            error.add_note(text)
    return error


def locate(error: E) -> E:
    """Note the block that is running, unless a block was noted before; returns the error.

    For blocks, around code that may raise by itself; a bare `raise` keeps the traceback:

        except Exception as error:
            locate(error)
            raise
    """
    where = scope.describe()
    start = _INDENT + "in "
    if where and not any(n.startswith(start) for n in getattr(error, "__notes__", ())):
        error.add_note(start + where)
    return error


def relocate(error: E, place: tuple[str, str] | None) -> E:
    """Note where the code that failed was recorded, in place of what runs now; returns the error.

    `place` is what `scope.place()` gave then, None where that is not known.
    """
    start = _INDENT + "in "
    kept = [n for n in getattr(error, "__notes__", ()) if not n.startswith(start)]
    where, line = ("", "") if place is None else place
    lines = [start + where] if where else []
    if line:
        lines.append(f"{_INDENT}first recorded at {line}")
    if lines or kept:
        error.__notes__ = lines + [n for n in kept if n not in lines]
    return error


def error(kind: type[E], first_line: str, *notes: str) -> E:
    """The error to raise: PyTorch's words, the block that is running, then the remedies.

    `raise error(...)` puts the end of the traceback at the caller's line.
    """
    return note(locate(kind(first_line)), *notes)


def fail(kind: type[BaseException], first_line: str, *notes: str) -> NoReturn:
    """Raise `error(...)`; debuggers and pytest skip this frame and stop at the caller's."""
    __tracebackhide__ = True
    raise error(kind, first_line, *notes)
