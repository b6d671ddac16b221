"""`torch.random`: the default generator and its state."""

from __future__ import annotations

from contextlib import contextmanager

from nacre.tensor.generator import default_generator
from nacre.tensor.rand import get_rng_state, initial_seed, manual_seed, seed, set_rng_state

__all__ = [
    "default_generator",
    "fork_rng",
    "get_rng_state",
    "initial_seed",
    "manual_seed",
    "seed",
    "set_rng_state",
]


@contextmanager
def fork_rng(devices=None, enabled=True, device_type="cpu"):
    """Put the default generator back afterwards into the state it had before.

    Example:
        >>> _ = nacre.manual_seed(0)
        >>> with fork_rng():
        ...     x = nacre.rand(1)
        >>> nacre.rand(1).equal(x)
        True
    """
    if not enabled:
        yield
        return
    state = get_rng_state()
    try:
        yield
    finally:
        set_rng_state(state)
