"""A failed evaluation costs only the values that depend on what failed."""

from __future__ import annotations

import signal
import threading
import time

import pytest

import nacre
from nacre import nn
from nacre.base import config
from nacre.ir.node import ROOT
from nacre.ir.trace import TRACE, Stretch
from nacre.nn import functional as F
from nacre.runtime import backend
from nacre.runtime.run import evaluate

TIERS = {"cold": 1 << 30, "hot": 1}
OUT_OF_RANGE = {
    "label": lambda: F.nll_loss(nacre.zeros(2, 3), nacre.tensor([0, 7])),
    "gather": lambda: nacre.zeros(2, 3).gather(1, nacre.tensor([[5]])),
    "index_select": lambda: nacre.zeros(4).index_select(0, nacre.tensor([1, 4])),
    "scatter": lambda: nacre.zeros(4).scatter(0, nacre.tensor([4]), nacre.ones(1)),
    "take": lambda: nacre.zeros(3).take(nacre.tensor([-4])),
}
NO_VALUE = "this tensor has no value: its evaluation failed with"


@pytest.fixture(params=TIERS, autouse=True)
def tier(request, monkeypatch):
    """Every test runs cold and hot."""
    evaluate()
    ROOT.edges.clear()
    monkeypatch.setattr(config, "HOT", TIERS[request.param])


@pytest.mark.parametrize("what", OUT_OF_RANGE)
def test_others_have_their_values_and_the_error_comes_once(what: str) -> None:
    for _ in range(3):
        a = nacre.ones(3) * 2
        bad = OUT_OF_RANGE[what]()
        b = a + 1
        c = bad + 1
        with pytest.raises((IndexError, RuntimeError), match="out of (range|bounds)"):
            bad.tolist()
        assert TRACE.stretch.node is ROOT
        assert (a.tolist(), b.tolist()) == ([2.0] * 3, [3.0] * 3)
        for lost in (bad, c, c):
            with pytest.raises(RuntimeError, match=NO_VALUE):
                lost.tolist()
        with pytest.raises(RuntimeError, match=NO_VALUE):
            lost + 1


def test_the_error_may_come_with_a_tensor_that_does_not_depend_on_it() -> None:
    bad = OUT_OF_RANGE["take"]()
    fine = nacre.ones(2) + 1
    with pytest.raises(IndexError):
        fine.tolist()
    assert fine.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match=NO_VALUE):
        bad.tolist()


def test_what_nobody_wants_is_not_an_error() -> None:
    OUT_OF_RANGE["take"]()
    assert (nacre.ones(2) + 1).tolist() == [2.0, 2.0]


def test_the_first_of_two_errors_in_the_order_of_the_program() -> None:
    one = nacre.zeros(3).take(nacre.tensor([30]))
    two = nacre.zeros(3).take(nacre.tensor([40]))
    with pytest.raises(IndexError, match="index 30"):
        two.tolist()
    for t in (one, two):
        with pytest.raises(RuntimeError, match=NO_VALUE):
            t.tolist()


def test_cells_written_in_place_go_back() -> None:
    old = nacre.tensor([1.0, 2.0])
    alias = old.detach()
    made = nacre.ones(2) * 3
    fine = nacre.tensor([5.0, 6.0])
    made += 1
    old += 1
    fine += 1
    bad = OUT_OF_RANGE["take"]()
    made += bad
    old += bad
    fine += 1
    made *= 2
    with pytest.raises(IndexError):
        evaluate()
    assert old.tolist() == alias.tolist() == [2.0, 3.0]
    assert made.tolist() == [4.0, 4.0]
    assert fine.tolist() == [7.0, 8.0]
    old += 1
    made += 1
    assert (old.tolist(), made.tolist()) == ([3.0, 4.0], [5.0, 5.0])


def test_memory_goes_back() -> None:
    t = nacre.tensor([1.0, 2.0])
    before = t.tolist()
    view = t[1:]
    t.copy_(OUT_OF_RANGE["take"]().expand(2))
    t += 1
    with pytest.raises(IndexError):
        t.tolist()
    assert t.tolist() == before
    assert view.tolist() == before[1:]


def test_a_part_written_with_what_failed() -> None:
    t = nacre.ones(4) * 2
    t[:2] += 1
    t[1:3] += OUT_OF_RANGE["take"]()
    with pytest.raises(IndexError):
        t.tolist()
    assert t.tolist() == [3.0, 3.0, 2.0, 2.0]


STEPS = {
    "plain": lambda params: nacre.optim.SGD(params, lr=0.1),
    "momentum": lambda params: nacre.optim.SGD(params, lr=0.1, momentum=0.9),
    "adam": lambda params: nacre.optim.Adam(params, lr=0.1),
}


@pytest.mark.parametrize("kind", STEPS)
def test_a_step_is_taken_or_not_as_a_whole(kind: str) -> None:
    p, q = nacre.ones(2, requires_grad=True), nacre.zeros(3, requires_grad=True)
    opt = STEPS[kind]([p, q])

    def attempt(place: int) -> None:
        opt.zero_grad()
        loss = (p * p).sum() + (q + 1).take(nacre.tensor([place])).sum()
        loss.backward()
        opt.step()

    with pytest.raises(IndexError):
        attempt(3)
    assert (p.tolist(), q.tolist()) == ([1.0] * 2, [0.0] * 3)
    for _ in range(4):
        attempt(1)
    known = [t.tolist() for t in (p, q, *opt.state[p].values(), *opt.state[q].values())]
    assert known[0] != [1.0] * 2
    with pytest.raises(IndexError):
        attempt(3)
    after = [t.tolist() for t in (p, q, *opt.state[p].values(), *opt.state[q].values())]
    assert after == known
    attempt(1)
    assert p.tolist() != known[0]


def test_a_step_that_does_not_depend_on_the_failure_is_kept() -> None:
    p = nacre.ones(2, requires_grad=True)
    opt = nacre.optim.Adam([p], lr=0.5)
    for _ in range(3):
        bad = OUT_OF_RANGE["take"]()
        before = p.tolist() if p._c.data is not None else [1.0, 1.0]
        opt.zero_grad()
        (p * p).sum().backward()
        with pytest.raises(IndexError):
            opt.step()
        assert p.tolist() != before
        del bad
    assert opt.state[p]["step"].item() == 3


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Linear(3, 4), Places())

    def forward(self, x, places):
        self.inner[1].places = places
        return self.inner(x)


class Places(nn.Module):
    def forward(self, x):
        return x.gather(1, self.places)


def test_the_error_says_where_it_was_recorded() -> None:
    model = Model()
    x = nacre.ones(2, 3)
    for _ in range(3):
        y = model(x, nacre.tensor([[1], [9]]))
        with pytest.raises(RuntimeError, match="index 9 is out of bounds") as found:
            nn.Sequential(Observer())(y)
        notes = found.value.__notes__
        assert notes[0] == "  in Model.inner.1: Places()"
        line = Places.forward.__code__.co_firstlineno + 1
        assert notes[1] == f"  first recorded at {__file__}, line {line}"
        assert not any("Observer" in note for note in notes)


class Observer(nn.Module):
    def forward(self, x):
        return x.tolist()


def test_no_memory_for_one_value(monkeypatch) -> None:
    compute = backend.compute

    def scarce(op, node, args):
        if op.name == "exp":
            raise MemoryError("no room")
        return compute(op, node, args)

    monkeypatch.setattr(backend, "compute", scarce)
    monkeypatch.setattr(config, "HOT", 1 << 30)
    t = nacre.ones(3)
    p = nacre.tensor([1.0, 2.0, 3.0])
    p += 1
    p += t.exp()
    u = t * 4
    with pytest.raises(MemoryError):
        u.tolist()
    assert u.tolist() == [4.0] * 3
    assert p.tolist() == [2.0, 3.0, 4.0]


class Late(Exception):
    pass


def test_an_exception_from_a_signal_handler_loses_nothing() -> None:
    def late(*args):
        raise Late

    start = nacre.arange(50.0)
    want = sum((start * k).sum().item() for k in range(60))
    before = signal.signal(signal.SIGALRM, late)
    hits = 0
    try:
        for i in range(60):
            total = nacre.zeros(())
            for k in range(60):
                total += (start * k).sum()
            try:
                signal.setitimer(signal.ITIMER_REAL, 5e-5 + i * 2e-5)
                evaluate()
                time.sleep(0.01)
            except Late:
                hits += 1
            assert total.item() == want
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert hits > 50


def test_a_value_whose_stretch_was_taken_away_says_so() -> None:
    s = TRACE.stretch
    y = nacre.ones(3) + 1
    TRACE.stretch = Stretch()
    s.close()  # what a signal handler would do that evaluates in the middle of recording
    with pytest.raises(RuntimeError, match=NO_VALUE):
        y.tolist()
    assert (nacre.ones(2) + 1).tolist() == [2.0, 2.0]


def test_a_failure_met_in_another_thread() -> None:
    made = {}

    def produce() -> None:
        made["bad"] = OUT_OF_RANGE["take"]()
        made["old"] = memory
        made["fine"] = nacre.ones(2) * 2
        made["old"] += 1
        made["old"] += made["bad"]

    memory = nacre.tensor([1.0, 2.0])
    worker = threading.Thread(target=produce)
    worker.start()
    worker.join()
    assert made["fine"].tolist() == [2.0, 2.0]
    with pytest.raises(IndexError):
        made["bad"].tolist()
    with pytest.raises(RuntimeError, match=NO_VALUE):
        made["bad"].tolist()
    with pytest.raises(IndexError):
        made["old"].tolist()
    assert made["old"].tolist() == memory.tolist() == [2.0, 3.0]
