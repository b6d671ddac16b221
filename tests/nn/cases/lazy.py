"""Lazy modules: before and after they have seen data."""

import copy
import pickle

from ..outcome import refused


def lazy_layers_learn_their_size(torch):
    nn = torch.nn
    net = nn.Sequential(nn.LazyLinear(4), nn.ReLU(), nn.LazyLinear(1, bias=False))
    yield repr(net), repr(net[0].weight), repr(list(net.parameters()))
    yield net[0].has_uninitialized_params(), isinstance(net[0].weight, nn.Parameter)
    weight = net[0].weight
    y = net(torch.ones(2, 3))
    yield y, repr(net), net[0].weight is weight, type(weight) is nn.Parameter
    yield net[0].weight, net[0].bias, net[2].weight, type(net[0]) is nn.Linear
    y.sum().backward()
    yield net[0].weight.grad.shape == (4, 3), len(net[0]._forward_pre_hooks)
    yield hasattr(net[0], "_initialize_hook"), hasattr(net[0], "has_uninitialized_params")


def uninitialised_parameters_are_not_used(torch):
    layer = torch.nn.LazyLinear(2)
    w = layer.weight
    yield refused(lambda: w.shape)
    yield isinstance(refused(lambda: w + 1), ValueError)
    yield isinstance(refused(lambda: w.sum()), ValueError)
    yield str(w.dtype), str(w.device), w.requires_grad, w.is_leaf, w.grad, w.is_floating_point()
    yield repr(w), str(torch.nn.UninitializedBuffer())
    p = torch.nn.UninitializedParameter(requires_grad=False, dtype=torch.float64)
    p.materialize((2, 3))
    yield type(p) is torch.nn.Parameter, p.shape == (2, 3), str(p.dtype), p.requires_grad
    b = torch.nn.UninitializedBuffer(dtype=torch.int64)
    b.materialize((2,))
    yield type(b) is torch.Tensor, str(b.dtype), b.requires_grad


def lazy_layers_are_converted_and_copied(torch):
    net = torch.nn.LazyLinear(2).double()
    yield str(net.weight.dtype)
    yield type(refused(net.requires_grad_, False)).__name__
    other = copy.deepcopy(net)
    yield repr(other.weight), other.weight is net.weight, str(other.weight.dtype)
    y = other(torch.ones(1, 3, dtype=torch.float64))
    yield repr(other), repr(net), y.shape == (1, 2), other.weight.requires_grad
    third = copy.deepcopy(other)
    yield repr(third), third.weight


def lazy_layers_load_states(torch):
    nn = torch.nn
    done = nn.Linear(3, 2)
    lazy = nn.LazyLinear(2)
    yield repr(lazy.load_state_dict(done.state_dict())), lazy.weight, repr(lazy)
    yield lazy(torch.ones(1, 3)), repr(lazy)
    fresh = nn.LazyLinear(2)
    yield repr(dict(fresh.state_dict()))
    yield repr(nn.LazyLinear(2).load_state_dict(fresh.state_dict()))
    yield refused(nn.Linear(3, 2).load_state_dict, fresh.state_dict())


def lazy_modules_of_ones_own(torch):
    nn = torch.nn

    class Scale(nn.modules.lazy.LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.UninitializedParameter()

        def initialize_parameters(self, x, factor=1.0):
            self.scale.materialize(x.shape[-1:])
            nn.init.constant_(self.scale, factor)

        def forward(self, x, factor=1.0):
            return x * self.scale

    net = Scale()
    yield net(torch.ones(2), factor=3.0), type(net).__name__

    class Forgetful(nn.modules.lazy.LazyModuleMixin, nn.Module):
        def __init__(self):
            super().__init__()
            self.scale = nn.UninitializedParameter()

        def initialize_parameters(self, x):
            pass

    yield refused(Forgetful(), torch.ones(1))

    class Undefined(nn.modules.lazy.LazyModuleMixin, nn.Module):
        pass

    yield refused(Undefined(), torch.ones(1))


def sizes_that_differ_later_are_refused(torch):
    net = torch.nn.LazyLinear(2)
    net(torch.ones(1, 3))
    yield refused(net, torch.ones(1, 4))
    net = torch.nn.LazyLinear(2)
    net.load_state_dict(torch.nn.Linear(3, 2).state_dict())
    yield refused(net, torch.ones(1, 4))


def lazy_parameters_are_pickled(torch):
    p = pickle.loads(pickle.dumps(torch.nn.UninitializedParameter()))
    yield repr(p), p.requires_grad
