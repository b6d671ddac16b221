"""Environment variables, read once.

NACRE_HOT          at which sight a stretch is compiled (3)
NACRE_NUM_THREADS  how many threads kernels use (one for each processor)
NACRE_CACHE_DIR    where compiled kernels are kept; empty for nowhere ($XDG_CACHE_HOME/nacre)
"""

import os


def _cache_dir() -> str:
    chosen = os.environ.get("NACRE_CACHE_DIR")
    if chosen is not None:
        return chosen
    root = os.environ.get("XDG_CACHE_HOME") or os.path.join(os.path.expanduser("~"), ".cache")
    return os.path.join(root, "nacre") if os.path.isabs(root) else ""


def _number(name: str, otherwise: int) -> int:
    text = os.environ.get(name, "").strip()
    return int(text) if text.isdigit() and int(text) > 0 else otherwise


HOT = _number("NACRE_HOT", 3)
NUM_THREADS = _number("NACRE_NUM_THREADS", 0)
CACHE_DIR = _cache_dir()
