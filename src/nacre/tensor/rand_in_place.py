"""Random numbers written into a tensor: `uniform_`, `normal_` and relatives."""

from __future__ import annotations

import numpy as np

from nacre.base import rng
from nacre.base.errors import fail
from nacre.tensor import cell, creation


def _write(t, values):
    m = t._m
    with np.errstate(all="ignore"):
        values = values.astype(m.dtype.np, copy=False)
    if m.contiguous:
        values = values.reshape(m.shape)
    else:
        values = rng.in_memory_order(values, m.shape, m.strides)
    return t.copy_(creation.from_array(values))


def uniform_(self, a=0.0, b=1.0, *, generator=None):
    """Uniform random numbers in [a, b)."""
    g = rng.default if generator is None else generator
    return _write(self, rng.uniform(g, self._m.numel, self._m.dtype, a, b))


def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Normal random numbers."""
    g = rng.default if generator is None else generator
    m = self._m
    return _write(self, rng.normal(g, m.numel, m.dtype, mean, std, m.contiguous))


def random_(self, *bounds, generator=None):
    """Random integers in [from, to)."""
    g = rng.default if generator is None else generator
    return _write(self, rng.random(g, self._m.numel, self._m.dtype, *bounds))


def bernoulli_(self, p=0.5, *, generator=None):
    """1 with probability p, else 0."""
    g = rng.default if generator is None else generator
    if isinstance(p, float | int):
        if not 0 <= p <= 1:
            fail(RuntimeError, f"bernoulli_ expects p to be in [0, 1], but got p={p}")
        return _write(self, rng.bernoulli_scalar(g, self._m.numel, p))
    return _write(self, rng.bernoulli(g, np.broadcast_to(cell.array_of(p), self._m.shape)))


def exponential_(self, lambd=1.0, *, generator=None):
    """Exponentially distributed random numbers."""
    g = rng.default if generator is None else generator
    return _write(self, rng.exponential(g, self._m.numel, lambd))


def attach(kind):
    """Make them methods."""
    for function in (uniform_, normal_, random_, bernoulli_, exponential_):
        setattr(kind, function.__name__, function)
