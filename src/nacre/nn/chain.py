"""A Sequential of plain layers as one memoised jump, where no gradients are recorded.

The layers run one by one the first time; afterwards input and parameters lead straight to the
result, as long as every layer is what it was: the same parameters, no hooks, no `forward` of its
own. Anything else, and anything that records gradients, goes layer by layer.
"""

from __future__ import annotations

import weakref

from nacre.ir.trace import TRACE, Value
from nacre.nn.hooks import ANY
from nacre.ops.record import Composite


class _Layers(Composite):
    """The layers of one chain as a composite of its own; not an operation that is listed."""

    def __post_init__(self):
        pass


class Chain:
    """What a Sequential was when its layers were last looked at.

    `checks` has (dictionary, name, value) of all that a layer's result depends on; `run` is None if
    some layer is not plain.
    """

    __slots__ = ("__weakref__", "checks", "modules", "owner", "parameters", "run")

    def __init__(self, owner):
        key = id(owner)
        self.owner = weakref.ref(owner, lambda _: _CHAINS.pop(key, None))
        self.modules = tuple(owner._modules.values())
        self.checks = []
        self.parameters = []
        self.run = None
        if self.modules and all(self._add(module) for module in self.modules):
            if "_makes_new" in type(self.modules[-1]).__dict__:
                self.run = _Layers("layers", self._layers)

    def _add(self, module) -> bool:
        kind = type(module)
        own = module.__dict__
        names = kind.__dict__.get("_reads")
        if names is None or own.get("_has_hooks") or own.get("inplace"):
            return False
        self.checks.append((kind.__dict__, "forward", kind.__dict__.get("forward")))
        for name in (*names, "_has_hooks", "forward"):
            value = own.get(name)
            self.checks.append((own, name, value))
            if isinstance(value, Value):
                self.parameters.append(value)
        return True

    def _layers(self, x, *parameters):
        for module in self.modules:
            x = module(x)
        return x

    def holds(self, owner) -> bool:
        """Whether nothing has changed since."""
        for own, name, value in self.checks:
            if own.get(name) is not value:
                return False
        return self.owner() is owner and self.modules == tuple(owner._modules.values())


_CHAINS: dict[int, Chain] = {}


def through(owner, x):
    """The result of the layers of a Sequential; None if they have to be called one by one."""
    if TRACE.grad or ANY or not isinstance(x, Value):
        return None
    chain = _CHAINS.get(id(owner))
    if chain is None or not chain.holds(owner):
        chain = _CHAINS[id(owner)] = Chain(owner)
    return None if chain.run is None else chain.run(x, *chain.parameters)
