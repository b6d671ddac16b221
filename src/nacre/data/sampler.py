"""Samplers: the order in which the examples of a dataset are read, PyTorch's for the same seed.

A sampler of this file also gives its indices as arrays (`chunks`), drawn when the first of them is
needed, so that batches are slices and no list is made.
"""

from __future__ import annotations

from itertools import islice
from typing import Generic, TypeVar

import numpy as np

from nacre.base import dtypes, rng
from nacre.base.errors import fail
from nacre.base.naming import shown_in
from nacre.tensor.cell import array_of
from nacre.tensor.creation import as_tensor

T = TypeVar("T", covariant=True)


@shown_in("torch.utils.data.sampler")
class Sampler(Generic[T]):
    """The base class: `__iter__` gives indices, or lists of them, and `__len__` how many."""

    def __iter__(self):
        raise NotImplementedError


@shown_in("torch.utils.data.sampler")
class SequentialSampler(Sampler[int]):
    """0, 1, 2, … in this order."""

    def __init__(self, data_source):
        self.data_source = data_source

    def __iter__(self):
        return iter(range(len(self.data_source)))

    def __len__(self):
        return len(self.data_source)

    def chunks(self):
        """The indices as arrays."""
        yield np.arange(len(self.data_source))


@shown_in("torch.utils.data.sampler")
class RandomSampler(Sampler[int]):
    """A random order, or `num_samples` draws with `replacement`.

    Without a generator it seeds one of its own from the default generator, once an iteration.

    Raises:
        ValueError: `num_samples` (the length of the dataset by default) is not positive.
    """

    def __init__(self, data_source, replacement=False, num_samples=None, generator=None):
        self.data_source = data_source
        self.replacement = replacement
        self._num_samples = num_samples
        self.generator = generator
        if not isinstance(replacement, bool):
            fail(
                TypeError,
                f"replacement should be a boolean value, but got replacement={replacement}",
            )
        n = self.num_samples
        if not isinstance(n, int) or n <= 0:
            fail(
                ValueError,
                f"num_samples should be a positive integer value, but got num_samples={n}",
            )

    @property
    def num_samples(self):
        """How many indices an iteration gives."""
        return len(self.data_source) if self._num_samples is None else self._num_samples

    def __iter__(self):
        for chunk in self.chunks():
            yield from chunk.tolist()

    def __len__(self):
        return self.num_samples

    def chunks(self):
        """The indices as arrays, each drawn when it is asked for."""
        n = len(self.data_source)
        wanted = self.num_samples
        g = self.generator
        if g is None:
            g = rng.Generator().manual_seed(random_seed(None))
        if self.replacement:
            for _ in range(wanted // 32):
                yield rng.randint(g, 32, 0, n)
            yield rng.randint(g, wanted % 32, 0, n)
            return
        for _ in range(wanted // n):
            yield rng.randperm(g, n)
        if wanted % n or self.generator is not None:  # a generator of the user's goes on from here
            yield rng.randperm(g, n)[: wanted % n]


def random_seed(generator) -> int:
    """A seed of 63 bits drawn from a generator."""
    g = rng.default if generator is None else generator
    return int(rng.random(g, 1, dtypes.int64)[0])


@shown_in("torch.utils.data.sampler")
class SubsetRandomSampler(Sampler[int]):
    """The given indices in random order."""

    def __init__(self, indices, generator=None):
        self.indices = indices
        self.generator = generator

    def __iter__(self):
        g = rng.default if self.generator is None else self.generator
        for i in rng.randperm(g, len(self.indices)).tolist():
            yield self.indices[i]

    def __len__(self):
        return len(self.indices)


@shown_in("torch.utils.data.sampler")
class WeightedRandomSampler(Sampler[int]):
    """`num_samples` indices drawn with these weights.

    Raises:
        ValueError: a setting is of the wrong type, or the weights are not one-dimensional.
    """

    def __init__(self, weights, num_samples, replacement=True, generator=None):
        if not isinstance(num_samples, int) or isinstance(num_samples, bool) or num_samples <= 0:
            fail(
                ValueError,
                "num_samples should be a positive integer value, but got "
                f"num_samples={num_samples}",
            )
        if not isinstance(replacement, bool):
            fail(
                ValueError,
                f"replacement should be a boolean value, but got replacement={replacement}",
            )
        self.weights = as_tensor(weights, dtype=dtypes.float64)
        if len(self.weights.shape) != 1:
            fail(
                ValueError,
                "weights should be a 1d sequence but given weights have shape "
                f"{tuple(self.weights.shape)}",
            )
        self.num_samples = num_samples
        self.replacement = replacement
        self.generator = generator

    def __iter__(self):
        for chunk in self.chunks():
            yield from chunk.tolist()

    def __len__(self):
        return self.num_samples

    def chunks(self):
        """The indices as arrays."""
        g = rng.default if self.generator is None else self.generator
        yield rng.multinomial(g, array_of(self.weights), self.num_samples, self.replacement)


@shown_in("torch.utils.data.sampler")
class BatchSampler(Sampler[list[int]]):
    """Lists of `batch_size` indices from a sampler; the last one may be shorter.

    Example:
        >>> list(BatchSampler(range(5), batch_size=2, drop_last=False))
        [[0, 1], [2, 3], [4]]
    """

    def __init__(self, sampler, batch_size, drop_last):
        if not isinstance(batch_size, int) or isinstance(batch_size, bool) or batch_size <= 0:
            fail(
                ValueError,
                f"batch_size should be a positive integer value, but got batch_size={batch_size}",
            )
        if not isinstance(drop_last, bool):
            fail(ValueError, f"drop_last should be a boolean value, but got drop_last={drop_last}")
        self.sampler = sampler
        self.batch_size = batch_size
        self.drop_last = drop_last

    def __iter__(self):
        indices = iter(self.sampler)
        batch = list(islice(indices, self.batch_size))
        while batch:
            if self.drop_last and len(batch) < self.batch_size:
                return
            yield batch
            batch = list(islice(indices, self.batch_size))

    def __len__(self):
        extra = 0 if self.drop_last else self.batch_size - 1
        return (len(self.sampler) + extra) // self.batch_size

    def arrays(self):
        """The batches as arrays, where the sampler has `chunks`; drawn as late as the lists are."""
        size = self.batch_size
        rest = None
        for chunk in self.sampler.chunks():
            start = 0
            if rest is not None:
                chunk = np.concatenate([rest, chunk])
                rest = None
            while start + size <= len(chunk):
                yield chunk[start : start + size]
                start += size
            if start < len(chunk):
                rest = chunk[start:]
        if rest is not None and not self.drop_last:
            yield rest


BY_ARRAYS = (SequentialSampler, RandomSampler, WeightedRandomSampler)


def gives_arrays(batch_sampler) -> bool:
    """Whether batches can be taken as arrays: the classes are ours, not subclasses."""
    return type(batch_sampler) is BatchSampler and type(batch_sampler.sampler) in BY_ARRAYS
