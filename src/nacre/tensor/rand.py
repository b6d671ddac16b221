"""Random tensors: `rand`, `randn`, `randint` and relatives, and the state they draw from."""

from __future__ import annotations

import numpy as np

from nacre.base import dtypes, rng
from nacre.base.dtypes import get_default_dtype, int64
from nacre.base.errors import fail
from nacre.base.shapes import broadcast_shapes
from nacre.ir.node import meta_of
from nacre.ir.trace import Storage, Value, in_memory
from nacre.ops.rules import preserved_meta
from nacre.tensor.cell import array_of, set_data
from nacre.tensor.creation import device_name, from_array, shape_of


def source(generator):
    """The generator to draw from: the default one where none is named."""
    return rng.default if generator is None else generator


def _placed(values, meta, requires_grad=False, out=None):
    """Drawn values, in the order of memory, as a tensor."""
    with np.errstate(all="ignore"):
        flat = np.ascontiguousarray(values.astype(meta.dtype.np, copy=False)).reshape(-1)
    t = in_memory(Storage(flat, flat if flat.base is None else flat.base), meta)
    if out is not None:
        if out._m.shape != meta.shape:
            set_data(out, t)
            return out
        return out.copy_(t)
    if requires_grad:
        t.requires_grad_(True)
    return t


def _meta(name, size, named, dtype, device):
    shape = shape_of((named["size"],) if "size" in named else size, name)
    return meta_of(shape, dtype or get_default_dtype(), None, device_name(device))


# ---- of a size -----------------------------------------------------------------------------------
def rand(*size, generator=None, dtype=None, device=None, requires_grad=False, out=None, **named):
    """Uniform random numbers in [0, 1).

    Example:
        >>> _ = nacre.manual_seed(0)
        >>> nacre.rand(2)
        tensor([0.4963, 0.7682])
    """
    meta = _meta("rand", size, named, dtype, device)
    values = rng.uniform(source(generator), meta.numel, meta.dtype)
    return _placed(values, meta, requires_grad, out)


def randn(*size, generator=None, dtype=None, device=None, requires_grad=False, out=None, **named):
    """Random numbers from the standard normal distribution.

    Example:
        >>> _ = nacre.manual_seed(0)
        >>> nacre.randn(2)
        tensor([ 1.5410, -0.2934])
    """
    meta = _meta("randn", size, named, dtype, device)
    values = rng.normal(source(generator), meta.numel, meta.dtype)
    return _placed(values, meta, requires_grad, out)


def randint(*args, generator=None, dtype=None, device=None, requires_grad=False, out=None, **named):
    """Random integers from `low` (0) up to `high`, not included.

    Example:
        >>> _ = nacre.manual_seed(0)
        >>> nacre.randint(10, (3,))
        tensor([4, 9, 3])
    """
    values = list(args)
    if "size" in named:
        values.append(named["size"])
    if "high" in named:
        values.insert(len(values) - 1, named["high"])
    if "low" in named:
        values.insert(0, named["low"])
    low, high, size = values if len(values) == 3 else (0, *values)
    meta = meta_of(shape_of((size,)), dtype or int64, None, device_name(device))
    values = _integers(generator, meta, low, high)
    return _placed(values, meta, requires_grad, out)


def _integers(generator, meta, low, high):
    low, high = (x.item() if isinstance(x, Value) else x for x in (low, high))
    return rng.randint(source(generator), meta.numel, int(low), int(high), meta.dtype)


def randperm(n, *, generator=None, dtype=int64, device=None, requires_grad=False, out=None, **more):
    """A random permutation of 0 … n − 1.

    Example:
        >>> _ = nacre.manual_seed(0)
        >>> nacre.randperm(4)
        tensor([0, 1, 3, 2])
    """
    values = rng.randperm(source(generator), n)
    return _placed(values, meta_of((n,), dtype, None, device_name(device)), requires_grad, out)


# ---- like a tensor -------------------------------------------------------------------------------
def rand_like(input, *, dtype=None, device=None, requires_grad=False, generator=None, **more):
    """Uniform random numbers of a tensor's shape and type."""
    meta = preserved_meta(dtype or input._m.dtype, input._m)
    return _placed(rng.uniform(source(generator), meta.numel, meta.dtype), meta, requires_grad)


def randn_like(input, *, dtype=None, device=None, requires_grad=False, generator=None, **more):
    """Normal random numbers of a tensor's shape and type."""
    meta = preserved_meta(dtype or input._m.dtype, input._m)
    values = rng.normal(source(generator), meta.numel, meta.dtype, contiguous=meta.contiguous)
    return _placed(values, meta, requires_grad)


def randint_like(
    input, low, high=None, *, dtype=None, device=None, requires_grad=False, generator=None, **more
):
    """Random integers from `low` up to `high` (from 0 up to `low`) of a tensor's shape and type."""
    low, high = (0, low) if high is None else (low, high)
    meta = preserved_meta(dtype or input._m.dtype, input._m)
    return _placed(_integers(generator, meta, low, high), meta, requires_grad)


# ---- by parameters -------------------------------------------------------------------------------
def normal(
    mean=0.0, std=1.0, size=None, *, generator=None, dtype=None, out=None, device=None, **more
):
    """Normal random numbers with this mean and standard deviation, numbers or tensors.

    Numbers need a `size`; tensors give a number for each element.

    Example:
        >>> _ = nacre.manual_seed(0)
        >>> nacre.normal(nacre.tensor([0.0, 10.0]), 1.0)
        tensor([1.5410, 9.7066])
    """
    g = source(generator)
    tensors = [x for x in (mean, std) if isinstance(x, Value)]
    if not tensors:
        meta = meta_of(shape_of((size,)), dtype or get_default_dtype(), None, device_name(device))
        values = rng.normal(g, meta.numel, meta.dtype, mean, std)
        return _placed(values, meta, more.get("requires_grad", False), out)
    shape = broadcast_shapes(*[tuple(x._m.shape) for x in tensors])
    meta = meta_of(shape, tensors[0]._m.dtype)
    if isinstance(std, Value):
        if bool((std < 0).any()):
            fail(RuntimeError, "normal expects all elements of std >= 0.0")
        values = _placed(rng.normal(g, meta.numel, meta.dtype), meta) * std
    else:
        values = _placed(rng.normal(g, meta.numel, meta.dtype, 0.0, std), meta)
    values = values + mean
    return values if out is None else out.copy_(values)


def bernoulli(input, p=None, *, generator=None, out=None):
    """1 with each element's probability, or with probability `p` at each, else 0."""
    m = input._m
    g = source(generator)
    if p is not None:
        return _placed(rng.bernoulli_scalar(g, m.numel, p), preserved_meta(m.dtype, m), out=out)
    values = rng.bernoulli(g, array_of(input))
    return _placed(values, meta_of(tuple(m.shape), m.dtype), out=out)


def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """Indices drawn with probabilities proportional to a vector, or to each row of a matrix.

    RuntimeError if there are too few to draw from, or no probability is positive.
    """
    indices = rng.multinomial(source(generator), array_of(input), num_samples, replacement)
    return _placed(indices, meta_of(indices.shape, int64), out=out)


def poisson(input, generator=None):
    """Counts of events that come at the rate of each element."""
    m = input._m
    values = rng.poisson(source(generator), array_of(input))
    return _placed(values, meta_of(tuple(m.shape), m.dtype))


# ---- seeds and states ----------------------------------------------------------------------------
def manual_seed(seed):
    """Seed the default generator; returns it."""
    return rng.default.manual_seed(int(seed))


def initial_seed() -> int:
    """The seed of the default generator."""
    return rng.default.initial_seed()


def seed() -> int:
    """Seed the default generator from the system; returns the seed."""
    return rng.default.seed()


def state_of(generator):
    """A generator's state, a tensor of bytes in PyTorch's layout."""
    return from_array(np.frombuffer(generator.get_state_bytes(), np.uint8).copy(), dtypes.uint8)


def restore(generator, state):
    """Put a generator into a state; TypeError for anything but a tensor of bytes."""
    if not isinstance(state, Value):
        fail(TypeError, f"expected a torch.ByteTensor, but got {type(state).__name__}")
    if state._m.dtype is not dtypes.uint8:
        fail(TypeError, "RNG state must be a torch.ByteTensor")
    generator.set_state_bytes(array_of(state).tobytes())


def get_rng_state():
    """The default generator's state, a tensor of bytes in PyTorch's layout."""
    return state_of(rng.default)


def set_rng_state(new_state):
    """Put the default generator back into a state; TypeError for what is no state."""
    restore(rng.default, new_state)
