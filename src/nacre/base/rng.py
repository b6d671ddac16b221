"""Random numbers with PyTorch's CPU streams, as NumPy arrays.

Every function takes the generator first and draws at once, so numbers come in program order.
Arrays are flat, in the order in which PyTorch visits the elements: `in_memory_order` lays them
out for a tensor that is not contiguous.

Where PyTorch has several streams, these are the generic ones: builds with MKL on Intel processors
draw `bernoulli_(p)`, dropout and `exponential_` otherwise. float32 `normal` of 16 values or more
agrees to 3e-7, because PyTorch's sine and logarithm are approximate there.
"""

from __future__ import annotations

import numpy as np

from nacre.base.generator import STATE_SIZE, Generator, default
from nacre.base.rng_floats import cauchy, exponential, geometric, log_normal, normal, uniform
from nacre.base.rng_integers import (
    bernoulli,
    bernoulli_scalar,
    dropout_mask,
    multinomial,
    poisson,
    randint,
    random,
    randperm,
)
from nacre.base.shapes import elementwise_strides

__all__ = [
    "STATE_SIZE",
    "Generator",
    "bernoulli",
    "bernoulli_scalar",
    "cauchy",
    "default",
    "dropout_mask",
    "exponential",
    "geometric",
    "in_memory_order",
    "log_normal",
    "multinomial",
    "normal",
    "poisson",
    "randint",
    "random",
    "randperm",
    "uniform",
]


def in_memory_order(values: np.ndarray, shape: tuple, strides: tuple) -> np.ndarray:
    """Drawn values as an array of `shape`, in the order PyTorch fills a tensor of these strides.

    PyTorch walks memory, not indices: `torch.empty(2, 3).t().normal_()` fills row after row of
    the untransposed tensor.

        >>> in_memory_order(np.arange(6), (3, 2), (1, 3))
        array([[0, 3],
               [1, 4],
               [2, 5]])
    """
    dense = elementwise_strides(tuple(shape), ((tuple(shape), tuple(strides)),))
    steps = [step * values.itemsize for step in dense]
    return np.lib.stride_tricks.as_strided(values, shape, steps, writeable=False)
