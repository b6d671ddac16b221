"""Compiled stretches: the same bits as cold ones, memory given up only where nobody can tell."""

from __future__ import annotations

import numpy as np
import pytest

import nacre as torch
from nacre import nn
from nacre.base import config
from nacre.runtime import run

COLD, HOT = 1_000_000_000, 1


def both(monkeypatch, program, times=3):
    """What a program returns, cold and hot, as bytes; hot runs are repeated."""
    found = []
    for sight in (COLD, HOT):
        monkeypatch.setattr(config, "HOT", sight)
        for _ in range(times):
            torch.manual_seed(0)
            values = program()
            arrays = [v.detach().numpy() for v in values]
            found.append([(a.dtype.str, a.shape, a.tobytes()) for a in arrays])
    return found


def agree(monkeypatch, program):
    """Fail unless all runs give the same bits."""
    first, *others = both(monkeypatch, program)
    for other in others:
        assert other == first


def _maps():
    x, y = torch.randn(7, 5), torch.randn(5)
    a = (x * y + 1.5).sigmoid()
    return a, a.exp() - x, (a > 0.5).sum(), x.t() @ x


def _layouts():
    x = torch.randn(6, 8)
    part = x[::2, 1:7].t()
    wide = torch.randn(4, 1).expand(4, 9)
    return part * 2.0, (part + part.sum(0)).tanh(), wide.sum(1) + wide[:, 0], part.reshape(-1) - 1.0


def _reductions():
    x = torch.randn(3, 4, 65)
    return (
        x.sum(),
        x.mean(1),
        x.amax((0, 2)),
        x.argmax(2),
        (x * x).sum((0, 1), keepdim=True),
        x.softmax(1),
        x.var(2),
        (x > 0).any(0),
    )


def _empty():
    x = torch.zeros(0, 3)
    return x + 1.0, x.sum(), x.sum(0), x.t() @ x, torch.cat([x, torch.ones(1, 3)])


def _writes():
    x = torch.zeros(4, 4)
    x[1] = 2.0
    x[:, 2] = torch.arange(4.0)
    y = x.clone()
    y[0, 0] += 3.0
    return x, y, torch.cat([x, y[:1]]), torch.stack([x[0], y[0]])


def _indices():
    x = torch.randn(5, 6)
    i = torch.tensor([[0, 2, 4], [5, 1, 3]])
    g = x.gather(1, torch.arange(5).reshape(5, 1))
    s = torch.zeros(2, 6).scatter(1, i, torch.ones(2, 3))
    return g * 2.0, s + 1.0, x.index_select(0, torch.tensor([4, 0, 0])) - 1.0


def _integers():
    a = torch.arange(12).reshape(3, 4)
    return a @ a.t(), a * 2 + 1, a // 5, a.sum(1), (a % 3 == 0) & (a > 2)


def _mixed():
    """Operations without kernels between those that have them."""
    a = torch.arange(6).reshape(2, 3)
    b = (a @ a.t()).float().sqrt() * 0.5
    return b.sum(), b + torch.arange(2.0)


def _twice():
    """Equal values that are two tensors."""
    x = torch.randn(3)
    a, b = x * 2.0, x * 2.0
    a += 1.0
    return a, b


@pytest.mark.parametrize(
    "program",
    [_maps, _layouts, _reductions, _empty, _writes, _indices, _integers, _mixed, _twice],
)
def test_hot_and_cold_bits_agree(monkeypatch, program):
    agree(monkeypatch, program)


def _training(momentum):
    net = nn.Sequential(nn.Linear(6, 9), nn.Tanh(), nn.Linear(9, 4))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=momentum)
    for i in range(5):
        optimizer.param_groups[0]["lr"] = 0.1 / (i + 1)
        x, y = torch.randn(8, 6), torch.randint(0, 4, (8,))
        loss = nn.CrossEntropyLoss()(net(x), y)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [loss, *net.parameters(), *[p.grad for p in net.parameters()]]


@pytest.mark.parametrize("momentum", [0.0, 0.9])
def test_training_has_the_same_bits(monkeypatch, momentum):
    agree(monkeypatch, lambda: _training(momentum))


def _loop(steps, look=None):
    """Updates in place of one parameter; the addresses of its memory, and what `look` kept."""
    p = torch.ones(4)
    kept = []
    addresses = []
    for _ in range(steps):
        p.mul_(0.5)
        p.add_(1.0)
        run.evaluate()
        addresses.append(p._c.data.address())
        if look is not None:
            kept.append(look(p))
    return p, addresses, kept


def test_an_update_nobody_watches_happens_in_place(monkeypatch):
    monkeypatch.setattr(config, "HOT", HOT)
    _, addresses, _ = _loop(6)
    assert len(set(addresses[2:])) == 1


def test_memory_that_numpy_holds_is_not_given_up(monkeypatch):
    monkeypatch.setattr(config, "HOT", HOT)
    p = torch.ones(4)
    for _ in range(4):
        p.mul_(0.5)
        run.evaluate()
    seen = p.numpy()
    q = p * 1.0
    p.mul_(0.5)
    run.evaluate()
    assert seen.tolist() == p.tolist()
    assert q.tolist() == [0.0625] * 4


def test_memory_that_another_stretch_reads_is_not_given_up(monkeypatch):
    monkeypatch.setattr(config, "HOT", HOT)
    _, _, kept = _loop(6, lambda p: p.clone())
    run.evaluate()
    value = 1.0
    for copy in kept:
        value = value * 0.5 + 1.0
        assert copy.tolist() == [value] * 4


def test_a_storage_that_somebody_else_refers_to_is_not_given_up(monkeypatch):
    monkeypatch.setattr(config, "HOT", HOT)
    p, _, _ = _loop(4)
    storage = p._c.data
    before = storage.array.copy()
    p.mul_(0.5)
    run.evaluate()
    assert p._c.data is not storage
    assert np.array_equal(storage.array, before)


def test_a_view_read_after_the_update_sees_the_old_value(monkeypatch):
    monkeypatch.setattr(config, "HOT", HOT)
    p = torch.ones(4)
    for _ in range(4):
        before = p[:2] * 1.0
        p.mul_(2.0)
        after = p[:2] * 1.0
        run.evaluate()
        assert (after / before).tolist() == [2.0, 2.0]


def test_buffers_are_used_again_only_when_free(monkeypatch):
    monkeypatch.setattr(config, "HOT", HOT)
    x = torch.ones(8)
    kept = []
    for i in range(200):
        kept.append((x * float(i)).sum())
        run.evaluate()
    assert [k.item() for k in kept] == [8.0 * i for i in range(200)]


def test_a_bad_index_raises_hot_as_cold(monkeypatch):
    for sight in (COLD, HOT):
        monkeypatch.setattr(config, "HOT", sight)
        for _ in range(3):
            x = torch.ones(2, 3)
            with pytest.raises((IndexError, RuntimeError), match="out of bounds"):
                x.gather(1, torch.tensor([[5], [0]])).sum().item()
            assert (x + 1.0).sum().item() == 12.0


@pytest.mark.parametrize("number", [2**63, 2**64 + 3, -(10**30), 10**30])
def test_integers_that_no_word_holds_are_not_cut(monkeypatch, number):
    def program():
        x = torch.ones(3)
        return x * number, x + number, x.clone().fill_(number), x > number

    agree(monkeypatch, program)
    assert (torch.ones(1) * number).item() == np.float32(number)
