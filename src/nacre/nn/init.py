"""Initialisation of parameters, in place and with PyTorch's random numbers."""

from __future__ import annotations

import functools
import math
import warnings

import numpy as np

from nacre.autograd.modes import no_grad
from nacre.base import rng
from nacre.base.errors import fail
from nacre.tensor import creation
from nacre.tensor.cell import array_of

_LINEAR = (
    "linear",
    "conv1d",
    "conv2d",
    "conv3d",
    "conv_transpose1d",
    "conv_transpose2d",
    "conv_transpose3d",
    "sigmoid",
)


def calculate_gain(nonlinearity, param=None):
    """The factor by which a nonlinearity shrinks the standard deviation, to be undone.

    Example:
        >>> nacre.nn.init.calculate_gain("leaky_relu", 0.2)
        1.3867504905630728
    """
    if nonlinearity in _LINEAR:
        return 1
    if nonlinearity == "tanh":
        return 5.0 / 3
    if nonlinearity == "relu":
        return math.sqrt(2.0)
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            fail(ValueError, f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity == "selu":
        return 3.0 / 4
    fail(ValueError, f"Unsupported nonlinearity {nonlinearity}")


# ---- constants ----------------------------------------------------------------------------------
def constant_(tensor, val):
    """Fill with one value."""
    with no_grad():
        return tensor.fill_(val)


def ones_(tensor):
    """Fill with ones."""
    return constant_(tensor, 1.0)


def zeros_(tensor):
    """Fill with zeros."""
    with no_grad():
        return tensor.zero_()


def _write(tensor, array):
    with no_grad():
        return tensor.copy_(creation.from_array(np.ascontiguousarray(array)))


def eye_(tensor):
    """Fill a matrix with the identity: inputs pass through a linear layer as they are."""
    if tensor.ndim != 2:
        fail(ValueError, "Only tensors with 2 dimensions are supported")
    return _write(tensor, np.eye(*tensor.shape, dtype=tensor.dtype.np))


def dirac_(tensor, groups=1):
    """Fill the kernel of a convolution so that channels pass through as they are."""
    if tensor.ndim not in (3, 4, 5):
        fail(ValueError, "Only tensors with 3, 4, or 5 dimensions are supported")
    sizes = tuple(tensor.shape)
    if sizes[0] % groups != 0:
        fail(ValueError, "dim 0 must be divisible by groups")
    per_group = sizes[0] // groups
    centre = tuple([n // 2 for n in sizes[2:]])
    array = np.zeros(sizes, tensor.dtype.np)
    for group in range(groups):
        for channel in range(min(per_group, sizes[1])):
            array[(group * per_group + channel, channel, *centre)] = 1
    return _write(tensor, array)


# ---- random -------------------------------------------------------------------------------------
def uniform_(tensor, a=0.0, b=1.0, generator=None):
    """Fill from the uniform distribution over [a, b)."""
    with no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor, mean=0.0, std=1.0, generator=None):
    """Fill from the normal distribution."""
    with no_grad():
        return tensor.normal_(mean, std, generator=generator)


def _below(x):
    """The probability that a standard normal number is below x."""
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None):
    """Fill from the normal distribution, drawing again whatever falls outside [a, b]."""
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. The distribution of "
            "values may be incorrect.",
            stacklevel=3,
        )
    draw = _Draws(tensor, generator)
    if _below((b - mean) / std) - _below((a - mean) / std) > 0.3:
        values = _by_redrawing(draw, mean, std, a, b)
    else:
        values = _by_rejection(draw, mean, std, a, b)
    return _write(tensor, values.reshape(tuple(tensor.shape)))


class _Draws:
    """Whole tensors of random numbers, of the type of the one to be filled."""

    def __init__(self, tensor, generator):
        self.generator = rng.default if generator is None else generator
        self.n = tensor.numel()
        self.dtype = tensor.dtype

    def normal(self, mean, std):
        return rng.normal(self.generator, self.n, self.dtype, mean, std)

    def uniform(self, a=0.0, b=1.0):
        return rng.uniform(self.generator, self.n, self.dtype, a, b)


def _by_redrawing(draw, mean, std, a, b):
    """Draws for all elements again and again, each kept by those that are still outside."""
    low, high = draw.dtype.np.type(a), draw.dtype.np.type(b)
    values = draw.normal(mean, std)
    while True:
        outside = (values < low) | (values > high)
        if not outside.any():
            return values
        values = np.where(outside, draw.normal(mean, std), values)


def _by_rejection(draw, mean, std, a, b):
    """Uniform candidates, each kept with a probability in proportion to the density."""
    kind = draw.dtype.np.type
    peak = -0.5 * ((max(a, min(mean, b)) - mean) / std) ** 2

    def refused(candidates):
        density = (candidates - kind(mean)) / kind(std)
        density = density * density * kind(-0.5) - kind(peak)
        with np.errstate(divide="ignore"):
            return np.log(draw.uniform()) > density

    values = draw.uniform(a, b)
    pending = refused(values)
    while pending.any():
        candidates = draw.uniform(a, b)
        values = np.where(pending, candidates, values)
        pending = np.where(pending, refused(candidates), pending)
    return values


# ---- by the size of the layer -------------------------------------------------------------------
def _calculate_fan_in_and_fan_out(tensor):
    """How many inputs an output depends on, and how many outputs an input reaches."""
    if tensor.ndim < 2:
        fail(
            ValueError,
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions",
        )
    field = math.prod(tensor.shape[2:])
    return tensor.shape[1] * field, tensor.shape[0] * field


def _calculate_correct_fan(tensor, mode):
    mode = mode.lower()
    if mode not in ("fan_in", "fan_out"):
        fail(
            ValueError,
            f"Mode {mode} not supported, please use one of ['fan_in', 'fan_out']",
        )
    return _calculate_fan_in_and_fan_out(tensor)[mode == "fan_out"]


def _xavier_std(tensor, gain):
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    return gain * math.sqrt(2.0 / float(fan_in + fan_out))


def xavier_uniform_(tensor, gain=1.0, generator=None):
    """Fill uniformly in [-a, a] with a = gain · √(6 / (fan_in + fan_out))."""
    bound = math.sqrt(3.0) * _xavier_std(tensor, gain)
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor, gain=1.0, generator=None):
    """Fill normally with standard deviation gain · √(2 / (fan_in + fan_out))."""
    return normal_(tensor, 0.0, _xavier_std(tensor, gain), generator)


def _kaiming_std(tensor, a, mode, nonlinearity):
    """The standard deviation gain / √fan, or None for a tensor without elements."""
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Fill uniformly in [-b, b] with b = gain · √(3 / fan)."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(tensor, a=0, mode="fan_in", nonlinearity="leaky_relu", generator=None):
    """Fill normally with standard deviation gain / √fan."""
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    return normal_(tensor, 0, std, generator)


def orthogonal_(tensor, gain=1, generator=None):
    """Fill with a (semi-)orthogonal matrix: the Q of a QR decomposition of normal numbers."""
    if tensor.ndim < 2:
        fail(ValueError, "Only tensors with 2 or more dimensions are supported")
    if not tensor.numel():
        return tensor
    rows = tensor.shape[0]
    cols = tensor.numel() // rows
    drawn = _Draws(tensor, generator).normal(0, 1).reshape(rows, cols)
    q, r = np.linalg.qr(drawn.T if rows < cols else drawn)
    q = q * np.sign(np.diag(r))
    q = q.T if rows < cols else q
    values = (q * tensor.dtype.np.type(gain)).astype(tensor.dtype.np)
    return _write(tensor, values.reshape(tuple(tensor.shape)))


def sparse_(tensor, sparsity, std=0.01, generator=None):
    """Fill a matrix normally, with a fraction `sparsity` of each column set to zero."""
    if tensor.ndim != 2:
        fail(ValueError, "Only tensors with 2 dimensions are supported")
    rows, cols = tensor.shape
    zeros = math.ceil(sparsity * rows)
    normal_(tensor, 0, std, generator)
    array = array_of(tensor).copy()
    for column in range(cols):
        # the permutation is drawn from the default generator, as in PyTorch
        array[rng.randperm(rng.default, rows)[:zeros], column] = 0
    return _write(tensor, array)


# ---- names without the underscore ---------------------------------------------------------------
def _deprecated(function):
    name = function.__name__[:-1]

    @functools.wraps(function)
    def old(*args, **kwargs):
        warnings.warn(
            f"`nn.init.{name}` is now deprecated in favor of `nn.init.{name}_`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    old.__name__ = old.__qualname__ = name
    old.__doc__ = f"The former name of `{name}_`."
    return old


uniform = _deprecated(uniform_)
normal = _deprecated(normal_)
constant = _deprecated(constant_)
eye = _deprecated(eye_)
dirac = _deprecated(dirac_)
xavier_uniform = _deprecated(xavier_uniform_)
xavier_normal = _deprecated(xavier_normal_)
kaiming_uniform = _deprecated(kaiming_uniform_)
kaiming_normal = _deprecated(kaiming_normal_)
orthogonal = _deprecated(orthogonal_)
sparse = _deprecated(sparse_)
