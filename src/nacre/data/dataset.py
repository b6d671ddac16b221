"""Datasets: examples by index, or one after the other."""

from __future__ import annotations

import math
import warnings
from bisect import bisect_right
from itertools import accumulate
from typing import Generic, Iterable, TypeVar  # noqa: UP035 - a generic base class

from nacre.base import rng
from nacre.base.errors import fail
from nacre.base.naming import shown_in

T = TypeVar("T", covariant=True)


@shown_in("torch.utils.data.dataset")
class Dataset(Generic[T]):
    """The base class: `__getitem__(index)` gives an example and `__len__()` their number."""

    def __getitem__(self, index) -> T:
        raise NotImplementedError("Subclasses of Dataset should implement __getitem__.")

    def __add__(self, other):
        return ConcatDataset([self, other])


@shown_in("torch.utils.data.dataset")
class IterableDataset(Dataset[T], Iterable[T]):
    """A dataset that is read from the start: `__iter__`, which it must have, gives the examples."""

    def __add__(self, other):
        return ChainDataset([self, other])


@shown_in("torch.utils.data.dataset")
class TensorDataset(Dataset[tuple]):
    """Tensors read along their first dimension, which must be of one size.

    A DataLoader gathers a whole batch at once from each.

    Example:
        >>> data = TensorDataset(nacre.arange(4), nacre.arange(4) * 10)
        >>> data[1]
        (tensor(1), tensor(10))
    """

    def __init__(self, *tensors):
        if any(t.size(0) != tensors[0].size(0) for t in tensors):
            fail(
                AssertionError,
                "Size mismatch between tensors",
                f"the first dimensions are {[t.size(0) for t in tensors]}",
            )
        self.tensors = tensors

    def __getitem__(self, index):
        return tuple([t[index] for t in self.tensors])

    def __len__(self):
        return self.tensors[0].size(0)


@shown_in("torch.utils.data.dataset")
class StackDataset(Dataset):
    """Several datasets side by side: tuples, or dicts if they are given by name."""

    def __init__(self, *args, **kwargs):
        if args and kwargs:
            fail(
                ValueError,
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like "
                "input/output, but both types are given.",
            )
        if not args and not kwargs:
            fail(ValueError, "At least one dataset should be passed")
        self.datasets = args or kwargs
        lengths = [len(d) for d in args or kwargs.values()]
        if len(set(lengths)) > 1:
            fail(ValueError, "Size mismatch between datasets", f"their lengths are {lengths}")
        self._length = lengths[0]

    def __getitem__(self, index):
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple([dataset[index] for dataset in self.datasets])

    def __len__(self):
        return self._length


@shown_in("torch.utils.data.dataset")
class ConcatDataset(Dataset[T]):
    """Several datasets one after the other."""

    def __init__(self, datasets):
        self.datasets = list(datasets)
        if not self.datasets:
            fail(AssertionError, "datasets should not be an empty iterable")
        if any(isinstance(d, IterableDataset) for d in self.datasets):
            fail(AssertionError, "ConcatDataset does not support IterableDataset")
        self.cumulative_sizes = list(accumulate(map(len, self.datasets)))

    def __len__(self):
        return self.cumulative_sizes[-1]

    def __getitem__(self, idx):
        if idx < 0:
            if -idx > len(self):
                fail(ValueError, "absolute value of index should not exceed dataset length")
            idx += len(self)
        which = bisect_right(self.cumulative_sizes, idx)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][idx - before]


@shown_in("torch.utils.data.dataset")
class ChainDataset(IterableDataset):
    """Several iterable datasets one after the other."""

    def __init__(self, datasets):
        self.datasets = datasets

    def _checked(self):
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                fail(AssertionError, "ChainDataset only supports IterableDataset")
            yield dataset

    def __iter__(self):
        for dataset in self._checked():
            yield from dataset

    def __len__(self):
        return sum(map(len, self._checked()))


@shown_in("torch.utils.data.dataset")
class Subset(Dataset[T]):
    """The examples of a dataset at these indices."""

    def __init__(self, dataset, indices):
        self.dataset = dataset
        self.indices = indices
        kind = type(self)
        if kind.__getitem__ is not Subset.__getitem__ and kind.__getitems__ is Subset.__getitems__:
            fail(
                NotImplementedError,
                f"{kind.__name__} overrides __getitem__ but not __getitems__. When subclassing "
                "Subset and overriding __getitem__, you must also override __getitems__ to ensure "
                "DataLoader works correctly with your custom logic.",
                "for example: return [self[i] for i in indices]",
            )

    def __getitem__(self, idx):
        if isinstance(idx, list):
            return self.dataset[[self.indices[i] for i in idx]]
        return self.dataset[self.indices[idx]]

    def __getitems__(self, indices):
        places = [self.indices[i] for i in indices]
        several = getattr(self.dataset, "__getitems__", None)
        return [self.dataset[i] for i in places] if several is None else several(places)

    def __len__(self):
        return len(self.indices)


def random_split(dataset, lengths, generator=None) -> list[Subset]:
    """Split a dataset at random into parts of these lengths, or fractions that sum up to 1.

    What fractions leave over goes to the parts in turn. ValueError if lengths do not add up.

    Example:
        >>> [len(part) for part in random_split(range(10), [0.5, 0.3, 0.2])]
        [5, 3, 2]
    """
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        lengths = _whole_lengths(len(dataset), lengths)
    if sum(lengths) != len(dataset):
        fail(
            ValueError,
            "Sum of input lengths does not equal the length of the input dataset!",
            f"{sum(lengths)} is not {len(dataset)}",
        )
    g = rng.default if generator is None else generator
    order = rng.randperm(g, sum(lengths)).tolist()
    ends = accumulate(lengths)
    return [Subset(dataset, order[end - n : end]) for end, n in zip(ends, lengths, strict=True)]


def _whole_lengths(n, fractions):
    lengths = []
    for i, fraction in enumerate(fractions):
        if not 0 <= fraction <= 1:
            fail(ValueError, f"Fraction at index {i} is not between 0 and 1")
        lengths.append(math.floor(n * fraction))
    for i in range(n - sum(lengths)):
        lengths[i % len(lengths)] += 1
    for i, length in enumerate(lengths):
        if not length:
            warnings.warn(
                f"Length of split at index {i} is 0. This might result in an empty dataset.",
                UserWarning,
                stacklevel=3,
            )
    return lengths
