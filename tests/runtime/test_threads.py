"""Threads: each records for itself, whoever needs a value computes it, as one alone would."""

from __future__ import annotations

import queue
import sys
import threading

import numpy as np
import pytest

import nacre
from nacre.base import config
from nacre.data import DataLoader, TensorDataset
from nacre.ir.trace import TRACE
from runtime.training import Training, states

PATIENCE = 60


def in_threads(*work) -> None:
    """Run functions in a thread each; raises what one of them raised, and fails if one hangs."""
    errors = []

    def run(f) -> None:
        try:
            f()
        except BaseException as error:
            errors.append(error)

    workers = [threading.Thread(target=run, args=(f,), daemon=True) for f in work]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(PATIENCE)
        assert not worker.is_alive(), "a thread hangs"
    if errors:
        raise errors[0]


@pytest.fixture(autouse=True)
def busy_switching():
    """Threads take turns far more often than usual."""
    before = sys.getswitchinterval()
    sys.setswitchinterval(2e-5)
    yield
    sys.setswitchinterval(before)


@pytest.mark.parametrize("hot", [1, 3, 1 << 30])
def test_values_pending_in_a_thread_that_ended(monkeypatch, hot: int) -> None:
    monkeypatch.setattr(config, "HOT", hot)
    for _ in range(4):
        made = []

        def produce(made=made) -> None:
            x = nacre.arange(4.0)
            made.extend([x * 2, x + 1, (x * 2).sum()])
            made[1] += made[0]

        in_threads(produce)
        assert made[2].item() == 12.0
        assert (made[0] + made[1]).tolist() == [1.0, 6.0, 11.0, 16.0]
        made[0] += 1
        assert made[0].tolist() == [1.0, 3.0, 5.0, 7.0]
        assert made[1].tolist() == [1.0, 4.0, 7.0, 10.0]


def test_gradients_through_what_another_thread_recorded() -> None:
    w = nacre.tensor([1.0, 2.0], requires_grad=True)
    made = []
    in_threads(lambda: made.append((w * w).sum()))
    made[0].backward()
    assert w.grad.tolist() == [2.0, 4.0]
    in_threads(lambda: (w * 3).sum().backward())
    assert w.grad.tolist() == [5.0, 7.0]


@pytest.mark.parametrize("hot", [1, 3])
def test_what_a_reader_wrote_is_not_computed_again(monkeypatch, hot: int) -> None:
    """The owner's stretch looks as it did the last time, but a reader changed one of its values."""
    monkeypatch.setattr(config, "HOT", hot)
    asked, answered = queue.Queue(), queue.Queue()

    def change() -> None:
        for write in iter(asked.get, None):
            write()
            answered.put(None)

    def ask(write) -> None:
        asked.put(write)
        answered.get(timeout=PATIENCE)

    worker = threading.Thread(target=change, daemon=True)
    worker.start()
    for turn in range(8):
        x = nacre.ones(3)
        y = x * 2
        z = y + 1

        def write(y=y) -> None:
            y += 5
            y.tolist()

        ask(write if turn % 2 else lambda: None)
        assert z.tolist() == [3.0] * 3
        assert y.tolist() == [7.0 if turn % 2 else 2.0] * 3
    asked.put(None)
    worker.join(PATIENCE)


def test_training_in_two_threads_at_once() -> None:
    n = 120
    known = [states(n, seed) for seed in (1, 2)]
    trainings = [Training(1), Training(2)]

    def train(i: int) -> None:
        for k in range(n):
            trainings[i].step(observe=k % 3 == i)
            if k % 7 == i:
                assert trainings[i].state() == known[i][k + 1]

    in_threads(lambda: train(0), lambda: train(1))
    assert [t.state() for t in trainings] == [states_[-1] for states_ in known]


def test_first_sights_in_two_threads_at_once() -> None:
    wrong = []

    def work(offset: int) -> None:
        for n in range(2, 60):
            x = nacre.arange(float(n)) + offset
            y = (x * 2 - 1).reshape(1, n).expand(3, n).sum(0)
            want = 3 * (2 * (np.arange(n, dtype=np.float32) + offset) - 1)
            if y.tolist() != want.tolist():
                wrong.append(n)

    in_threads(*[lambda i=i: work(i) for i in range(3)])
    assert not wrong


def test_readers_while_a_model_trains() -> None:
    """Without a lock of the program's a reader sees parameters of some step, never of none."""
    n = 150
    training = Training()
    first = training.model[0].bias
    known = set()
    twin = Training()
    for _ in range(n + 1):
        known.add(tuple(twin.model[0].bias.tolist()))
        twin.step()
    stop = threading.Event()
    seen = []

    def read() -> None:
        while not stop.is_set():
            seen.append(tuple((first + 0).tolist()))

    def train() -> None:
        try:
            for _ in range(n):
                training.step()
        finally:
            stop.set()

    in_threads(train, read, read)
    assert set(seen) <= known
    assert len(set(seen)) > 1


def test_producers_and_a_consumer() -> None:
    """Two threads prepare batches, pending or not, and a third trains on them."""
    x = nacre.arange(240.0).reshape(60, 4) / 100
    data = TensorDataset(x, nacre.arange(60))
    ready: queue.Queue = queue.Queue(3)

    def produce(parity: int) -> None:
        for i, (batch, places) in enumerate(DataLoader(data, batch_size=5)):
            if i % 2 == parity:
                ready.put((i, (batch * 2 - 1) / 3, places + 1))
        ready.put(None)

    def gradients(batches) -> list:
        w = nacre.ones(4, requires_grad=True)
        for _, batch, places in batches:
            ((batch @ w) * places).sum().backward()
        return w.grad.tolist()

    found = []

    def consume() -> None:
        ends = 0
        while ends < 2:
            item = ready.get(timeout=PATIENCE)
            if item is None:
                ends += 1
            else:
                found.append(item)

    in_threads(lambda: produce(0), lambda: produce(1), consume)
    found.sort(key=lambda item: item[0])
    serial = [
        (i, (batch * 2 - 1) / 3, places + 1)
        for i, (batch, places) in enumerate(DataLoader(data, batch_size=5))
    ]
    assert len(found) == len(serial) == 12
    for got, want in zip(found, serial, strict=True):
        assert got[1].tolist() == want[1].tolist()
        assert got[2].tolist() == want[2].tolist()
    assert gradients(found) == gradients(serial)


def test_two_threads_read_each_others_pending_values() -> None:
    """Neither waits for the other: a value is computed by whoever needs it."""
    barrier = threading.Barrier(2, timeout=PATIENCE)
    boxes = [None, None]
    sums = [[], []]

    def work(me: int) -> None:
        for k in range(50):
            boxes[me] = nacre.ones(3) * (k + me)
            barrier.wait()
            sums[me].append((boxes[1 - me] + boxes[me]).sum().item())
            barrier.wait()

    in_threads(lambda: work(0), lambda: work(1))
    assert sums[0] == sums[1] == [3.0 * (2 * k + 1) for k in range(50)]


def test_modes_belong_to_a_thread() -> None:
    seen = []
    with nacre.no_grad():
        in_threads(lambda: seen.append(nacre.is_grad_enabled()))
        assert not nacre.is_grad_enabled()
    assert seen == [True]
    stretch = TRACE.stretch
    in_threads(lambda: seen.append(TRACE.stretch is stretch))
    assert seen == [True, False]
