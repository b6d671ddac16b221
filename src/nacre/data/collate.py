"""Making a batch of a list of examples."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence

import numpy as np

from nacre.base.dtypes import float64
from nacre.base.errors import fail
from nacre.ir.tape import requires
from nacre.ir.trace import Value
from nacre.tensor.cell import array_of
from nacre.tensor.creation import as_tensor, from_array, tensor
from nacre.tensor.functions import stack


def default_collate(batch):
    """Examples as one batch: tensors, arrays and numbers stacked along a new first dimension.

    Of dicts, tuples, lists and named tuples every entry is batched on its own (a tuple becomes a
    list); strings stay as they are. TypeError for anything else, RuntimeError if lengths differ.

    Example:
        >>> default_collate([(0, "a"), (1, "b")])
        [tensor([0, 1]), ('a', 'b')]
    """
    first = batch[0]
    if isinstance(first, Value):
        return stack_tensors(batch)
    if isinstance(first, np.ndarray):
        return _stack_arrays(batch)
    if isinstance(first, np.bool_ | np.number):
        return as_tensor(np.array(batch))
    if isinstance(first, float):
        return tensor(batch, dtype=float64)
    if isinstance(first, int):
        return tensor(batch)
    if isinstance(first, str | bytes):
        return batch
    if isinstance(first, Mapping):
        made = {name: default_collate([d[name] for d in batch]) for name in first}
        return _as_mapping(first, made)
    if isinstance(first, tuple) and hasattr(first, "_fields"):
        return type(first)(*map(default_collate, zip(*batch, strict=True)))
    if isinstance(first, Sequence):
        if any(len(example) != len(first) for example in batch):
            fail(
                RuntimeError,
                "each element in list of batch should be of equal size",
                "give the DataLoader a collate_fn that pads them",
            )
        entries = [default_collate(entry) for entry in zip(*batch, strict=True)]
        return entries if isinstance(first, tuple) else _as_sequence(first, entries)
    fail(
        TypeError,
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found "
        f"{type(first)}",
    )


def default_convert(data):
    """An example with its arrays and NumPy numbers as tensors."""
    if isinstance(data, Value | str | bytes):
        return data
    if isinstance(data, np.ndarray | np.bool_ | np.number):
        return data if data.dtype.kind in "USO" else as_tensor(data)
    if isinstance(data, Mapping):
        return _as_mapping(data, {name: default_convert(x) for name, x in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*map(default_convert, data))
    if isinstance(data, Sequence):
        entries = [default_convert(x) for x in data]
        return entries if isinstance(data, tuple) else _as_sequence(data, entries)
    return data


def stack_tensors(batch):
    """Tensors along a new first dimension: in memory, or recorded where gradients flow."""
    first = batch[0]._m
    if any(t._m.shape != first.shape or t._m.dtype is not first.dtype for t in batch):
        return stack(list(batch), 0)
    if any(requires(t) for t in batch):
        return stack(list(batch), 0)
    made = np.empty((len(batch), *first.shape), first.dtype.np)
    for i, t in enumerate(batch):
        made[i] = array_of(t)
    return from_array(made, first.dtype)


def _stack_arrays(batch):
    first = batch[0]
    if first.dtype.kind in "USO":
        fail(
            TypeError,
            "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
            f"found {first.dtype}",
        )
    return stack_tensors([as_tensor(a) for a in batch])


def _as_mapping(like, made):
    """A dict as the type of another mapping, where that can be made so."""
    try:
        if isinstance(like, MutableMapping):
            clone = copy.copy(like)
            clone.update(made)
            return clone
        return type(like)(made)
    except TypeError:
        return made


def _as_sequence(like, entries):
    """A list as the type of another sequence, where that can be made so."""
    try:
        if isinstance(like, MutableSequence):
            clone = copy.copy(like)
            for i, entry in enumerate(entries):
                clone[i] = entry
            return clone
        return type(like)(entries)
    except TypeError:
        return entries
