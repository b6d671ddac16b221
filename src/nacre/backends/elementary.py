"""The elementary functions in vector arithmetic (placeholder until they land)."""

from __future__ import annotations


class Elementary:
    """Mixed into the Emitter."""
