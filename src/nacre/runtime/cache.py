"""Object code on disk, so that a second process need not compile what a first one has.

An entry is a file named by a hash of its key, of the machine and compiler (`identity`) and of
nacre's sources: a digest of what follows, that hash in full, then the code. Whatever does not check
out is ignored and written again. The folder belongs to the user alone, its size is bounded, and if
it cannot be used there is one warning and no cache.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
import time
import warnings
from pathlib import Path

from nacre.base import config, forks

MAGIC = b"nacre1\n\0"
DIGEST = 32
LIMIT_BYTES = 256 << 20
STORES_BETWEEN_PRUNES = 256
DAY = 86_400.0


class _State:
    """The folder in use (None: no cache) and how much has been written to it."""

    def __init__(self):
        self.lock = threading.RLock()
        self.chosen: str | None = None
        self.folder: Path | None = None
        self.stores = 0
        self.stamp = ""


_STATE = _State()
forks.guard(forks.CACHE, _STATE.lock)


def folder() -> Path | None:
    """The folder of the cache, made if need be; None if there is no usable one."""
    if _STATE.chosen != config.CACHE_DIR:
        with _STATE.lock:
            _STATE.folder = _open(config.CACHE_DIR)
            _STATE.chosen = config.CACHE_DIR
    return _STATE.folder


def _open(chosen: str) -> Path | None:
    if not chosen:
        return None
    place = Path(chosen)
    try:
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        if not _is_private(place):
            raise PermissionError("others may write to it")
        with tempfile.TemporaryFile(dir=place):
            pass
    except OSError as error:
        _warn(f"{place}: {error}")
        return None
    return place


def _is_private(place: Path) -> bool:
    """Whether nobody else can put code there for us to run."""
    if not hasattr(os, "getuid"):
        return True
    found = place.stat()
    return found.st_uid == os.getuid() and not found.st_mode & 0o022


def _warn(words: str) -> None:
    warnings.warn(
        f"nacre keeps no compiled kernels on disk: {words}. NACRE_CACHE_DIR names another folder.",
        RuntimeWarning,
        stacklevel=3,
    )


def _sources() -> str:
    """What changes whenever the code that writes kernels does."""
    if not _STATE.stamp:
        root = Path(__file__).resolve().parents[1]
        seen = [f"{sys.implementation.cache_tag}"]
        for part in ("backends", "backends/cpu", "ops"):
            for entry in sorted(os.scandir(root / part), key=lambda e: e.name):
                if entry.name.endswith(".py"):
                    found = entry.stat()
                    seen.append(f"{part}/{entry.name}:{found.st_size}:{found.st_mtime_ns}")
        _STATE.stamp = "\n".join(seen)
    return _STATE.stamp


def _name(key: str, identity: str) -> bytes:
    return hashlib.sha256("\0".join([key, identity, _sources()]).encode()).digest()


def _path(place: Path, key: str, identity: str) -> Path:
    return place / (_name(key, identity).hex()[:40] + ".o")


def load(key: str, identity: str) -> bytes | None:
    """The object code stored under a key, or None."""
    place = folder()
    if place is None:
        return None
    path = _path(place, key, identity)
    try:
        data = path.read_bytes()
        code = _checked(data, _name(key, identity))
        if code is not None and path.stat().st_mtime < time.time() - DAY:
            os.utime(path)
    except OSError:
        return None
    return code


def _checked(data: bytes, name: bytes) -> bytes | None:
    head = len(MAGIC) + DIGEST
    digest, body = data[len(MAGIC) : head], data[head:]
    if not data.startswith(MAGIC) or hashlib.sha256(body).digest() != digest:
        return None
    return body[DIGEST:] if body[:DIGEST] == name else None


def store(key: str, identity: str, code: bytes) -> None:
    """Keep object code under a key."""
    place = folder()
    if place is None:
        return
    body = _name(key, identity) + code
    path = _path(place, key, identity)
    temporary = place / f"{path.stem}.{os.getpid()}.{threading.get_ident()}.tmp"
    try:
        temporary.write_bytes(MAGIC + hashlib.sha256(body).digest() + body)
        os.replace(temporary, path)
    except OSError as error:
        _STATE.folder = None
        _warn(f"{place}: {error}")
        return
    with _STATE.lock:
        _STATE.stores += 1
        if _STATE.stores % STORES_BETWEEN_PRUNES == 1:
            prune(place)


def forget(key: str, identity: str) -> None:
    """Drop an entry that turned out to be bad."""
    place = folder()
    if place is not None:
        _path(place, key, identity).unlink(missing_ok=True)


def prune(place: Path, limit: int = LIMIT_BYTES) -> None:
    """Remove the entries used longest ago until the folder holds at most `limit` bytes."""
    entries = []
    now = time.time()
    try:
        for entry in os.scandir(place):
            found = entry.stat()
            old = now - found.st_mtime > DAY / 24
            if entry.name.endswith(".o"):
                entries.append((found.st_mtime, found.st_size, entry.path))
            elif entry.name.endswith(".tmp") and old:
                os.unlink(entry.path)
        total = sum(size for _, size, _ in entries)
        for _, size, path in sorted(entries):
            if total <= limit:
                break
            os.unlink(path)
            total -= size
    except OSError:
        return
