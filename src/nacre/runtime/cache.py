"""Object code on disk (placeholder until the store lands): nothing is kept."""

from __future__ import annotations


def load(key: str, identity: str) -> bytes | None:
    """Stored object code, or None."""
    return None


def store(key: str, identity: str, code: bytes) -> None:
    """Keep object code."""


def forget(key: str, identity: str) -> None:
    """Drop an entry that turned out to be bad."""
