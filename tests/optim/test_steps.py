"""A step is one jump and one commit: nothing grows, aliases see it, interrupts leave it whole."""

from __future__ import annotations

import copy
import gc
import pickle
import random
import signal
import tracemalloc

import numpy as np
import pytest

import nacre
from nacre.ir.node import ROOT
from nacre.ir.trace import TRACE
from nacre.optim import update

KINDS = {
    "plain": lambda params: nacre.optim.SGD(params, lr=0.1),
    "momentum": lambda params: nacre.optim.SGD(params, lr=0.1, momentum=0.9),
    "adam": lambda params: nacre.optim.Adam(params, lr=0.1),
}


def states():
    """How many states the recorder knows."""
    count, stack = 0, [ROOT]
    while stack:
        node = stack.pop()
        count += 1
        for after in node.edges.values():
            if after is not update.SLOW and not isinstance(after, tuple):
                after = getattr(after, "node", after)
                stack.append(after) if getattr(after, "parent", None) is node else None
    return count


def parameters(n=2):
    return [nacre.full((3,), 2.0).requires_grad_() for _ in range(n)]


def give_grads(params, value=1.0):
    for p in params:
        p.grad = nacre.full((3,), value)


def train(opt, params):
    loss = sum((p * p).sum() for p in params)
    opt.zero_grad()
    loss.backward()
    opt.step()


@pytest.mark.parametrize("kind", KINDS)
def test_a_changing_rate_makes_no_new_state(kind):
    params = parameters()
    opt = KINDS[kind](params)
    for _ in range(5):
        train(opt, params)
    known = states()
    for i in range(20):
        opt.param_groups[0]["lr"] = 0.1 / (i + 2)
        train(opt, params)
    assert states() == known


@pytest.mark.parametrize("kind", KINDS)
def test_a_step_seen_before_is_one_jump(kind, monkeypatch):
    params = parameters()
    opt = KINDS[kind](params)
    for _ in range(4):
        train(opt, params)
    monkeypatch.setattr(update, "_first_sight", None)
    monkeypatch.setattr(update, "_slowly", None)
    before = params[0].tolist()
    train(opt, params)
    assert params[0].tolist() != before


def test_a_step_ends_the_stretch():
    params = parameters()
    train(nacre.optim.SGD(params, lr=0.1), params)
    assert TRACE.stretch.node is ROOT


def test_a_jump_and_single_writes_agree(monkeypatch):
    for make in KINDS.values():
        jumped, written = parameters(), parameters()
        opts = make(jumped), make(written)
        for _ in range(5):
            train(opts[0], jumped)
            with monkeypatch.context() as patch:
                patch.setattr(update, "_advance", lambda self: False)
                train(opts[1], written)
        for p, q in zip(jumped, written, strict=True):
            assert p.tolist() == q.tolist()
            assert p._version == q._version
        for p, q in zip(jumped, written, strict=True):
            for name, value in opts[0].state[p].items():
                assert value.tolist() == opts[1].state[q][name].tolist()
                assert name == "step" or value._version == opts[1].state[q][name]._version


def test_aliases_see_a_step():
    p = nacre.zeros(3).requires_grad_()
    alias, data, row = p.detach(), p.data, p[:1].detach()
    opt = nacre.optim.SGD([p], lr=1.0)
    for i in range(3):
        give_grads([p])
        opt.step()
        assert alias.tolist() == data.tolist() == p.tolist() == [-1.0 - i] * 3
        assert row.item() == -1.0 - i
    assert (p._version, alias._version, data._version) == (3, 3, 0)


def test_memory_that_numpy_sees_is_written():
    array = np.zeros(3, np.float32)
    p = nacre.from_numpy(array).requires_grad_()
    q = nacre.zeros(3).requires_grad_()
    seen = q.detach().numpy()
    opt = nacre.optim.SGD([p, q], lr=1.0, momentum=0.5)
    for _ in range(4):
        give_grads([p, q])
        opt.step()
    assert array.tolist() == seen.tolist() == p.tolist() == q.tolist() == [-6.125] * 3


def test_parameters_that_are_views_of_one_tensor():
    flat = nacre.zeros(6)
    params = [flat[:3].requires_grad_(), flat[3:].requires_grad_()]
    opt = nacre.optim.Adam(params, lr=0.5)
    for _ in range(3):
        give_grads(params)
        opt.step()
    assert flat.tolist() == pytest.approx([-1.5] * 6, rel=1e-5)


def test_a_gradient_that_is_another_parameter():
    p, q = (nacre.ones(3).requires_grad_() for _ in range(2))
    p.grad = q.detach()
    q.grad = nacre.ones(3)
    opt = nacre.optim.SGD([q, p], lr=0.5)  # q first: p's gradient is what q has become
    opt.step()
    assert q.tolist() == [0.5] * 3
    assert p.tolist() == [0.75] * 3


def test_a_parameter_that_is_its_own_gradient():
    p = nacre.ones(3).requires_grad_()
    p.grad = p.detach()
    opt = nacre.optim.SGD([p], lr=0.5)
    for _ in range(2):
        opt.step()
    assert p.tolist() == [0.25] * 3


def test_a_parameter_given_twice_moves_twice():
    p = nacre.zeros(3).requires_grad_()
    with pytest.warns(UserWarning, match="duplicate parameters"):
        opt = nacre.optim.SGD([p, p], lr=1.0)
    give_grads([p])
    opt.step()
    assert p.tolist() == [-2.0] * 3


def test_gradients_of_another_layout():
    p = nacre.zeros(2, 3).requires_grad_()
    p.grad = nacre.arange(6.0).reshape(3, 2).t()
    opt = nacre.optim.SGD([p], lr=1.0)
    opt.step()
    assert p.tolist() == [[0.0, -2.0, -4.0], [-1.0, -3.0, -5.0]]
    assert p.stride() == (3, 1)


def test_a_saved_parameter_that_was_stepped_is_refused():
    w = nacre.ones(3).requires_grad_()
    x = nacre.ones(3).requires_grad_()
    opt = nacre.optim.SGD([w], lr=0.1)
    loss = (w * x).sum()
    loss.backward(retain_graph=True)
    opt.step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        loss.backward()


def test_steps_that_gradients_flow_through():
    w = nacre.tensor([1.0, 2.0], requires_grad=True)
    p = w * 1.0
    p.retain_grad()
    opt = nacre.optim.SGD([p], lr=0.5, differentiable=True)
    p.grad = w * w
    opt.step()  # p = w - w² / 2
    p.sum().backward()
    assert w.grad.tolist() == [0.0, -1.0]


def test_a_users_own_optimiser():
    class Half(nacre.optim.Optimizer):
        def __init__(self, params):
            super().__init__(params, {"factor": 0.5})

        @nacre.no_grad()
        def step(self, closure=None):
            for group in self.param_groups:
                for p in group["params"]:
                    p.mul_(group["factor"])

    p = nacre.ones(2, requires_grad=True)
    opt = Half([p])
    seen = []
    opt.register_step_post_hook(lambda *args: seen.append(p._version))
    opt.step()
    assert p.tolist() == [0.5, 0.5]
    assert seen == [1]
    assert repr(opt) == "Half (\nParameter Group 0\n    factor: 0.5\n)"
    assert TRACE.stretch.node is ROOT


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("copied", [copy.deepcopy, lambda x: pickle.loads(pickle.dumps(x))])
def test_copies_go_on_by_themselves(kind, copied):
    params = parameters()
    opt = KINDS[kind](params)
    for _ in range(3):
        train(opt, params)
    others, twin = copied((params, opt))
    for _ in range(3):
        train(opt, params)
        train(twin, others)
    assert [p.tolist() for p in params] == [p.tolist() for p in others]
    train(twin, others)
    assert [p.tolist() for p in params] != [p.tolist() for p in others]


@pytest.mark.parametrize("kind", KINDS)
def test_a_failed_evaluation_leaves_parameters_and_state_as_before(kind):
    w = nacre.ones(2, 3, requires_grad=True)
    opt = KINDS[kind]([w])
    x = nacre.ones(4, 2)
    assert w.sum().item() == 6.0  # it has a value that can come back
    good, bad = nacre.tensor([0, 1, 2, 0]), nacre.tensor([0, 1, 7, 0])

    def attempt(labels):
        rows = nacre.nn.functional.cross_entropy(x @ w, labels)
        opt.zero_grad()
        rows.backward()
        opt.step()

    with pytest.raises(IndexError):
        attempt(bad)
    assert w.tolist() == [[1.0] * 3] * 2
    attempt(good)
    after = w.tolist()
    assert after != [[1.0] * 3] * 2
    with pytest.raises(IndexError):
        attempt(bad)
    assert w.tolist() == after
    attempt(good)
    if kind == "adam":
        assert opt.state[w]["step"].item() == 2


@pytest.mark.parametrize("kind", KINDS)
def test_interrupts_leave_every_parameter_before_or_after_a_step(kind):
    params = parameters(3)
    opt = KINDS[kind](params)
    rng = random.Random(5)
    hits = 0

    def alarm(*args):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGALRM, alarm)
    try:
        for _ in range(300):
            try:
                signal.setitimer(signal.ITIMER_REAL, rng.uniform(2e-5, 6e-4))
                for _ in range(100):
                    train(opt, params)
            except KeyboardInterrupt:
                hits += 1
            assert params[0].tolist() == params[1].tolist() == params[2].tolist()
            kept = [{n: t.tolist() for n, t in opt.state[p].items()} for p in params]
            assert kept[0] == kept[1] == kept[2]
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    assert hits > 250  # Python drops one that comes in a callback of its own


def test_memory_stays_flat():
    params = parameters()
    opt = nacre.optim.Adam(params, lr=0.1)
    for _ in range(50):
        train(opt, params)
    gc.collect()
    tracemalloc.start()
    try:
        train(opt, params)
        first = tracemalloc.get_traced_memory()[0]
        for _ in range(500):
            train(opt, params)
        gc.collect()
        grown = tracemalloc.get_traced_memory()[0] - first
    finally:
        tracemalloc.stop()
    assert grown < 20_000


def test_classes_show_under_pytorchs_names():
    assert repr(nacre.optim.SGD) == "<class 'torch.optim.sgd.SGD'>"
    assert repr(nacre.optim.AdamW) == "<class 'torch.optim.adamw.AdamW'>"
    assert nacre.typename(nacre.optim.lr_scheduler.StepLR) == "torch.optim.lr_scheduler.StepLR"


@pytest.mark.parametrize("kind", ["SGD", "Adam", "Adagrad", "RMSprop", "Adadelta"])
def test_an_optimiser_may_be_made_before_a_lazy_module_has_seen_data(kind):
    block = nacre.nn.LazyLinear(4)
    opt = getattr(nacre.optim, kind)(block.parameters(), lr=0.1)
    opt.zero_grad()
    block(nacre.ones(2, 3)).sum().backward()
    before = block.weight.tolist()
    opt.step()
    assert block.weight.tolist() != before
    assert all(p.shape == opt.state[p]["sum"].shape for p in opt.state if "sum" in opt.state[p])
