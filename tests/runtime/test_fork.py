"""A fork with work pending and threads at work: both sides go on, with the same values."""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
import time
import traceback

import pytest

import nacre
from nacre.base import forks
from nacre.ir.node import ROOT
from nacre.ir.trace import TRACE
from nacre.runtime.run import evaluate
from runtime.training import Training, states

pytestmark = [
    pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork"),
    pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning"),
]
PATIENCE = 60
BIG = 400_000  # elements: enough for both threads of the pool


def in_child(work) -> None:
    """Fork; `work()` must be true in the child, which must end by itself."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            code = 0 if work() else 2
        except BaseException:
            traceback.print_exc()
        finally:
            sys.stderr.flush()
            os._exit(code)
    end = time.monotonic() + PATIENCE
    while time.monotonic() < end:
        found, status = os.waitpid(child, os.WNOHANG)
        if found:
            assert os.waitstatus_to_exitcode(status) == 0
            return
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    pytest.fail("the child hangs")


@pytest.fixture(autouse=True)
def threads():
    before = nacre.get_num_threads()
    nacre.set_num_threads(2)
    yield
    nacre.set_num_threads(before)


def heat() -> None:
    """Make the pool's threads run."""
    x = nacre.ones(BIG)
    for _ in range(4):
        assert nacre.tanh(x * 2).sum().item() > 0


def test_pending_work_is_done_before_a_fork() -> None:
    x = nacre.arange(4.0)
    y = x * 2
    y += 1
    seen = []
    in_child(lambda: TRACE.stretch.node is ROOT and y.tolist() == [1.0, 3.0, 5.0, 7.0])
    seen.append(TRACE.stretch.node is ROOT)
    assert y.tolist() == [1.0, 3.0, 5.0, 7.0]
    assert seen == [True]


def test_a_hot_pool() -> None:
    x = nacre.arange(float(BIG)) / BIG
    want = nacre.tanh(x).sum().item()
    for _ in range(3):
        heat()
        y = nacre.tanh(x)
        in_child(lambda y=y: y.sum().item() == want and nacre.tanh(x).sum().item() == want)
        assert y.sum().item() == want


def test_training_goes_on_in_both() -> None:
    known = states(12)
    training = Training()

    def to_the_end() -> bool:
        while training.steps < 12:
            training.step()
        return training.state() == known[12]

    for _ in range(5):
        training.step()
    in_child(to_the_end)
    assert training.state() == known[5]
    assert to_the_end()


def test_writes_of_one_are_not_seen_by_the_other() -> None:
    x = nacre.zeros(3)
    x += 1

    def write() -> bool:
        x.add_(5)
        return x.tolist() == [6.0] * 3

    in_child(write)
    assert x.tolist() == [1.0] * 3


def test_what_fails_before_a_fork_fails_in_both() -> None:
    fine = nacre.ones(2) * 2
    bad = nacre.zeros(3).take(nacre.tensor([9]))

    def fails() -> bool:
        with pytest.raises(IndexError, match="index 9"):
            bad.tolist()
        return fine.tolist() == [2.0, 2.0]

    in_child(fails)
    assert fails()


def test_values_pending_in_another_thread() -> None:
    made, ready, done = [], threading.Event(), threading.Event()

    def produce() -> None:
        made.append(nacre.arange(5.0) * 3)
        ready.set()
        done.wait()

    worker = threading.Thread(target=produce)
    worker.start()
    ready.wait()
    want = [0.0, 3.0, 6.0, 9.0, 12.0]
    in_child(lambda: made[0].tolist() == want)
    done.set()
    worker.join()
    assert made[0].tolist() == want


@pytest.mark.parametrize("what", ["evaluate", "compile"])
def test_forks_while_another_thread_computes(what: str) -> None:
    stop = threading.Event()
    wrong = []

    def compute() -> None:
        x = nacre.ones(BIG)
        n = 0
        while not stop.is_set():
            n += 1
            if what == "compile":
                ROOT.edges.clear()
            if nacre.tanh(x * n).sum().item() < BIG / 2:
                wrong.append(n)

    def work() -> bool:
        return (nacre.ones(BIG) * 2).exp().sum().item() > 0 and Training().state() == start

    start = Training().state()
    worker = threading.Thread(target=compute)
    worker.start()
    try:
        for _ in range(8):
            in_child(work)
    finally:
        stop.set()
        worker.join()
    assert not wrong


def _double(queue, x) -> None:
    queue.put((x * 2).tolist())


def test_multiprocessing() -> None:
    heat()
    context = multiprocessing.get_context("fork")
    queue = context.SimpleQueue()
    x = nacre.arange(3.0) + 1
    workers = [context.Process(target=_double, args=(queue, x + k)) for k in range(2)]
    for worker in workers:
        worker.start()
    found = sorted(queue.get() for _ in workers)
    for worker in workers:
        worker.join(PATIENCE)
        assert worker.exitcode == 0
    assert found == [[2.0, 4.0, 6.0], [4.0, 6.0, 8.0]]
    assert x.tolist() == [1.0, 2.0, 3.0]


def test_locks_are_taken_outermost_first() -> None:
    evaluate()
    heat()
    taken = []

    class Lock:
        def __init__(self, rank) -> None:
            self.rank = rank

        def acquire(self) -> None:
            taken.append(self.rank)

        def release(self) -> None:
            taken.append(-self.rank)

    kept = forks._GUARDS[:]
    try:
        for rank in (7, 5, 6):
            forks.guard(rank, Lock(rank))
        in_child(lambda: taken == [5, 6, 7, -7, -6, -5])
        assert taken == [5, 6, 7, -7, -6, -5]
    finally:
        forks._GUARDS[:] = kept
    ranks = [entry[0] for entry in forks._GUARDS]
    assert ranks == [forks.EVALUATION, forks.POOL, forks.COMPILER, forks.CACHE]
