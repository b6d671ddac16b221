"""A Sequential of plain layers as one memoised jump, where no gradients are recorded.

The layers run one by one the first time; afterwards input and parameters lead straight to the
result, as long as every layer is what it was: the same parameters, no hooks, no `forward` of its
own, and nobody else's function where a layer's code looks for one. Anything else, and anything that
records gradients, goes layer by layer. Nothing here keeps a layer or a parameter alive.
"""

from __future__ import annotations

import weakref
from operator import call

from nacre.ir.trace import TRACE, Value
from nacre.nn import functional as F
from nacre.nn.hooks import ANY
from nacre.nn.module import Module
from nacre.nn.registry import Registry
from nacre.ops.record import Composite
from nacre.tensor.tensor import Tensor

# What layers are called through and call, as it was before anybody could replace it.
_NAMES = [(vars(Module), "__call__"), (vars(F), "linear"), (vars(F), "relu")]
_CODE = [(table, name, table[name]) for table, name in _NAMES]


class _Layers(Composite):
    """The layers of one chain as a composite of its own; not an operation that is listed."""

    def __post_init__(self):
        pass


class Chain:
    """What a Sequential was when its layers were last looked at.

    `layers` has for each the id of the module, settings (name, value) and parameters (name, id);
    no settings if there is a layer of another kind. `functions` are what `gets` of `names` give:
    the code on the way. `run` is None if some layer is not plain. An id is known to be of what it
    was of: when a layer or a parameter dies, its chain is forgotten.
    """

    __slots__ = ("__weakref__", "functions", "gets", "layers", "names", "owner", "refs", "run")

    def __init__(self, owner):
        key = id(owner)

        def forget(_):
            _CHAINS.pop(key, None)

        self.owner = weakref.ref(owner, forget)
        modules = tuple(owner._modules.values())
        self.refs = [weakref.ref(module, forget) for module in modules]
        self.layers = [(id(module), None, ()) for module in modules]
        self.run = None
        kinds = dict.fromkeys(map(type, modules))
        code = [*_CODE]
        for kind in kinds:
            code += [(vars(kind), name, vars(kind).get(name)) for name in ("forward", "__call__")]
        self.gets = [table.get for table, _, _ in code]
        self.names = [name for _, name, _ in code]
        self.functions = [function for _, _, function in code]
        known = modules and all("_reads" in vars(kind) for kind in kinds)
        if not known or type(owner).__iter__.__module__ != _CONTAINERS:
            return
        self.layers = [self._layer(module, forget) for module in modules]
        plain = all(map(_is_plain, modules)) and all(map(_is_ours, kinds))
        if plain and "_makes_new" in vars(type(modules[-1])):
            self.run = _Layers("layers", _one_by_one(self.owner))

    def _layer(self, module, forget):
        own = module.__dict__
        values = [(name, own.get(name)) for name in type(module)._reads]
        parameters = [(name, x) for name, x in values if isinstance(x, Value)]
        self.refs += [weakref.ref(x, forget) for _, x in parameters]
        settings = tuple([(name, x) for name, x in values if not isinstance(x, Value)])
        return id(module), settings, tuple([(name, id(x)) for name, x in parameters])

    def parameters(self, owner):
        """The parameters that the layers read; None if anything has changed since."""
        modules = owner._modules.values()
        if self.owner() is not owner or len(modules) != len(self.layers):
            return None
        found = []
        for module, (key, settings, parameters) in zip(modules, self.layers):  # noqa: B905
            if id(module) != key:
                return None
            if settings is None:
                continue
            own = module.__dict__
            if own["_has_hooks"] or "forward" in own:
                return None
            for name, value in settings:
                if own.get(name) is not value:
                    return None
            for name, key in parameters:
                value = own.get(name)
                if id(value) != key:
                    return None
                found.append(value)
        return found

    def is_current(self) -> bool:
        """Whether the code on the way is what it was."""
        return list(map(call, self.gets, self.names)) == self.functions


def _is_plain(module) -> bool:
    own = module.__dict__
    if own["_has_hooks"] or "forward" in own or own.get("inplace"):
        return False
    return type(own["_parameters"]) is Registry


def _is_ours(kind) -> bool:
    """Whether nobody has replaced the code of a kind of layer."""
    forward = vars(kind).get("forward")
    home = getattr(forward, "__globals__", {}).get("__name__", "")
    return "__call__" not in vars(kind) and home.startswith(_LAYERS)


def _one_by_one(owner):
    """The function that a chain memoises; it holds on to nothing."""

    def layers(x, *parameters):
        for module in owner()._modules.values():
            x = module(x)
        return x

    return layers


_CHAINS: dict[int, Chain] = {}
_LAYERS = __name__.rpartition(".")[0] + ".layers."
_CONTAINERS = __name__.rpartition(".")[0] + ".containers"


def through(owner, x):
    """The result of the layers of a Sequential; None if they have to be called one by one."""
    if TRACE.grad or ANY or x.__class__ is not Tensor:
        return None
    chain = _CHAINS.get(id(owner))
    parameters = None if chain is None else chain.parameters(owner)
    if parameters is None:
        chain = _CHAINS[id(owner)] = Chain(owner)
        parameters = chain.parameters(owner)
    if parameters is None or chain.run is None:
        return None
    if not chain.is_current():
        _CHAINS.pop(id(owner), None)
        return None
    return chain.run(x, *parameters)
