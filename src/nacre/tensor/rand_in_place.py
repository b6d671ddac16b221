"""Random numbers written into a tensor: `uniform_`, `normal_` and relatives.

Numbers are drawn when the method is called, and only if the tensor may be written.
"""

from __future__ import annotations

import numpy as np

from nacre.base import rng
from nacre.base.errors import fail
from nacre.base.shapes import is_dense
from nacre.ir.node import meta_of
from nacre.ir.tape import requires
from nacre.ir.trace import Storage, in_memory
from nacre.runtime.run import commit
from nacre.tensor import cell
from nacre.tensor.rand import bernoulli, multinomial, source


def _checked(t):
    cell.check_writable(t)
    cell.check_leaf(t, requires(t))
    return t._m


def _write(t, values):
    """Write drawn values, which come in the order of memory."""
    m = t._m
    with np.errstate(all="ignore"):
        values = values.astype(m.dtype.np, copy=False).reshape(-1)
    c = t._c
    cell.settled(c)
    flat = Storage(values, values if values.base is None else values.base)
    dense = is_dense(tuple(m.shape), m.strides)
    if cell.is_whole(t) and dense and not cell.writes_memory(t) and not requires(t):
        commit([(c, "data", flat), (c, "stretch", None), (c, "entered", None)])
        cell.bump(t)
        return t
    if dense:
        return t.copy_(in_memory(flat, meta_of(tuple(m.shape), m.dtype, m.strides)))
    array = rng.in_memory_order(values, m.shape, m.strides)
    strides = tuple([q // array.itemsize for q in array.strides])
    return t.copy_(in_memory(flat, meta_of(tuple(m.shape), m.dtype, strides)))


def uniform_(self, a=0.0, b=1.0, *, generator=None):
    """Uniform random numbers in [a, b)."""
    m = _checked(self)
    return _write(self, rng.uniform(source(generator), m.numel, m.dtype, a, b))


def normal_(self, mean=0.0, std=1.0, *, generator=None):
    """Normal random numbers."""
    m = _checked(self)
    return _write(self, rng.normal(source(generator), m.numel, m.dtype, mean, std, m.contiguous))


def random_(self, *bounds, generator=None):
    """Random integers in [from, to); without bounds up to the largest that the type holds."""
    m = _checked(self)
    return _write(self, rng.random(source(generator), m.numel, m.dtype, *bounds))


def bernoulli_(self, p=0.5, *, generator=None):
    """1 with probability p, a number or a tensor, else 0."""
    m = _checked(self)
    g = source(generator)
    if isinstance(p, float | int):
        if not 0 <= p <= 1:
            fail(RuntimeError, f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
        return _write(self, rng.bernoulli_scalar(g, m.numel, p))
    chances = np.broadcast_to(cell.array_of(p), m.shape)
    order = np.argsort([-q for q in m.strides], kind="stable")  # as memory is walked
    return _write(self, rng.bernoulli(g, chances.transpose(order)))


def exponential_(self, lambd=1.0, *, generator=None):
    """Exponentially distributed random numbers."""
    m = _checked(self)
    return _write(self, rng.exponential(source(generator), m.numel, lambd, m.dtype))


def geometric_(self, p, *, generator=None):
    """How many trials up to the first success, which comes with probability p."""
    m = _checked(self)
    return _write(self, rng.geometric(source(generator), m.numel, p, m.dtype))


def log_normal_(self, mean=1.0, std=2.0, *, generator=None):
    """Exponentials of normal random numbers."""
    m = _checked(self)
    return _write(self, rng.log_normal(source(generator), m.numel, mean, std, m.dtype))


def cauchy_(self, median=0.0, sigma=1.0, *, generator=None):
    """Random numbers from the Cauchy distribution."""
    m = _checked(self)
    return _write(self, rng.cauchy(source(generator), m.numel, median, sigma, m.dtype))


def attach(kind):
    """Make them methods."""
    for function in (
        uniform_,
        normal_,
        random_,
        bernoulli_,
        exponential_,
        geometric_,
        log_normal_,
        cauchy_,
        bernoulli,
        multinomial,
    ):
        setattr(kind, function.__name__, function)
