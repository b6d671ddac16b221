"""Random numbers written into a tensor: `uniform_`, `normal_` and relatives."""

from __future__ import annotations

import numpy as np

from nacre.base import rng
from nacre.base.errors import fail
from nacre.ir.trace import TRACE
from nacre.tensor import cell, creation


def _write(t, values):
    before, TRACE.grad = TRACE.grad, TRACE.grad
    try:
        with np.errstate(all="ignore"):
            source = creation.from_array(values.reshape(t._m.shape).astype(t._m.dtype.np))
        return t.copy_(source)
    finally:
        TRACE.grad = before


def uniform_(self, a=0.0, b=1.0, *, generator=None):
    """Uniform random numbers in [a, b)."""
    if a > b:
        fail(
            RuntimeError,
            f"uniform_ expects to return a [from, to) range, but found from={a} > to={b}",
        )
    g = rng.default if generator is None else generator
    return _write(self, rng.uniform(g, self._m.numel, self._m.dtype, a, b))


def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Normal random numbers."""
    if std < 0:
        fail(RuntimeError, f"normal expects std >= 0.0, but found std {std}")
    g = rng.default if generator is None else generator
    return _write(self, rng.normal(g, self._m.numel, self._m.dtype, mean, std))


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
