"""What a module registers by name, kept where attribute lookup finds it at once.

PyTorch finds `layer.weight` by `__getattr__`, at the price of a failed lookup and three
dictionaries. Here each registered value is also an entry of the instance dictionary. `_parameters`,
`_buffers` and `_modules` stay the truth: they are dictionaries that repeat every change of theirs
there. A dictionary that somebody else puts in their place is taken as it is, and served by
`__getattr__`.
"""

from __future__ import annotations

import copy
import weakref

KINDS = ("_parameters", "_buffers", "_modules")
_MISSING = object()


class Registry(dict):
    """A dictionary whose entries are attributes of the modules that own it."""

    __slots__ = ("owners",)

    def __init__(self, owner, entries=()):
        self.owners = [weakref.ref(owner)]
        super().__init__(entries)
        for name, value in self.items():
            show(owner, name, value)

    def share(self, owner):
        """One more module whose attributes follow."""
        self.owners.append(weakref.ref(owner))
        for name, value in self.items():
            show(owner, name, value)

    def _modules(self):
        for ref in self.owners:
            owner = ref()
            if owner is not None:
                yield owner

    def __setitem__(self, name, value):
        before = self.get(name, _MISSING)
        super().__setitem__(name, value)
        for owner in self._modules():
            if before is not _MISSING:
                hide(owner, name, before)
            show(owner, name, value)

    def __delitem__(self, name):
        self.pop(name)

    def pop(self, name, *default):
        """Take an entry out."""
        held = name in self
        value = super().pop(name, *default)
        if held:
            for owner in self._modules():
                hide(owner, name, value)
        return value

    def popitem(self):
        """Take the last entry out."""
        name = next(reversed(self)) if self else None
        return super().popitem() if name is None else (name, self.pop(name))

    def clear(self):
        """Take all entries out."""
        for name in list(self):
            self.pop(name)

    def update(self, *others, **more):
        """Set the entries of another dictionary."""
        for name, value in dict(*others, **more).items():
            self[name] = value

    def __ior__(self, other):  # type: ignore[misc]
        self.update(other)
        return self

    def setdefault(self, name, default=None):
        """An entry, set first if it is not there."""
        if name not in self:
            self[name] = default
        return self[name]

    def __reduce_ex__(self, protocol):
        return dict, (), None, None, iter(self.items())

    def __copy__(self):
        return dict(self)

    def __deepcopy__(self, memo):
        made: dict = {}
        memo[id(self)] = made
        for name, value in self.items():
            made[name] = copy.deepcopy(value, memo)
        return made


def show(owner, name, value):
    """Let attribute lookup find an entry, unless the class has something of that name."""
    if type(name) is str and not hasattr(type(owner), name):
        owner.__dict__[name] = value


def hide(owner, name, value):
    """Take an entry out of the instance dictionary if it is the one there."""
    if owner.__dict__.get(name, _MISSING) is value:
        del owner.__dict__[name]


def replace(owner, kind, entries):
    """Put another dictionary in a registry's place, as it is."""
    before = owner.__dict__.get(kind)
    if isinstance(before, Registry):
        before.owners = [r for r in before.owners if r() is not owner]
        for name, value in before.items():
            hide(owner, name, value)
    owner.__dict__[kind] = entries
    if isinstance(entries, Registry):
        entries.share(owner)


def adopt(owner):
    """Make attributes follow again after the instance dictionary was filled by hand."""
    for kind in KINDS:
        entries = owner.__dict__.get(kind)
        if type(entries) is dict:
            owner.__dict__[kind] = Registry(owner, entries)
        elif type(entries) is Registry and all(r() is not owner for r in entries.owners):
            entries.share(owner)


def plain_state(state):
    """A copied instance dictionary without the attributes that follow a registry."""
    for kind in KINDS:
        entries = state.get(kind)
        if type(entries) is Registry:
            for name, value in entries.items():
                if state.get(name, _MISSING) is value:
                    del state[name]
    return state
