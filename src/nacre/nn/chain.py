"""A Sequential of plain layers as one memoised jump, where no gradients are recorded.

The layers run one by one the first time; afterwards input and parameters lead straight to the
result, as long as every layer is what it was: the same parameters, no hooks, no `forward` of its
own, and nobody else's function where a layer's code looks for one. Anything else, and anything that
records gradients, goes layer by layer. Nothing here keeps a layer or a parameter alive.
"""

from __future__ import annotations

import weakref

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


class _Layer:
    """What one layer's result depends on: its identity, settings and parameters (as ids)."""

    __slots__ = ("module", "parameters", "settings")

    def __init__(self, module, names):
        own = module.__dict__
        values = [(name, own.get(name)) for name in (*names, "_has_hooks", "forward")]
        self.module = id(module)
        self.parameters = [(name, id(x)) for name, x in values if isinstance(x, Value)]
        self.settings = [(name, x) for name, x in values if not isinstance(x, Value)]


class Chain:
    """What a Sequential was when its layers were last looked at.

    `code` has (dictionary, name, value) of functions that are called on the way; `run` is None if
    some layer is not plain. An id is known to be of what it was of: when a layer or a parameter
    dies, its chain is forgotten.
    """

    __slots__ = ("__weakref__", "code", "layers", "owner", "refs", "run")

    def __init__(self, owner):
        key = id(owner)

        def forget(_):
            _CHAINS.pop(key, None)

        self.owner = weakref.ref(owner, forget)
        self.code = list(_CODE)
        self.layers = []
        self.run = None
        self.refs = []
        modules = tuple(owner._modules.values())
        plain = bool(modules) and type(owner).__iter__.__module__ == "nacre.nn.containers"
        for module in modules:
            plain = self._add(module, forget) and plain
        if plain and "_makes_new" in type(modules[-1]).__dict__:
            self.run = _Layers("layers", _one_by_one(self.owner))

    def _add(self, module, forget) -> bool:
        kind = type(module)
        own = module.__dict__
        names = kind.__dict__.get("_reads")
        layer = _Layer(module, () if names is None else names)
        self.layers.append(layer)
        self.refs.append(weakref.ref(module, forget))
        self.refs += [weakref.ref(own[name], forget) for name, _ in layer.parameters]
        if names is None or own.get("_has_hooks") or own.get("inplace") or "forward" in own:
            return False
        forward = kind.__dict__.get("forward")
        for name, function in (("forward", forward), ("__call__", kind.__dict__.get("__call__"))):
            check = (kind.__dict__, name, function)
            if check not in self.code:
                self.code.append(check)
        return (
            type(own.get("_parameters")) is Registry
            and "__call__" not in kind.__dict__
            and getattr(forward, "__globals__", {}).get("__name__", "").startswith(_HERE)
        )

    def parameters(self, owner):
        """The parameters that the layers read; None if anything has changed since."""
        modules = owner._modules.values()
        if self.owner() is not owner or len(modules) != len(self.layers):
            return None
        found = []
        for module, layer in zip(modules, self.layers):  # noqa: B905 - for speed
            if id(module) != layer.module:
                return None
            own = module.__dict__
            for name, value in layer.settings:
                if own.get(name) is not value:
                    return None
            for name, key in layer.parameters:
                value = own.get(name)
                if id(value) != key:
                    return None
                found.append(value)
        return found


def _one_by_one(owner):
    """The function that a chain memoises; it holds on to nothing."""

    def layers(x, *parameters):
        for module in owner()._modules.values():
            x = module(x)
        return x

    return layers


_CHAINS: dict[int, Chain] = {}
_HERE = __name__.rpartition(".")[0] + ".layers."


def through(owner, x):
    """The result of the layers of a Sequential; None if they have to be called one by one."""
    if TRACE.grad or ANY or x.__class__ is not Tensor:
        return None
    chain = _CHAINS.get(id(owner))
    parameters = None if chain is None else chain.parameters(owner)
    if parameters is None:
        chain = _CHAINS[id(owner)] = Chain(owner)
        parameters = chain.parameters(owner)
    if chain.run is None:
        return None
    for table, name, value in chain.code:
        if table.get(name) is not value:
            if (table, name, value) not in _CODE:
                _CHAINS.pop(id(owner), None)
            return None
    return chain.run(x, *parameters)
