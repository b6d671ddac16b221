"""Environment variables: this is the only file that reads them, once, when nacre is imported.

The table below documents every one; `HOT`, `NUM_THREADS` and the other constants hold the values.
A value that makes no sense is warned about and ignored.
"""

from __future__ import annotations

import os
import warnings
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Variable:
    """An environment variable: what it means, and what holds when it is not set."""

    name: str
    otherwise: str
    meaning: str


VARIABLES = (
    Variable("NACRE_HOT", "3", "at which sight a stretch of operations is compiled"),
    Variable(
        "NACRE_NUM_THREADS",
        "OMP_NUM_THREADS, or one for each processor",
        "how many threads kernels use",
    ),
    Variable(
        "NACRE_CACHE_DIR",
        "$XDG_CACHE_HOME/nacre, or ~/.cache/nacre",
        "where compiled kernels are kept; empty for nowhere",
    ),
    Variable("NACRE_VERIFY", "0", "1: check the graph at every stage; slow, for tests"),
    Variable("NACRE_DEBUG", "0", "1: say on stderr what is compiled and evaluated; 2: and show it"),
)


def table() -> str:
    """The variables as text, one a line, with what each is set to."""
    width = max(len(variable.name) for variable in VARIABLES)
    lines = []
    for variable in VARIABLES:
        value = os.environ.get(variable.name)
        state = f"not set: {variable.otherwise}" if value is None else f"set to {value!r}"
        lines.append(f"{variable.name:{width}}  {variable.meaning} ({state})")
    return "\n".join(lines)


def _number(name: str, otherwise: int, least: int = 1) -> int:
    """A whole number of at least `least`; what holds otherwise if it is anything else."""
    text = os.environ.get(name, "").strip()
    if not text:
        return otherwise
    if text.isdecimal() and int(text) >= least:
        return int(text)
    warnings.warn(
        f"{name}={text!r} is not a whole number of at least {least} and is ignored",
        UserWarning,
        stacklevel=2,
    )
    return otherwise


def _openmp_threads() -> int:
    """What OpenMP programs such as PyTorch would use; its list form gives the outermost level."""
    text = os.environ.get("OMP_NUM_THREADS", "").split(",")[0].strip()
    return int(text) if text.isdecimal() else 0


def _cache_dir() -> str:
    chosen = os.environ.get("NACRE_CACHE_DIR")
    if chosen is not None:
        return chosen
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(root, "nacre") if os.path.isabs(root) else ""


HOT = _number("NACRE_HOT", 3)
NUM_THREADS = _number("NACRE_NUM_THREADS", _openmp_threads())
CACHE_DIR = _cache_dir()
VERIFY = bool(_number("NACRE_VERIFY", 0, least=0))
DEBUG = _number("NACRE_DEBUG", 0, least=0)
