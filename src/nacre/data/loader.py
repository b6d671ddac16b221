"""`DataLoader`: batches of a dataset, in PyTorch's order for the same seed."""

from __future__ import annotations

import math
import warnings

import numpy as np

from nacre.base.errors import fail
from nacre.base.naming import shown_in
from nacre.data.collate import default_collate, default_convert
from nacre.data.dataset import IterableDataset, Subset, TensorDataset
from nacre.data.sampler import (
    BatchSampler,
    RandomSampler,
    SequentialSampler,
    gives_arrays,
    random_seed,
)
from nacre.ir.node import meta_of
from nacre.ir.tape import requires
from nacre.ir.trace import Storage, in_memory
from nacre.runtime.run import boundary
from nacre.tensor.cell import array_of

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


def get_worker_info():
    """What a worker process knows of itself; None, because examples are read by the caller's."""
    return None


class _Endless:
    """The sampler of an iterable dataset, which is not asked for indices."""

    def __iter__(self):
        while True:
            yield None


@shown_in("torch.utils.data.dataloader")
class DataLoader:
    """Batches of `batch_size` examples, in random order if `shuffle`.

    Args:
        dataset: with `__getitem__` and `__len__`, or an IterableDataset.
        sampler: indices, in place of `shuffle`.
        batch_sampler: lists of indices, in place of all that shapes batches.
        collate_fn: makes a batch of a list of examples; `default_collate` if None.
        drop_last: leave out a last batch that is shorter.
        generator: where the order is drawn from, in place of the default generator.
        batch_size: None gives single examples.
        num_workers: accepted; examples are read in this process, in the same order.

    Raises:
        ValueError: options exclude each other.

    Example:
        >>> data = TensorDataset(nacre.arange(5))
        >>> for (x,) in DataLoader(data, batch_size=2):
        ...     print(x)
        tensor([0, 1])
        tensor([2, 3])
        tensor([4])
    """

    _ready = False

    def __init__(
        self,
        dataset,
        batch_size=1,
        shuffle=None,
        sampler=None,
        batch_sampler=None,
        num_workers=0,
        collate_fn=None,
        pin_memory=False,
        drop_last=False,
        timeout=0,
        worker_init_fn=None,
        multiprocessing_context=None,
        generator=None,
        *,
        prefetch_factor=None,
        persistent_workers=False,
        pin_memory_device="",
        in_order=True,
    ):
        _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        iterable = isinstance(dataset, IterableDataset)
        _check_choices(iterable, batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size = None
            drop_last = False
        if sampler is None:
            if iterable:
                sampler = _Endless()
            elif shuffle:
                sampler = RandomSampler(dataset, generator=generator)
            else:
                sampler = SequentialSampler(dataset)
        if batch_size is not None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        if collate_fn is None:
            collate_fn = default_convert if batch_sampler is None else default_collate
        self.dataset = dataset
        self.batch_size = batch_size
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.drop_last = drop_last
        self.collate_fn = collate_fn
        self.generator = generator
        self.num_workers = num_workers
        self.prefetch_factor = 2 if num_workers and prefetch_factor is None else prefetch_factor
        self.persistent_workers = persistent_workers
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self._length_said = None
        self._ready = True

    def __setattr__(self, name, value):
        if self._ready and name in _FIXED:
            fail(
                ValueError,
                f"{name} attribute should not be set after {type(self).__name__} is initialized",
                "make a new DataLoader",
            )
        super().__setattr__(name, value)

    def __len__(self):
        if not isinstance(self.dataset, IterableDataset):
            return len(self.sampler if self.batch_sampler is None else self.batch_sampler)
        self._length_said = n = len(self.dataset)
        if self.batch_size is None:
            return n
        return n // self.batch_size if self.drop_last else math.ceil(n / self.batch_size)

    def __iter__(self):
        return _Batches(self, self._reader())

    def _reader(self):
        """Batches; what an iterator draws when it is made is drawn here, the order when needed."""
        if isinstance(self.dataset, IterableDataset):
            random_seed(self.generator)
            return self._from_stream()
        tensors, places = _gatherable(self)
        if tensors is not None:
            indices = self._index_arrays()
            random_seed(self.generator)
            return _gathered(tensors, places, indices)
        indices = iter(self.sampler if self.batch_sampler is None else self.batch_sampler)
        random_seed(self.generator)
        return self._from_items(indices)

    def _index_arrays(self):
        if gives_arrays(self.batch_sampler):
            return self.batch_sampler.arrays()
        return map(np.array, iter(self.batch_sampler))

    def _from_items(self, indices):
        dataset = self.dataset
        collate = self.collate_fn
        if self.batch_sampler is None:
            for i in indices:
                yield collate(dataset[i])
            return
        several = getattr(dataset, "__getitems__", None)
        for batch in indices:
            examples = [dataset[i] for i in batch] if several is None else several(batch)
            yield collate(examples)

    def _from_stream(self):
        examples = iter(self.dataset)
        collate = self.collate_fn
        if self.batch_sampler is None:
            for example in examples:
                yield collate(example)
            return
        batch = []
        for example in examples:
            batch.append(example)
            if len(batch) == self.batch_size:
                yield collate(batch)
                batch = []
        if batch and not self.drop_last:
            yield collate(batch)


class _Batches:
    """An iteration over a DataLoader."""

    __slots__ = ("_loader", "_next", "_yielded")

    def __init__(self, loader, reader):
        self._loader = loader
        self._next = reader.__next__
        self._yielded = 0

    def __iter__(self):
        return self

    def __len__(self):
        return len(self._loader)

    def __next__(self):
        boundary()
        batch = self._next()
        said = self._loader._length_said
        if said is not None:
            self._yielded += 1
            if self._yielded > said:
                warnings.warn(
                    f"Length of IterableDataset {self._loader.dataset} was reported to be {said}"
                    f"(when accessing len(dataloader)), but {self._yielded} samples have been "
                    "fetched. ",
                    UserWarning,
                    stacklevel=2,
                )
        return batch


# ---- one gather a batch -------------------------------------------------------------------------
def _gatherable(loader):
    """The tensors to gather batches from, and the places in them of a subset's indices."""
    dataset = loader.dataset
    places = None
    if loader.collate_fn is not default_collate or loader.batch_sampler is None:
        return None, None
    if type(dataset) is Subset:
        places = np.asarray(dataset.indices)
        dataset = dataset.dataset
        if places.ndim != 1 or places.dtype.kind not in "iu":
            return None, None
    kind = type(dataset)
    if not isinstance(dataset, TensorDataset) or hasattr(kind, "__getitems__"):
        return None, None
    if kind.__getitem__ is not TensorDataset.__getitem__ or any(map(requires, dataset.tensors)):
        return None, None
    return dataset.tensors, places


def _gathered(tensors, places, batches):
    """Batches as fresh memory: rows of what the tensors hold when the batch is asked for."""
    shapes = [(tuple(t._m.shape[1:]), t._m.dtype) for t in tensors]
    size = -1
    for indices in batches:
        if places is not None:
            indices = places[indices]
        if len(indices) != size:
            size = len(indices)
            metas = [meta_of((size, *shape), d) for shape, d in shapes]
        batch = []
        for t, meta in zip(tensors, metas, strict=True):
            rows = _rows(t, indices)
            if rows.ndim == 1:
                batch.append(in_memory(Storage(rows), meta))
            else:
                batch.append(in_memory(Storage(rows.reshape(-1), rows), meta))
        yield batch


def _rows(t, indices):
    """These rows of a tensor as an array of its own, row after row."""
    array = array_of(t)
    try:
        if t._m.contiguous:
            return array.take(indices, 0)
        return np.ascontiguousarray(array[indices])
    except IndexError:
        _say_index(indices, len(array))
        raise


def _say_index(indices, n):
    wrong = next(i for i in np.asarray(indices).tolist() if not -n <= i < n)
    fail(
        IndexError,
        f"index {wrong} is out of bounds for dimension 0 with size {n}",
        "the sampler gave an index that the dataset does not have",
    )


# ---- options ------------------------------------------------------------------------------------
def _check_workers(num_workers, timeout, prefetch_factor, persistent_workers):
    if num_workers < 0:
        fail(
            ValueError,
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing.",
        )
    if timeout < 0:
        fail(ValueError, "timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        fail(
            ValueError,
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > 0 "
            "to enable multiprocessing, otherwise set prefetch_factor to None.",
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        fail(ValueError, "prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        fail(ValueError, "persistent_workers option needs num_workers > 0")


def _check_choices(iterable, batch_size, shuffle, sampler, batch_sampler, drop_last):
    if iterable:
        chosen = {
            "shuffle": None if shuffle is False else shuffle,
            "sampler": sampler,
            "batch_sampler": batch_sampler,
        }
        for name, value in chosen.items():
            if value is not None:
                fail(
                    ValueError,
                    f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                    f"{name}={value}",
                )
    if sampler is not None and shuffle:
        fail(ValueError, "sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            fail(
                ValueError,
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, and "
                "drop_last",
            )
    elif batch_size is None and drop_last:
        fail(
            ValueError,
            "batch_size=None option disables auto-batching and is mutually exclusive with "
            "drop_last",
        )
