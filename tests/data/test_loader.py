"""Batches of a TensorDataset are gathered, see what was written, and are cheap."""

from __future__ import annotations

import pickle
import time

import numpy as np
import pytest

import nacre
from nacre.data import DataLoader, RandomSampler, Subset, TensorDataset, loader


def dataset(n=12):
    return TensorDataset(nacre.arange(2.0 * n).reshape(n, 2), nacre.arange(n))


def test_batches_are_in_memory_and_their_own():
    data = dataset()
    data.tensors[0].tolist()
    for x, _ in DataLoader(data, 4):
        assert x._c.data is not None
        x.zero_()
    assert data.tensors[0].sum().item() == sum(range(24))


def test_batches_see_what_was_written_before_they_are_asked_for():
    data = dataset()
    seen = []
    for x, _ in DataLoader(data, 4):
        seen.append(x[0, 0].item())
        data.tensors[0].add_(100)
    assert seen == [0.0, 108.0, 216.0]


def test_memory_that_numpy_writes_is_read_when_a_batch_is_made():
    array = np.zeros((4, 1), np.float32)
    batches = iter(DataLoader(TensorDataset(nacre.from_numpy(array)), 2))
    array[:] = 5
    (first,) = next(batches)
    array[:] = 7
    assert first.tolist() == [[5.0], [5.0]]
    assert next(batches)[0].tolist() == [[7.0], [7.0]]


def test_gradients_flow_through_batches_of_tensors_that_require_them():
    x = nacre.ones(4, 2, requires_grad=True)
    for (batch,) in DataLoader(TensorDataset(x), 2):
        (batch * 3).sum().backward()
    assert x.grad.tolist() == [[3.0, 3.0]] * 4


def test_a_subclass_that_reads_in_its_own_way_is_asked():
    class Doubled(TensorDataset):
        def __getitem__(self, index):
            return tuple(t * 2 for t in super().__getitem__(index))

    data = Doubled(nacre.arange(4))
    assert [b[0].tolist() for b in DataLoader(data, 3)] == [[0, 2, 4], [6]]


def test_a_sampler_of_the_users_class_is_asked():
    class Reversed(RandomSampler):
        def __iter__(self):
            return iter(range(len(self.data_source) - 1, -1, -1))

    data = dataset(5)
    assert [b[1].tolist() for b in DataLoader(data, 2, sampler=Reversed(data))] == [
        [4, 3],
        [2, 1],
        [0],
    ]


def test_workers_are_accepted():
    data = dataset(5)
    nacre.manual_seed(3)
    alone = [b[1].tolist() for b in DataLoader(data, 2, shuffle=True)]
    nacre.manual_seed(3)
    batches = DataLoader(data, 2, shuffle=True, num_workers=4, persistent_workers=True)
    assert [b[1].tolist() for b in batches] == alone
    assert batches.prefetch_factor == 2


def test_length_of_an_iteration_and_of_a_loader():
    batches = DataLoader(dataset(5), 2)
    assert len(batches) == len(iter(batches)) == 3


def test_an_iterable_dataset_that_is_longer_than_it_says_is_told_of():
    class Long(nacre.data.IterableDataset):
        def __len__(self):
            return 1

        def __iter__(self):
            return iter(range(3))

    batches = DataLoader(Long())
    assert len(batches) == 1
    with pytest.warns(UserWarning, match="reported to be 1"):
        assert len(list(batches)) == 3


def test_torch_utils_data_is_this_module():
    import nacre.utils.data.sampler as under_another_name

    from nacre.data.sampler import Sampler

    assert under_another_name.Sampler is Sampler
    assert nacre.utils.data is nacre.data


@pytest.mark.parametrize("wrap", [lambda d: d, lambda d: Subset(d, range(0, len(d), 2))])
def test_a_batch_takes_one_gather_for_each_tensor(wrap, monkeypatch):
    data = wrap(dataset(1000))
    taken = []
    real = loader.array_of
    monkeypatch.setattr(loader, "array_of", lambda t: taken.append(1) or real(t))
    batches = list(DataLoader(data, 10, shuffle=True))
    assert len(taken) == 2 * len(batches)


def test_a_batch_of_ten_is_cheap():
    batches = DataLoader(dataset(2000), 10, shuffle=True)
    best = 1.0
    for _ in range(10):
        start = time.perf_counter()
        for _ in batches:
            pass
        best = min(best, (time.perf_counter() - start) / len(batches))
    assert best < 50e-6  # about 8 µs where nothing else runs


def test_loaders_show_under_pytorchs_names_and_pickle():
    batches = DataLoader(dataset(4), 3)
    assert repr(DataLoader) == "<class 'torch.utils.data.dataloader.DataLoader'>"
    again = pickle.loads(pickle.dumps(batches))
    assert [b[1].tolist() for b in again] == [[0, 1, 2], [3]]
