"""Containers: modules made of modules or parameters, in a sequence or under names."""

from __future__ import annotations

import operator
from collections import OrderedDict
from collections.abc import Iterable, Mapping
from itertools import chain

from nacre.base.errors import fail
from nacre.ir.trace import Value
from nacre.nn.chain import through
from nacre.nn.module import Module, indented
from nacre.nn.naming import shown_in, typename
from nacre.nn.parameter import Parameter


def _place(index, size):
    """An index counted from the front."""
    index = operator.index(index)
    if not -size <= index < size:
        fail(IndexError, f"index {index} is out of range")
    return index % size


class _Numbered(Module):
    """Modules in a sequence, named by their places."""

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules.values())

    def _name_at(self, index):
        return list(self._modules)[_place(index, len(self._modules))]

    def __setitem__(self, idx, module):
        setattr(self, self._name_at(idx), module)

    def __delitem__(self, idx):
        gone = [self._name_at(idx)] if not isinstance(idx, slice) else list(self._modules)[idx]
        for name in gone:
            delattr(self, name)
        kept = list(self._modules.values())
        self._modules.clear()
        for place, module in enumerate(kept):
            self._modules[str(place)] = module

    def _make_room(self, index, module):
        for place in range(len(self._modules), index, -1):
            self._modules[str(place)] = self._modules[str(place - 1)]
        self._modules[str(index)] = module

    def append(self, module):
        """Add a module at the end; returns the container."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key):
        """Take a module out and return it."""
        found = self[key]
        del self[key]
        return found


@shown_in("container")
class Sequential(_Numbered):
    """Modules called one after another, each with what the one before returned.

    Made of modules, or of an OrderedDict of named modules.

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
        found = through(self, input)
        if found is not None:
            return found
        for module in self:
            input = module(input)
        return input

    def __getitem__(self, idx):
        if isinstance(idx, slice):
            return type(self)(OrderedDict(list(self._modules.items())[idx]))
        return self._modules[self._name_at(idx)]

    def insert(self, index, module):
        """Put a module before a place; returns the container."""
        if not isinstance(module, Module):
            fail(AssertionError, f"module should be of type: {Module}")
        size = len(self._modules)
        if not -size <= index <= size:
            fail(IndexError, f"Index out of range: {index}")
        self._make_room(index + size if index < 0 else index, module)
        return self

    def extend(self, sequential):
        """Add modules at the end; returns the container."""
        for module in sequential:
            self.append(module)
        return self

    def _need_sequential(self, other):
        if not isinstance(other, Sequential):
            fail(
                ValueError,
                f"add operator supports only objects of Sequential class, but {type(other)!s} is "
                "given.",
            )

    def __add__(self, other):
        self._need_sequential(other)
        return Sequential(*self, *other)

    def __iadd__(self, other):
        self._need_sequential(other)
        return self.extend(list(other))

    def _need_count(self, other):
        if not isinstance(other, int):
            fail(TypeError, f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            fail(ValueError, f"Non-positive multiplication factor {other} for {type(self)}")

    def __mul__(self, other):
        self._need_count(other)
        return Sequential(*list(self) * other)

    __rmul__ = __mul__

    def __imul__(self, other):
        self._need_count(other)
        return self.extend(list(self) * (other - 1))


@shown_in("container")
class ModuleList(_Numbered):
    """A list of modules that are registered; it computes nothing by itself.

    Example:
        >>> layers = nacre.nn.ModuleList([nacre.nn.Linear(2, 2) for _ in range(2)])
        >>> layers
        ModuleList(
          (0-1): 2 x Linear(in_features=2, out_features=2, bias=True)
        )
    """

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.extend(modules)

    def _name_at(self, index):
        return str(_place(index, len(self)))

    def __getitem__(self, idx):
        if isinstance(idx, slice):
            return type(self)(list(self._modules.values())[idx])
        return self._modules[self._name_at(idx)]

    def extend(self, modules):
        """Add modules at the end; returns the list."""
        if not isinstance(modules, Iterable):
            fail(
                TypeError,
                "ModuleList.extend should be called with an iterable, but got "
                f"{type(modules).__name__}",
            )
        for module in list(modules):
            self.append(module)
        return self

    def insert(self, index, module):
        """Put a module before a place."""
        self._make_room(index, module)

    def __iadd__(self, modules):
        return self.extend(modules)

    def __add__(self, other):
        combined = ModuleList()
        for module in chain(self, other):
            combined.append(module)
        return combined

    def __repr__(self):
        runs: list[list] = []
        for place, text in enumerate([repr(module) for module in self]):
            if runs and runs[-1][2] == text:
                runs[-1][1] = place
            else:
                runs.append([place, place, text])
        if not runs:
            return f"{self._get_name()}()"
        lines = []
        for first, last, text in runs:
            label = f"({first})" if first == last else f"({first}-{last})"
            times = "" if first == last else f"{last - first + 1} x "
            lines.append(indented(f"{label}: {times}{text}"))
        inside = "\n  ".join(lines)
        return f"{self._get_name()}(\n  {inside}\n)"


def _pairs(name, given):
    """The (key, value) pairs of an iterable, checked in PyTorch's words."""
    for place, pair in enumerate(given):
        element = f"{name} update sequence element #{place}"
        if not isinstance(pair, Iterable):
            fail(TypeError, f"{element} should be Iterable; is{type(pair).__name__}")
        if len(pair) != 2:
            fail(ValueError, f"{element} has length {len(pair)}; 2 is required")
        yield pair[0], pair[1]


@shown_in("container")
class ModuleDict(Module):
    """Modules under names, registered; it computes nothing by itself.

    Example:
        >>> nacre.nn.ModuleDict({"act": nacre.nn.ReLU()})["act"]
        ReLU()
    """

    def __init__(self, modules=None):
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key):
        return self._modules[key]

    def __setitem__(self, key, module):
        self.add_module(key, module)

    def __delitem__(self, key):
        del self._modules[key]

    def __len__(self):
        return len(self._modules)

    def __iter__(self):
        return iter(self._modules)

    def __contains__(self, key):
        return key in self._modules

    def clear(self):
        """Take all modules out."""
        self._modules.clear()

    def pop(self, key):
        """Take a module out and return it."""
        return self._modules.pop(key)

    def keys(self):
        """The names."""
        return self._modules.keys()

    def items(self):
        """Names and modules."""
        return self._modules.items()

    def values(self):
        """The modules."""
        return self._modules.values()

    def update(self, modules):
        """Add modules of a mapping or of pairs, in their order."""
        if not isinstance(modules, Iterable):
            fail(
                TypeError,
                "ModuleDict.update should be called with an iterable of key/value pairs, but got "
                f"{type(modules).__name__}",
            )
        named = isinstance(modules, Mapping | ModuleDict)
        for key, module in modules.items() if named else _pairs("ModuleDict", modules):
            self[key] = module


def _described(key, value, kind):
    if not isinstance(value, Value):
        return f"  ({key}): Object of type: {type(value).__name__}"
    size = "x".join([str(n) for n in value.shape])
    what = "Parameter" if isinstance(value, Parameter) else "Tensor"
    return f"  ({key}): {what} containing: [{kind(value)} of size {size}]"


def _as_parameter(value):
    if isinstance(value, Value) and not isinstance(value, Parameter):
        return Parameter(value)
    return value


@shown_in("container")
class ParameterList(Module):
    """A list of parameters that are registered; tensors become parameters, other values stay."""

    def __init__(self, values=None):
        super().__init__()
        self._size = 0
        if values is not None:
            self.extend(values)

    def __getitem__(self, idx):
        if isinstance(idx, slice):
            part = type(self)()
            for i in range(*idx.indices(len(self))):
                part.append(self[i])
            return part
        return getattr(self, str(_place(idx, len(self))))

    def __setitem__(self, idx, param):
        setattr(self, str(_place(idx, len(self))), _as_parameter(param))

    def __len__(self):
        return self._size

    def __iter__(self):
        return iter([self[i] for i in range(len(self))])

    def __iadd__(self, parameters):
        return self.extend(parameters)

    def append(self, value):
        """Add a value at the end; returns the list."""
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values):
        """Add values at the end; returns the list."""
        if not isinstance(values, Iterable) or isinstance(values, Value):
            fail(
                TypeError,
                "ParameterList.extend should be called with an iterable, but got "
                f"{type(values).__name__}",
            )
        for value in list(values):
            self.append(value)
        return self

    def extra_repr(self):
        """A line for each value."""
        return "\n".join([_described(i, p, lambda t: t.dtype) for i, p in enumerate(self)])

    def __call__(self, *args, **kwargs):
        """A list cannot be called: raises RuntimeError."""
        fail(RuntimeError, "ParameterList should not be called.")


@shown_in("container")
class ParameterDict(Module):
    """Parameters under names, registered; tensors become parameters, other values stay."""

    def __init__(self, parameters=None):
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def _check_key(self, key):
        if not isinstance(key, str):
            fail(
                TypeError,
                "Index given to ParameterDict cannot be used as a key as it is not a string (type "
                f"is '{type(key).__name__}'). Open an issue on github if you need non-string keys.",
            )
        return key

    def __getitem__(self, key):
        return getattr(self, self._check_key(key))

    def __setitem__(self, key, value):
        self._keys[key] = None
        setattr(self, self._check_key(key), _as_parameter(value))

    def __delitem__(self, key):
        del self._keys[key]
        delattr(self, self._check_key(key))

    def __len__(self):
        return len(self._keys)

    def __iter__(self):
        return iter(self._keys)

    def __reversed__(self):
        return reversed(self._keys)

    def __contains__(self, key):
        return key in self._keys

    def copy(self):
        """Another dictionary of the same parameters."""
        return ParameterDict(OrderedDict([(k, self[k]) for k in self._keys]))

    def setdefault(self, key, default=None):
        """A value, set first if it is not there."""
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self):
        """Take all values out."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key):
        """Take a value out and return it."""
        found = self[key]
        del self[key]
        return found

    def popitem(self):
        """Take the last value out; its name and the value."""
        if not self._keys:
            raise KeyError("popitem(): dictionary is empty")
        key = next(reversed(self._keys))
        return key, self.pop(key)

    def get(self, key, default=None):
        """A value, or the default."""
        return self[key] if key in self else default

    def fromkeys(self, keys, default=None):
        """A dictionary with one value under all these names."""
        return ParameterDict([(k, default) for k in keys])

    def keys(self):
        """The names."""
        return self._keys.keys()

    def items(self):
        """Names and values."""
        return ((k, self[k]) for k in self._keys)

    def values(self):
        """The values."""
        return (self[k] for k in self._keys)

    def update(self, parameters):
        """Add values of a mapping (a plain one in the order of its names) or of pairs."""
        if not isinstance(parameters, Iterable):
            fail(
                TypeError,
                "ParametersDict.update should be called with an iterable of key/value pairs, but "
                f"got {type(parameters).__name__}",
            )
        if isinstance(parameters, OrderedDict | ParameterDict):
            named = parameters.items()
        elif isinstance(parameters, Mapping):
            named = sorted(parameters.items())
        else:
            named = _pairs("ParameterDict", parameters)
        for key, value in named:
            self[key] = value

    def extra_repr(self):
        """A line for each value."""
        return "\n".join([_described(k, p, typename) for k, p in self.items()])

    def __call__(self, input):
        """A dictionary cannot be called: raises RuntimeError."""
        fail(RuntimeError, "ParameterDict should not be called.")

    def __or__(self, other):
        made = self.copy()
        made.update(other)
        return made

    def __ror__(self, other):
        made = other.copy()
        made.update(self)
        return made

    def __ior__(self, other):
        self.update(other)
        return self
