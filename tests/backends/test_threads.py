"""The thread pool: the same bits for any number of threads, forks, several callers."""

import os
import threading

import numpy as np
import pytest
from kernel_harness import mapped, one, reduced, same_bits

from nacre.backends.cpu.backend import get_num_threads, set_num_threads
from nacre.backends.cpu.threads import POOL
from nacre.base.dtypes import float32, int64

RANDOM = np.random.RandomState(5)
X = RANDOM.randn(300_001).astype(np.float32)


@pytest.fixture(autouse=True)
def threads():
    before = get_num_threads()
    yield
    set_num_threads(before)


def some_results():
    rows = X[:300_000].reshape(600, 500)
    return [
        one("tanh", X),
        mapped((("mul", (0, 1), float32, ()),), [rows, rows[:1]], float32),
        reduced("sum", X, (0,)),
        reduced("sum", rows, (0,)),
        reduced("sum", rows, (1,)),
        reduced("argmax", rows, (1,), out=int64),
    ]


def test_results_do_not_depend_on_the_number_of_threads():
    set_num_threads(1)
    alone = some_results()
    for n in (2, 3, 5):
        set_num_threads(n)
        assert all(same_bits(a, b) for a, b in zip(alone, some_results(), strict=True)), n


def test_the_number_of_threads_is_checked():
    set_num_threads(3)
    assert get_num_threads() == 3
    with pytest.raises(RuntimeError, match="positive"):
        set_num_threads(0)
    with pytest.raises(TypeError):
        set_num_threads(2.0)


def test_several_threads_may_run_programs_at_once():
    set_num_threads(2)
    want = one("tanh", X)
    wrong = []

    def work():
        for _ in range(30):
            if not same_bits(one("tanh", X), want):
                wrong.append(1)

    workers = [threading.Thread(target=work) for _ in range(4)]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong


def test_the_number_may_change_while_others_compute():
    set_num_threads(2)
    want = one("tanh", X)
    wrong = []

    def work():
        for _ in range(100):
            if not same_bits(one("tanh", X), want):
                wrong.append(1)

    worker = threading.Thread(target=work)
    worker.start()
    while worker.is_alive():
        set_num_threads(2 + get_num_threads() % 2)
    worker.join()
    assert not wrong


def test_many_small_jobs_in_a_row():
    set_num_threads(4)
    small = X[:70_000]
    want = one("exp", small)
    for _ in range(300):
        assert same_bits(one("exp", small), want)


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_child_has_a_pool_of_its_own():
    set_num_threads(2)
    want = one("tanh", X)
    for _ in range(3):
        child = os.fork()
        if child == 0:
            os._exit(0 if same_bits(one("tanh", X), want) and POOL.address else 1)
        assert os.waitpid(child, 0)[1] == 0
    assert same_bits(one("tanh", X), want)


def test_without_a_futex_workers_sleep_in_python(monkeypatch):
    from nacre.backends.cpu import threads as module

    set_num_threads(1)
    monkeypatch.setattr(module.sys, "platform", "elsewhere")
    monkeypatch.setattr(POOL, "native", None)
    monkeypatch.setattr(module, "SPINS", 10)
    set_num_threads(2)
    want = np.tanh(X)
    for _ in range(20):
        assert np.allclose(one("tanh", X), want, rtol=1e-5)
    set_num_threads(1)
    POOL.native = None
