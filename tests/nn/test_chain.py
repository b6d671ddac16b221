"""A Sequential under no_grad goes its memoised way only while its layers are what they were."""

from __future__ import annotations

import gc
import weakref

import pytest

import nacre as torch
from nacre import nn


@pytest.fixture
def net():
    made = nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Linear(2, 2))
    with torch.no_grad():
        for p in made.parameters():
            p.fill_(1.0)
    return made


def outputs(net, times=4):
    """The first element of what a net returns, several times."""
    x = torch.ones(1, 2)
    with torch.no_grad():
        return [net(x)[0, 0].item() for _ in range(times)]


def test_a_forward_patched_before_the_first_call_runs_each_time(net):
    calls = []
    net[1].forward = lambda x: x * len(calls) if calls.append(0) is None else x
    assert outputs(net) == [7.0, 13.0, 19.0, 25.0]


def test_a_forward_patched_on_the_class_runs_each_time(net, monkeypatch):
    calls = []
    assert outputs(net) == [7.0] * 4
    with monkeypatch.context() as patched:
        patched.setattr(nn.ReLU, "forward", lambda self, x: calls.append(0) or x * len(calls))
        assert outputs(net) == [7.0, 13.0, 19.0, 25.0]
    assert outputs(net) == [7.0] * 4


def test_a_call_patched_on_the_class_runs_each_time(net, monkeypatch):
    calls = []
    call = nn.Module.__call__
    patched = lambda self, *args: calls.append(self) or call(self, *args)  # noqa: E731
    monkeypatch.setattr(nn.Linear, "__call__", patched, raising=False)
    assert outputs(net) == [7.0] * 4
    assert len(calls) == 8


def test_a_patched_function_runs_each_time(net, monkeypatch):
    calls = []
    assert outputs(net) == [7.0] * 4
    with monkeypatch.context() as patched:
        relu = lambda x, inplace=False: calls.append(0) or x * len(calls)  # noqa: E731
        patched.setattr(nn.functional, "relu", relu)
        assert outputs(net) == [7.0, 13.0, 19.0, 25.0]
    assert outputs(net) == [7.0] * 4


def test_parameters_in_a_dictionary_of_the_users_are_looked_up_each_time():
    net = nn.Sequential(nn.Linear(2, 2, bias=False))
    weights = [nn.Parameter(torch.full((2, 2), v)) for v in (1.0, 2.0)]
    held = net[0]._parameters = {"weight": weights[0], "bias": None}
    found = []
    with torch.no_grad():
        for w in weights * 2:
            held["weight"] = w
            keep = [v * 1.0 for v in weights]
            found.append(net(torch.ones(1, 2))[0, 0].item())
            del keep
    assert found == [2.0, 4.0, 2.0, 4.0]


@pytest.mark.parametrize("gradients", [False, True])
def test_a_subclass_that_iterates_in_its_own_order_is_called_in_it(gradients):
    class Reversed(nn.Sequential):
        def __iter__(self):
            return reversed(list(self._modules.values()))

    net = Reversed(nn.Linear(2, 3), nn.Linear(3, 2))
    with torch.set_grad_enabled(gradients):
        assert net(torch.ones(4, 3)).shape == (4, 3)


def test_a_layer_that_was_replaced_is_let_go_of(net):
    outputs(net)
    old = weakref.ref(net[0]), weakref.ref(net[0].weight)
    net[0] = nn.Identity()
    assert [r() for r in old] == [None, None]


def test_a_net_is_let_go_of_without_the_collector(net):
    outputs(net)
    gc.disable()
    try:
        made = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid())
        outputs(made)
        refs = weakref.ref(made), weakref.ref(made[0]), weakref.ref(made[0].weight)
        del made
        assert [r() for r in refs] == [None] * 3
    finally:
        gc.enable()


def test_a_layer_that_refers_to_its_net_is_collected():
    made = nn.Sequential(nn.Linear(2, 2), nn.Sigmoid())
    made[0].__dict__["net"] = made
    outputs(made)
    ref = weakref.ref(made)
    del made
    gc.collect()
    assert ref() is None


def test_the_memoised_way_is_taken(net, monkeypatch):
    outputs(net)
    monkeypatch.setattr(nn.Sequential, "__iter__", None)  # layer by layer would fail
    assert outputs(net) == [7.0] * 4
