"""What modules register, how attributes behave, what is found inside, copies and printing."""

import copy
import pickle
from collections import OrderedDict

from ..outcome import refused, warned


def _mlp(torch):
    nn = torch.nn

    class MLP(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(2, 3)
            self.act = nn.ReLU()
            self.register_buffer("scale", torch.ones(3))
            self.register_buffer("scratch", torch.zeros(1), persistent=False)
            self.shift = nn.Parameter(torch.zeros(3))
            self.out = nn.Linear(3, 1, bias=False)
            self.note = "plain"

        def forward(self, x):
            return self.out(self.act(self.hidden(x)) * self.scale + self.shift)

    return MLP()


def members_are_listed_in_order(torch):
    net = _mlp(torch)
    yield [n for n, _ in net.named_parameters()]
    yield [n for n, _ in net.named_buffers()]
    yield [n for n, _ in net.named_children()]
    yield [n for n, _ in net.named_modules()]
    yield [n for n, _ in net.named_parameters(prefix="top")]
    yield [n for n, _ in net.named_parameters(recurse=False)]
    yield [n for n, _ in net.named_modules(prefix="net")]
    yield len(list(net.parameters())), len(list(net.buffers())), len(list(net.modules()))


def shared_members_are_listed_once(torch):
    nn = torch.nn
    shared = nn.Linear(2, 2)
    net = nn.Sequential(shared, nn.ReLU(), shared)
    net.tied = shared.weight
    yield [n for n, _ in net.named_parameters()]
    yield [n for n, _ in net.named_parameters(remove_duplicate=False)]
    yield [n for n, _ in net.named_modules()]
    yield [n for n, _ in net.named_modules(remove_duplicate=False)]
    yield [n for n, _ in net.named_children()]
    yield list(net.state_dict())


def modules_print(torch):
    nn = torch.nn
    net = _mlp(torch)
    yield repr(net)
    yield str(nn.Sequential(net, nn.Sequential(nn.Linear(1, 1), nn.Identity()), nn.Module()))
    yield repr(net.named_parameters)
    yield repr(type(net.hidden)), repr(type(net.shift)), repr(nn.Module), repr(nn.Sequential)

    class Extra(nn.Module):
        def extra_repr(self):
            return "a=1\nb=2"

    yield repr(Extra())
    both = Extra()
    both.inner = nn.Linear(1, 2)
    yield repr(both)
    both.inner = None
    yield repr(both)

    class Line(nn.Module):
        def extra_repr(self):
            return "k=3"

    yield repr(Line()), repr(nn.Sequential(Line()))


def parameters_print(torch):
    nn = torch.nn
    p = nn.Parameter(torch.ones(2))
    yield repr(p), str(p), f"{p}"
    yield repr(nn.Parameter(torch.ones(1, 2), requires_grad=False))
    yield repr([p]), repr({"p": p})
    yield repr(p.data), repr(p + 1), repr(p.detach()), type(p.data) is torch.Tensor
    yield repr(type(p)), isinstance(p, torch.Tensor), isinstance(p, nn.Parameter)
    yield isinstance(torch.ones(1), nn.Parameter)
    yield repr(nn.Parameter()), p.is_leaf, p.requires_grad
    yield repr(nn.Buffer(torch.ones(1))), isinstance(nn.Buffer(torch.ones(1)), nn.Buffer)


def parameters_are_made_of_tensors(torch):
    nn = torch.nn
    yield refused(nn.Parameter, torch.ones(2, dtype=torch.int64))
    yield nn.Parameter(torch.ones(2, dtype=torch.int64), requires_grad=False)
    for data in (3, [1.0], "text"):
        yield refused(nn.Parameter, data)
    view = torch.arange(6.0).reshape(2, 3)[1]
    yield nn.Parameter(view), nn.Parameter(view).is_leaf, nn.Parameter(view)._is_view()


def parameters_share_the_memory_of_their_data(torch):
    x = torch.zeros(2)
    p = torch.nn.Parameter(x)
    x[0] = 5
    yield p
    p.data[1] = 7
    yield x, p._version, x._version
    q = torch.nn.Parameter(p)
    q.data.fill_(1)
    yield x, q is p


def registered_names_are_checked(torch):
    nn = torch.nn
    net = _mlp(torch)
    p = nn.Parameter(torch.ones(1))
    yield refused(net.register_parameter, "a.b", p)
    yield refused(net.register_parameter, "", p)
    yield refused(net.register_parameter, 3, p)
    yield refused(net.register_parameter, "note", p)
    yield refused(net.register_parameter, "w", torch.ones(1))
    yield refused(net.register_parameter, "w", 3)
    yield refused(net.register_parameter, "forward", p)
    yield refused(net.register_buffer, "a.b", torch.ones(1))
    yield refused(net.register_buffer, "", torch.ones(1))
    yield refused(net.register_buffer, 3, torch.ones(1))
    yield refused(net.register_buffer, "hidden", torch.ones(1))
    yield refused(net.register_buffer, "b", [1.0])
    yield refused(net.add_module, "a.b", nn.ReLU())
    yield refused(net.add_module, "", nn.ReLU())
    yield refused(net.add_module, 3, nn.ReLU())
    yield refused(net.add_module, "scale", nn.ReLU())
    yield refused(net.add_module, "m", torch.ones(1))
    yield refused(net.add_module, "m", nn.ReLU)
    yield refused(net.register_module, "m", 3)


def computed_tensors_are_no_parameters(torch):
    net = torch.nn.Module()
    p = torch.nn.Parameter(torch.ones(1))

    def give():
        q = torch.nn.Parameter(torch.ones(1))
        q.requires_grad_(False)
        q.copy_(p * 2)
        net.register_parameter("q", q)

    yield refused(give)
    yield refused(setattr, p, "grad", 3)


def attributes_change_their_kind(torch):
    nn = torch.nn
    net = _mlp(torch)
    yield refused(setattr, net, "shift", torch.ones(3))
    yield refused(setattr, net, "shift", 3)
    yield refused(setattr, net, "shift", nn.ReLU())
    yield refused(setattr, net, "hidden", 3)
    yield refused(setattr, net, "hidden", torch.ones(2))
    yield refused(setattr, net, "scale", 3)
    net.scale = torch.full((3,), 2.0)
    yield net.scale, list(net._buffers)
    net.scale = None
    yield net.scale, [n for n, _ in net.named_buffers()], list(net._buffers)
    net.shift = None
    yield net.shift, list(net._parameters)
    net.hidden = None
    yield net.hidden, list(net._modules), repr(net)
    net.note = nn.Parameter(torch.ones(1))
    yield list(net._parameters), "note" in dir(net)
    net.act = nn.Parameter(torch.ones(2))
    yield list(net._parameters), list(net._modules), net.act
    net.scale = nn.Linear(1, 1, bias=False)
    yield list(net._modules), list(net._buffers)
    net.plain = torch.ones(1)
    yield [n for n, _ in net.named_buffers()], net.plain
    yield refused(setattr, net, "plain", nn.Buffer(torch.zeros(2)))
    net.fresh = nn.Buffer(torch.zeros(2), persistent=False)
    yield list(net._buffers), list(net.state_dict())


def attributes_are_deleted(torch):
    net = _mlp(torch)
    del net.shift, net.scale, net.hidden, net.note
    yield list(net._parameters), list(net._buffers), list(net._modules)
    for name in ("shift", "scale", "hidden", "note", "missing"):
        yield refused(getattr, net, name)
        yield refused(delattr, net, name)
    yield hasattr(net, "act"), hasattr(net, "shift")


def the_registers_may_be_changed_directly(torch):
    nn = torch.nn
    net = _mlp(torch)
    layer = nn.Linear(3, 2)
    net._modules["out"] = layer
    yield net.out is layer, list(net._modules)
    del net._modules["act"]
    yield hasattr(net, "act")
    net._parameters["shift"] = nn.Parameter(torch.full((3,), 4.0))
    yield net.shift
    net._parameters["extra"] = nn.Parameter(torch.ones(1))
    yield net.extra, [n for n, _ in net.named_parameters()]
    net._buffers.update({"scale": torch.zeros(3), "more": torch.ones(1)})
    yield net.scale, net.more
    net._buffers.pop("more")
    yield hasattr(net, "more")
    yield net._modules.setdefault("late", nn.ReLU()) is net.late
    net._modules.popitem()
    yield hasattr(net, "late")
    net._parameters |= {"p2": nn.Parameter(torch.ones(2))}
    yield net.p2
    net._modules.clear()
    yield hasattr(net, "hidden"), repr(net)
    yield type(net._parameters.copy()) is dict


def a_dictionary_of_ones_own_takes_the_place_of_a_register(torch):
    nn = torch.nn

    class Own(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.ReLU()
            self._modules = OrderedDict()

    net = Own()
    yield hasattr(net, "first"), type(net._modules) is OrderedDict
    held = net._modules
    net._modules["a"] = nn.Linear(1, 2, bias=False)
    held["b"] = nn.ReLU()
    yield repr(net), net.a is held["a"], net.b is held["b"]
    net.c = nn.Sigmoid()
    yield list(held), [n for n, _ in net.named_parameters()]
    copied = copy.deepcopy(net)
    yield repr(copied), type(copied._modules) is OrderedDict, copied.a is net.a
    yield refused(setattr, net, "a", 3)
    del net.a
    yield list(held)


def nothing_is_registered_before_init(torch):
    nn = torch.nn

    class Parameters(nn.Module):
        def __init__(self):
            self.w = nn.Parameter(torch.ones(1))

    class Modules(nn.Module):
        def __init__(self):
            self.layer = nn.Linear(1, 1)

    class Buffers(nn.Module):
        def __init__(self):
            self.register_buffer("b", torch.ones(1))

    class Named(nn.Module):
        def __init__(self):
            self.register_parameter("b", None)

    class Plain(nn.Module):
        def __init__(self):
            self.x = 3
            super().__init__()

    for kind in (Parameters, Modules, Buffers, Named):
        yield refused(kind)
    yield Plain().x


def arguments_of_init_are_checked(torch):
    nn = torch.nn

    class Mine(nn.Module):
        def __init__(self, **kwargs):
            super().__init__(**kwargs)

    yield repr(Mine())
    yield refused(Mine, size=3)
    yield refused(nn.Module, 1, 2)
    yield refused(nn.Module, a=1)
    yield refused(nn.Linear, 3)

    class Base:
        def __init__(self, x):
            self.x = x

    class Both(nn.Module, Base):
        call_super_init = True

    yield Both(7).x


def class_attributes_go_before_registered_ones(torch):
    nn = torch.nn

    class Fixed(nn.Module):
        gain = 2.0
        layer = None

        @property
        def view(self):
            return "property"

    net = Fixed()
    yield refused(net.register_buffer, "gain", torch.ones(1))
    net.layer = nn.Linear(1, 1)
    yield net.layer, list(net._modules)
    yield refused(net.register_parameter, "view", nn.Parameter(torch.ones(1)))
    net.gain = 3.0
    yield net.gain


def members_are_found_by_dotted_names(torch):
    nn = torch.nn
    net = nn.Sequential(_mlp(torch), nn.Linear(1, 1))
    yield net.get_submodule("") is net, repr(net.get_submodule("0.hidden"))
    yield net.get_parameter("0.hidden.bias") is net[0].hidden.bias
    yield net.get_buffer("0.scale")
    for name in ("2", "0.missing", "0.shift", "0.note.x", "0.hidden.weight"):
        yield refused(net.get_submodule, name)
    for name in ("0.missing", "0.scale", "0.hidden", "5.weight", "weight"):
        yield refused(net.get_parameter, name)
    for name in ("0.missing", "0.shift", "0.hidden"):
        yield refused(net.get_buffer, name)
    net.set_submodule("0.act", nn.Sigmoid())
    yield repr(net)
    yield refused(net.set_submodule, "", nn.ReLU())
    yield refused(net.set_submodule, "0.new", nn.ReLU(), strict=True)
    yield refused(net.set_submodule, "0.act", 3)
    yield refused(net.set_submodule, "0.shift", nn.ReLU())


def apply_visits_the_inside_first(torch):
    nn = torch.nn
    net = nn.Sequential(_mlp(torch), nn.ReLU())
    seen = []
    yield net.apply(lambda m: seen.append(type(m).__name__)) is net
    yield seen


def types_are_converted(torch):
    net = _mlp(torch)
    net.register_buffer("count", torch.zeros((), dtype=torch.int64))
    net(torch.ones(1, 2)).sum().backward()
    weight = net.hidden.weight
    for convert in ("double", "half", "bfloat16", "float"):
        yield getattr(net, convert)() is net
        found = {n: str(t.dtype) for n, t in net.state_dict().items()}
        yield found, str(net.hidden.weight.grad.dtype), net.hidden.weight is weight
    yield str(net.to(torch.float64).shift.dtype), str(net.count.dtype)
    yield str(net.to("cpu", torch.float32).shift.dtype)
    yield str(net.to(device="cpu", dtype=torch.float16).shift.dtype)
    yield str(net.to(torch.ones(1, dtype=torch.float64)).shift.dtype)
    yield str(net.type(torch.float32).shift.dtype), str(net.count.dtype)
    yield refused(net.to, torch.int64)
    yield net.cpu() is net, net.to("cpu") is net, net.share_memory() is net


def a_network_keeps_its_values_when_converted(torch):
    net = _mlp(torch).double()
    yield net.hidden.weight, net.scale
    y = net(torch.ones(2, 2, dtype=torch.float64))
    yield y
    y.sum().backward()
    yield net.shift.grad
    net.float()
    yield net.shift.grad


def modes_are_switched(torch):
    nn = torch.nn
    net = nn.Sequential(nn.Dropout(0.5), nn.Sequential(nn.Dropout(0.1)))
    yield net.training, net.eval() is net, [m.training for m in net.modules()]
    yield net.train() is net, [m.training for m in net.modules()]
    net[1].eval()
    yield [m.training for m in net.modules()]
    yield refused(net.train, "yes")
    yield refused(net.train, 1)


def gradients_are_switched_and_cleared(torch):
    net = _mlp(torch)
    yield net.requires_grad_(False) is net, [p.requires_grad for p in net.parameters()]
    net.requires_grad_()
    yield [p.requires_grad for p in net.parameters()]
    net(torch.ones(1, 2)).sum().backward()
    grad = net.shift.grad
    yield grad
    net.zero_grad(set_to_none=False)
    yield net.shift.grad is grad, grad
    net.zero_grad()
    yield net.shift.grad, net.hidden.weight.grad


def modules_are_copied(torch):
    nn = torch.nn
    net = nn.Sequential(_plain(torch), nn.Linear(2, 2))
    net.append(net[1])
    net[1].weight.grad = torch.ones(2, 2)
    net[1].tag = ["kept"]
    other = copy.deepcopy(net)
    yield repr(other), other[1] is other[2], other[1] is net[1]
    yield other[1].weight.grad, other[1].tag, other[1].tag is net[1].tag
    yield other[1].weight.requires_grad, other[1].weight is other[1]._parameters["weight"]
    other[1].weight.data.fill_(3)
    yield bool((net[1].weight == 3).any())
    other[1].bias = None
    yield list(other[1]._parameters), net[1].bias is None
    shallow = copy.copy(net[1])
    yield shallow.weight is net[1].weight, shallow._parameters is net[1]._parameters
    shallow.weight = nn.Parameter(torch.zeros(2, 2))
    yield net[1].weight is shallow.weight
    shallow.extra = 3
    yield hasattr(net[1], "extra")


def _plain(torch):
    return torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())


def modules_are_pickled(torch):
    nn = torch.nn
    net = nn.Sequential(_plain(torch), nn.Linear(2, 2), nn.Dropout(0.25)).eval()
    net[1].register_buffer("seen", torch.arange(3))
    for protocol in (2, pickle.HIGHEST_PROTOCOL):
        other = pickle.loads(pickle.dumps(net, protocol))
        yield repr(other), [m.training for m in other.modules()], list(other.state_dict())
        yield other[1].weight, other[1].seen, other[1].weight.requires_grad
        yield other[1].weight is other[1]._parameters["weight"], other[2].p
        other[1].seen = torch.zeros(1)
        yield other[1]._buffers["seen"]
    p = pickle.loads(pickle.dumps(nn.Parameter(torch.ones(2), requires_grad=False)))
    yield repr(p), type(p) is nn.Parameter


def dir_names_what_is_registered(torch):
    nn = torch.nn
    net = nn.Sequential(nn.Linear(1, 1))
    net.register_buffer("b", None)
    names = [n for n in dir(net) if not n.startswith("_")]
    yield [n for n in names if n in ("0", "b", "weight", "training", "forward", "append")]
    yield names.count("b"), [n for n in dir(net[0]) if n in ("weight", "bias", "in_features")]


def registration_is_seen_by_hooks(torch):
    nn = torch.nn
    module = nn.modules.module
    seen = []
    handles = [
        module.register_module_parameter_registration_hook(
            lambda m, n, p: seen.append(("parameter", n))
        ),
        module.register_module_buffer_registration_hook(lambda m, n, b: seen.append(("buffer", n))),
        module.register_module_module_registration_hook(lambda m, n, c: seen.append(("module", n))),
    ]
    net = nn.Sequential(nn.Linear(1, 1))
    net.register_buffer("b", torch.ones(1))
    net.layer = nn.ReLU()
    net.layer = None
    for handle in handles:
        handle.remove()
    net.more = nn.Parameter(torch.ones(1))
    yield seen


def a_forward_is_needed(torch):
    net = torch.nn.Module()
    yield refused(net, torch.ones(1))
    yield refused(torch.nn.ModuleList(), torch.ones(1))


def positional_arguments_of_state_dict_are_deprecated(torch):
    net = torch.nn.Linear(1, 1)
    yield warned(net.state_dict, {}, "x.")
