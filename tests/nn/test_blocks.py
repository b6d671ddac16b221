"""What blocks do here that PyTorch's do not: names in errors, quick attributes, lazy copies."""

from __future__ import annotations

import copy
import gc
import math
import pickle
import weakref

import pytest

import nacre
from nacre import nn
from nacre.base import scope


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = nn.Linear(20, 256)
        self.out = nn.Linear(256, 10)

    def forward(self, x):
        return self.out(nn.functional.relu(self.hidden(x)))


def notes(error):
    return [n.strip() for n in getattr(error.value, "__notes__", [])]


# ---- errors -------------------------------------------------------------------------------------
def test_an_error_names_the_block_and_the_remedy():
    with pytest.raises(RuntimeError) as error:
        MLP()(nacre.ones(2, 16))
    assert str(error.value) == "mat1 and mat2 shapes cannot be multiplied (2x16 and 20x256)"
    assert notes(error)[:2] == [
        "in MLP.hidden: Linear(in_features=20, out_features=256, bias=True)",
        "the input has shape (2, 16); its last dimension must be 20",
    ]


def test_an_error_of_the_users_own_names_the_innermost_block():
    class Broken(nn.Module):
        def forward(self, x):
            raise KeyError("mine")

    net = nn.Sequential(nn.Identity(), nn.Sequential(Broken()))
    with pytest.raises(KeyError) as error:
        net(1)
    assert notes(error) == ["in Sequential.1.0: Broken()"]


def test_after_an_error_no_block_is_running():
    with pytest.raises(RuntimeError):
        MLP()(nacre.ones(1, 1))
    assert scope.running() == []


def test_blocks_run_inside_each_other():
    seen = []

    class Inner(nn.Module):
        def forward(self, x):
            seen.append(scope.path())
            return x

    nn.Sequential(nn.Sequential(Inner()), Inner())(nacre.ones(1))
    assert seen == ["Sequential.0.0", "Sequential.1"]


def test_hooks_run_inside_the_block():
    seen = []
    net = nn.Sequential(nn.ReLU())
    net[0].register_forward_hook(lambda m, args, out: seen.append(scope.path()))
    net(nacre.ones(1))
    assert seen == ["Sequential.0"]


# ---- attributes ---------------------------------------------------------------------------------
def test_registered_values_are_found_without_getattr(monkeypatch):
    net = MLP()

    def missed(self, name):
        assert name.startswith("__"), f"{name} was looked up by __getattr__"
        raise AttributeError(name)

    monkeypatch.setattr(nn.Module, "__getattr__", missed)
    assert net.hidden.weight.shape == (256, 20)
    net.hidden.bias = nn.Parameter(nacre.zeros(256))
    assert net.hidden.bias is net.hidden._parameters["bias"]
    copied = copy.deepcopy(net)
    assert copied.hidden.bias is copied.hidden._parameters["bias"]
    assert pickle.loads(pickle.dumps(net.hidden)).weight.shape == (256, 20)


def test_a_state_made_by_hand_carries_no_stale_attributes():
    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.layer = nn.Linear(1, 1)

        def __getstate__(self):
            return self.__dict__.copy()

        def __setstate__(self, state):
            self.__dict__.update(state)

    other = copy.deepcopy(Own())
    other._modules["layer"] = nn.ReLU()
    assert isinstance(other.layer, nn.ReLU)


def test_a_replica_has_registers_of_its_own():
    net = nn.Linear(1, 1)
    replica = net._replicate_for_data_parallel()
    assert list(replica._parameters) == []
    assert not hasattr(replica, "weight")
    net.register_buffer("b", nacre.ones(1))
    assert not hasattr(replica, "b")


def test_a_module_is_freed_with_its_last_reference():
    gc.collect()
    gc.disable()
    try:
        net = MLP()
        net(nacre.ones(1, 20))
        watch = weakref.ref(net), weakref.ref(net.hidden.weight)
        del net
        assert [w() for w in watch] == [None, None]
    finally:
        gc.enable()


# ---- lazy modules -------------------------------------------------------------------------------
def test_an_optimiser_may_be_made_before_data_is_seen():
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(1))
    optimizer = nacre.optim.SGD(net.parameters(), lr=0.1)
    before = None
    for _ in range(2):
        loss = net(nacre.ones(2, 3)).sum()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        changed = before is None or not nacre.equal(before, net[2].bias)
        before = net[2].bias.detach().clone()
        assert changed


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_lazy_module_can_be_copied_and_saved(copied):
    net = nn.Sequential(nn.LazyLinear(4), nn.LazyLinear(1, bias=False))
    other = copied(net)
    assert repr(other) == repr(net)
    assert other(nacre.ones(2, 3)).shape == (2, 1)
    assert repr(other[0]) == "Linear(in_features=3, out_features=4, bias=True)"
    assert repr(net[0]) == "LazyLinear(in_features=0, out_features=4, bias=True)"
    assert not other[0]._forward_pre_hooks
    assert net(nacre.ones(2, 7)).shape == (2, 1)


# ---- pickles ------------------------------------------------------------------------------------
def test_classes_print_under_pytorchs_names_and_pickle_under_ours():
    assert repr(nn.Linear) == "<class 'torch.nn.modules.linear.Linear'>"
    assert b"torch" not in pickle.dumps(nn.Sequential(nn.Linear(1, 1), nn.LazyLinear(1)))
    assert b"torch" not in pickle.dumps(nn.Parameter(nacre.ones(1)))
    kind = pickle.loads(pickle.dumps(nn.Parameter))
    assert kind is nn.Parameter


class Tagged(nn.Parameter):
    pass


def test_subclasses_of_parameters_are_kept():
    p = Tagged(nacre.ones(2))
    p.tag = "kept"
    for other in (pickle.loads(pickle.dumps(p)), copy.deepcopy(p)):
        assert type(other) is Tagged
        assert nacre.equal(other, p)
    assert pickle.loads(pickle.dumps(p)).tag == "kept"
    assert list(MLP().hidden._parameters) == ["weight", "bias"]


# ---- the same bits ------------------------------------------------------------------------------
def test_dropout_draws_at_the_call():
    nacre.manual_seed(1)
    x = nn.functional.dropout(nacre.ones(8))
    later = nacre.rand(1)
    nacre.manual_seed(1)
    y = nn.functional.dropout(nacre.ones(8))
    assert y.tolist() == x.tolist()
    assert nacre.rand(1).item() == later.item()


# ---- numbers that change ------------------------------------------------------------------------
NUMBERED = {
    "leaky_relu": (
        lambda F, x, y, k: F.leaky_relu(x, 0.1 * k),
        lambda x, y, k: max(x, 0.1 * k * x),
    ),
    "elu": (
        lambda F, x, y, k: F.elu(x, 0.5 * k),
        lambda x, y, k: x if x > 0 else 0.5 * k * math.expm1(x),
    ),
    "softplus": (
        lambda F, x, y, k: F.softplus(x, beta=k),
        lambda x, y, k: math.log1p(math.exp(k * x)) / k,
    ),
    "hardtanh": (
        lambda F, x, y, k: F.hardtanh(x, -0.1 * k, 0.2 * k),
        lambda x, y, k: min(max(x, -0.1 * k), 0.2 * k),
    ),
    "smooth_l1_loss": (
        lambda F, x, y, k: F.smooth_l1_loss(x, y, reduction="none", beta=0.4 * k),
        lambda x, y, k: (x - y) ** 2 / (0.8 * k) if abs(x - y) < 0.4 * k else abs(x - y) - 0.2 * k,
    ),
    "huber_loss": (
        lambda F, x, y, k: F.huber_loss(x, y, reduction="none", delta=0.4 * k),
        lambda x, y, k: (
            (x - y) ** 2 / 2 if abs(x - y) < 0.4 * k else 0.4 * k * (abs(x - y) - 0.2 * k)
        ),
    ),
}


@pytest.mark.parametrize("name", NUMBERED)
def test_numbers_may_change_each_time(name):
    """Seen again, a function is one jump; its numbers are inputs all the same."""
    call, meaning = NUMBERED[name]
    for k in (1, 2, 3, 4, 5, 3):
        x = nacre.linspace(-2.0, 2.0, 7, dtype=nacre.float64, requires_grad=True)
        y = nacre.full((7,), 0.25, dtype=nacre.float64)
        found = call(nn.functional, x, y, k)
        found.sum().backward()
        step = 1e-6
        for a, b, value, slope in zip(
            x.tolist(), y.tolist(), found.tolist(), x.grad.tolist(), strict=True
        ):
            assert value == pytest.approx(meaning(a, b, k), abs=1e-12)
            rise = meaning(a + step, b, k) - meaning(a - step, b, k)
            if abs(a) > step:
                assert slope == pytest.approx(rise / (2 * step), abs=1e-5)
