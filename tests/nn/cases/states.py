"""State dicts: what they hold, how they load, what does not fit."""

import copy
from collections import OrderedDict

from ..outcome import refused, warned


def _net(torch):
    nn = torch.nn
    net = nn.Sequential(nn.Linear(2, 2), nn.Sequential(nn.Linear(2, 1, bias=False)))
    net.register_buffer("mean", torch.full((2,), 0.5))
    net.register_buffer("scratch", torch.zeros(1), persistent=False)
    net.register_buffer("nothing", None)
    for p in net.parameters():
        p.data.fill_(0.25)
    return net


def states_print(torch):
    net = _net(torch)
    yield repr(net.state_dict()), str(net[0].state_dict())
    yield type(net.state_dict()) is OrderedDict
    yield net.state_dict()._metadata
    yield list(net.state_dict(prefix="p.")), net.state_dict(prefix="p.")._metadata


def states_hold_the_memory_itself(torch):
    net = _net(torch)
    state = net.state_dict()
    yield state["0.weight"].requires_grad, type(state["0.weight"]) is torch.Tensor
    state["0.weight"][0, 0] = 9
    yield net[0].weight
    kept = net.state_dict(keep_vars=True)
    yield kept["0.weight"] is net[0].weight, kept["mean"] is net.mean
    given = {}
    yield net.state_dict(destination=given) is given, list(given), hasattr(given, "_metadata")
    copied = copy.deepcopy(net.state_dict())
    copied["0.weight"].zero_()
    yield net[0].weight, hasattr(copied, "_metadata")


def matching_states_load(torch):
    net = _net(torch)
    state = {k: torch.full_like(v, 2.0) for k, v in net.state_dict().items()}
    weight = net[0].weight
    result = net.load_state_dict(state)
    yield repr(result), str(result), result.missing_keys, result.unexpected_keys, len(result)
    yield net[0].weight, net[0].weight is weight, weight._version > 0, net.mean
    keys, extra = result
    yield keys, extra
    yield net.load_state_dict(OrderedDict(net.state_dict())), weight.requires_grad


def other_types_are_converted(torch):
    net = _net(torch)
    state = {k: v.double() * 2 for k, v in net.state_dict().items()}
    yield repr(net.load_state_dict(state)), str(net[0].weight.dtype), net[0].weight
    net = torch.nn.Linear(1, 1, bias=False)
    yield repr(net.load_state_dict({"weight": torch.tensor([[3]])})), net.weight


def states_that_do_not_match_are_refused(torch):
    net = _net(torch)
    state = net.state_dict()
    del state["0.bias"]
    yield refused(net.load_state_dict, state)
    yield repr(net.load_state_dict(state, strict=False))
    state["more"] = torch.ones(1)
    state["0.also.deeper"] = torch.ones(1)
    yield refused(net.load_state_dict, state)
    yield repr(net.load_state_dict(state, strict=False))
    state["0.weight"] = torch.ones(3, 2)
    state["mean"] = torch.ones(())
    yield refused(net.load_state_dict, state)
    yield refused(net.load_state_dict, state, strict=False)
    yield refused(net.load_state_dict, {})
    yield refused(net.load_state_dict, [1])
    yield refused(net.load_state_dict, {"mean": 3})
    yield refused(net[0].load_state_dict, {"weight": torch.ones(2, 2), "bias": "x"})
    yield refused(torch.nn.Linear(2, 2).load_state_dict, net.state_dict())


def one_element_may_come_as_a_vector(torch):
    net = torch.nn.Module()
    net.scale = torch.nn.Parameter(torch.zeros(()))
    yield repr(net.load_state_dict({"scale": torch.tensor([4.0])})), net.scale


def states_are_assigned(torch):
    net = _net(torch)
    state = OrderedDict((k, v.double() + 1) for k, v in net.state_dict().items())
    yield repr(net.load_state_dict(state, assign=True))
    yield str(net[0].weight.dtype), type(net[0].weight) is torch.nn.Parameter
    yield net[0].weight.requires_grad, net[0].weight.data_ptr() == state["0.weight"].data_ptr()
    yield net.mean is state["mean"], net[0].weight is net[0]._parameters["weight"]


def extra_state_goes_along(torch):
    class Counted(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.count = 0
            self.w = torch.nn.Parameter(torch.zeros(1))

        def get_extra_state(self):
            return {"count": self.count}

        def set_extra_state(self, state):
            self.count = state["count"]

    net = torch.nn.Sequential(Counted())
    net[0].count = 5
    state = net.state_dict()
    yield list(state), state["0._extra_state"]
    other = torch.nn.Sequential(Counted())
    yield repr(other.load_state_dict(state)), other[0].count
    del state["0._extra_state"]
    yield refused(other.load_state_dict, state)
    yield refused(torch.nn.Linear(1, 1, bias=False).load_state_dict, {
        "weight": torch.ones(1, 1), "_extra_state": 3})  # fmt: skip


def versions_are_kept(torch):
    seen = []

    class Newer(torch.nn.Module):
        _version = 3

        def _load_from_state_dict(self, state_dict, prefix, local_metadata, *rest):
            seen.append((prefix, local_metadata.get("version")))
            super()._load_from_state_dict(state_dict, prefix, local_metadata, *rest)

    net = torch.nn.Sequential(Newer())
    state = net.state_dict()
    yield state._metadata
    net.load_state_dict(state)
    net.load_state_dict({})
    yield seen


def saving_may_be_overridden(torch):
    class Own(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.w = torch.nn.Parameter(torch.ones(1))

        def _save_to_state_dict(self, destination, prefix, keep_vars):
            destination[prefix + "mine"] = self.w.detach() * 2

    yield torch.nn.Sequential(Own()).state_dict()


def states_have_hooks(torch):
    nn = torch.nn
    net = nn.Sequential(nn.Linear(1, 1))
    seen = []
    net.register_state_dict_pre_hook(lambda m, prefix, keep: seen.append(("pre", prefix, keep)))

    def add(m, state, prefix, metadata):
        seen.append(("post", prefix, dict(metadata)))
        state[prefix + "added"] = 1

    handle = net.register_state_dict_post_hook(add)
    yield list(net.state_dict()), seen
    handle.remove()
    net.register_load_state_dict_pre_hook(
        lambda m, state, prefix, *rest: seen.append(("load", m is net, prefix, list(state)))
    )
    net.register_load_state_dict_post_hook(
        lambda m, keys: seen.append(("loaded", m is net, list(keys.missing_keys)))
    )
    net[0].register_load_state_dict_post_hook(lambda m, keys: keys.missing_keys.clear())
    yield repr(net.load_state_dict({"0.weight": torch.ones(1, 1)})), seen[2:]
    net.register_state_dict_post_hook(lambda *args: {})
    yield refused(net.state_dict)
    bad = nn.Linear(1, 1)
    bad.register_load_state_dict_post_hook(lambda m, keys: keys)
    yield refused(bad.load_state_dict, bad.state_dict())
    yield refused(bad._register_state_dict_hook, add)
    bad._register_state_dict_hook(lambda m, state, prefix, meta: OrderedDict(a=1))
    yield dict(bad.state_dict())


def missing_parameters_are_not_saved(torch):
    net = torch.nn.Linear(1, 1)
    net.bias = None
    yield list(net.state_dict()), repr(net)
    yield refused(net.load_state_dict, {"weight": torch.ones(1, 1), "bias": torch.ones(1)})
    yield warned(net.state_dict)
