"""Containers: how they grow, are cut, joined and printed."""

from collections import OrderedDict

from ..outcome import refused


def _three(torch):
    nn = torch.nn
    return nn.Sequential(nn.Linear(1, 2), nn.ReLU(), nn.Linear(2, 1))


def sequentials_are_made_and_cut(torch):
    nn = torch.nn
    net = _three(torch)
    yield repr(net), len(net), repr(net[0]), repr(net[-1]), repr(net[1:]), repr(net[::2])
    named = nn.Sequential(OrderedDict(a=nn.Linear(1, 1), b=nn.ReLU()))
    yield repr(named), named.a is named[0], repr(named[1:]), repr(nn.Sequential())
    yield [type(m).__name__ for m in net], isinstance(net[:2], nn.Sequential)
    for index in (3, -4, "a", 1.0):
        yield refused(net.__getitem__, index)
    yield refused(nn.Sequential, 3)
    yield refused(nn.Sequential, [nn.ReLU()])
    yield refused(nn.Sequential, {"a": nn.ReLU()})
    yield refused(nn.Sequential, nn.ReLU)
    yield named[0].weight is named.a.weight


def sequentials_are_changed(torch):
    nn = torch.nn
    net = _three(torch)
    yield net.append(nn.Tanh()) is net, repr(net)
    yield net.insert(1, nn.Sigmoid()) is net, repr(net)
    net.insert(-1, nn.Identity())
    yield repr(net), net.extend([nn.ReLU(), nn.ReLU()]) is net, len(net)
    net[0] = nn.Linear(3, 3)
    net[-1] = nn.Dropout()
    del net[1]
    yield repr(net), list(net._modules)
    del net[2:]
    yield repr(net), repr(net.pop(0)), repr(net)
    yield refused(net.insert, 5, nn.ReLU())
    yield refused(net.insert, 0, 3)
    yield refused(net.append, 3)
    yield refused(net.__setitem__, 0, 3)
    yield refused(net.__setitem__, 7, nn.ReLU())
    yield refused(net.__delitem__, 7)


def sequentials_are_added_and_multiplied(torch):
    nn = torch.nn
    a, b = nn.Sequential(nn.ReLU()), nn.Sequential(nn.Tanh(), nn.Sigmoid())
    both = a + b
    yield repr(both), both[0] is a[0], repr(a * 2), (a * 2)[0] is a[0], repr(2 * b)
    a += b
    yield repr(a)
    a *= 2
    yield repr(a), a[0] is a[3]
    yield refused(lambda: b + 3)
    yield refused(lambda: b * 0)
    yield refused(lambda: b * "x")
    yield refused(lambda: b * -1)


def names_of_ones_own_stay(torch):
    nn = torch.nn
    net = nn.Sequential()
    net.add_module("block 0", nn.Linear(1, 1))
    net.add_module("1", nn.ReLU())
    yield repr(net), list(net.state_dict()), net[0] is net._modules["block 0"]
    net[0] = nn.Linear(1, 2)
    yield repr(net)


def lists_of_modules(torch):
    nn = torch.nn
    layers = nn.ModuleList([nn.Linear(2, 2) for _ in range(3)])
    yield repr(layers), len(layers), repr(layers[1]), repr(layers[-2:]), repr(nn.ModuleList())
    yield layers.append(nn.ReLU()) is layers, repr(layers)
    yield layers.extend([nn.ReLU(), nn.Sequential(nn.ReLU(), nn.Tanh())]) is layers, repr(layers)
    layers.insert(1, nn.Sigmoid())
    yield repr(layers), layers.insert(0, nn.Identity())
    layers += [nn.Tanh()]
    yield repr(layers + [nn.Softsign()]), repr(layers.pop(0)), repr(layers)
    del layers[1:4]
    yield repr(layers), [n for n, _ in layers.named_parameters()]
    layers[0] = nn.Linear(1, 1)
    yield repr(layers), "ReLU()" in [repr(m) for m in layers]
    yield [n for n in dir(layers) if n.isdigit()]
    for index in (9, -9, "x"):
        yield refused(layers.__getitem__, index)
    yield refused(layers.extend, 3)
    yield refused(layers.append, 3)
    yield refused(layers.__setitem__, 0, 3)
    yield refused(nn.ModuleList, 3)
    yield refused(layers, torch.ones(1))


def dictionaries_of_modules(torch):
    nn = torch.nn
    d = nn.ModuleDict({"b": nn.ReLU(), "a": nn.Linear(1, 1)})
    yield repr(d), len(d), list(d), "a" in d, "c" in d, repr(d["b"]), list(d.keys())
    d["c"] = nn.Tanh()
    d.update([["e", nn.Sigmoid()]])
    d.update(nn.ModuleDict({"f": nn.Identity()}))
    yield repr(d), [k for k, _ in d.items()], [repr(m) for m in d.values()]
    yield repr(d.pop("c")), list(d)
    del d["e"]
    yield list(d), repr(nn.ModuleDict([["x", nn.ReLU()]])), repr(nn.ModuleDict())
    for key in ("missing", 3):
        yield refused(d.__getitem__, key)
    yield refused(d.__setitem__, "n", 3)
    yield refused(d.__setitem__, "keys", nn.ReLU())
    yield refused(d.__setitem__, "x.y", nn.ReLU())
    yield refused(d.__setitem__, 3, nn.ReLU())
    yield refused(d.__delitem__, "missing")
    yield refused(d.update, 3)
    yield refused(d.update, [3])
    yield refused(d.update, [["a"]])
    yield refused(d, torch.ones(1))
    d.clear()
    yield repr(d), [n for n, _ in d.named_parameters()]


def lists_of_parameters(torch):
    nn = torch.nn
    own = nn.Parameter(torch.ones(2, 3))
    p = nn.ParameterList([own, torch.zeros(4), "text", 5])
    yield repr(p), len(p), p[0] is own, type(p[1]) is nn.Parameter, p[2], repr(p[1:])
    yield p.append(torch.ones(())) is p, p.extend([torch.ones(1, dtype=torch.float64)]) is p
    yield repr(p), [n for n, _ in p.named_parameters()], list(p.state_dict())
    p[1] = torch.ones(1)
    p += [3]
    yield repr(p), [type(x).__name__ for x in p], repr(nn.ParameterList())
    for index in (20, -20):
        yield refused(p.__getitem__, index)
    yield refused(p.extend, 3)
    yield refused(p.extend, torch.ones(2))
    yield refused(p, 3)


def dictionaries_of_parameters(torch):
    nn = torch.nn
    d = nn.ParameterDict({"b": torch.ones(2), "a": nn.Parameter(torch.zeros(1, 2))})
    yield repr(d), list(d), len(d), "a" in d, d.get("zz"), d["b"]
    d["n"] = 3
    d.update([("z", torch.ones(()))])
    d.update(OrderedDict(y=torch.ones(1), x=torch.ones(1)))
    yield repr(d), list(d.keys()), [type(v).__name__ for v in d.values()], list(reversed(d))
    yield d.setdefault("b", 0), d.setdefault("q"), list(d.copy())
    yield d.pop("n"), d.popitem(), list(d), [k for k, _ in d.items()]
    other = d | nn.ParameterDict({"new": torch.ones(1)})
    yield list(other), list(d.fromkeys(["u", "v"], 1))
    d |= {"last": torch.ones(1)}
    del d["b"]
    yield list(d), list(d.state_dict()), repr(nn.ParameterDict())
    yield refused(d.__getitem__, 3)
    yield refused(nn.ParameterDict().__setitem__, "keys", torch.ones(1))
    yield refused(d.update, 3)
    yield refused(d.update, [3])
    yield refused(d.update, [[1]])
    yield refused(d, 3)
    d.clear()
    yield list(d), repr(d)
