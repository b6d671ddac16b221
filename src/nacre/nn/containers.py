"""Containers: modules made of modules or parameters in a sequence or under names."""

from __future__ import annotations

import operator
from collections import OrderedDict

from nacre.base.errors import fail
from nacre.nn.module import Module
from nacre.nn.naming import shown_in


@shown_in("container")
class Sequential(Module):
    """Modules called one after another, each with what the one before returned.

    Made of modules or of an OrderedDict of named modules.

    Example:
        >>> nacre.nn.Sequential(nacre.nn.Linear(2, 4), nacre.nn.ReLU())
        Sequential(
          (0): Linear(in_features=2, out_features=4, bias=True)
          (1): ReLU()
        )
    """

    def __init__(self, *args):
        super().__init__()
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            named = args[0].items()
        else:
            named = [(str(i), module) for i, module in enumerate(args)]
        for name, module in named:
            self.add_module(name, module)

    def forward(self, input):
        """Pass the input through all modules."""
        for module in self._modules.values():
            input = module(input)
        return input

    def _name_at(self, index):
        names = list(self._modules)
        index = operator.index(index)
        if not -len(names) <= index < len(names):
            fail(IndexError, f"index {index} is out of range")
        return names[index]

    def __getitem__(self, idx):
        if isinstance(idx, slice):
            return type(self)(OrderedDict(list(self._modules.items())[idx]))
        return self._modules[self._name_at(idx)]

    def __setitem__(self, idx, module):
        setattr(self, self._name_at(idx), module)

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def append(self, module):
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self
