"""Names: modules print under PyTorch's module names and pickle under nacre's."""

from __future__ import annotations

from nacre.ir.trace import Value

OWN: dict[str, type] = {}
"""The module classes of this package by name."""


def shown_in(place):
    """Show a class as defined in `torch.nn.modules.<place>`, as PyTorch's of that name is."""

    def decorate(cls):
        OWN[cls.__name__] = cls
        cls.__module__ = f"torch.nn.modules.{place}"
        return cls

    return decorate


def blank(name):
    """An instance of one of the package's classes for a pickle to fill."""
    cls = OWN[name]
    return cls.__new__(cls)


def typename(thing) -> str:
    """The type of a thing as PyTorch names it in messages: `torch.FloatTensor`, `int`."""
    if isinstance(thing, Value):
        return thing.type()  # type: ignore[attr-defined]
    holder = thing if hasattr(thing, "__qualname__") else type(thing)
    place = getattr(holder, "__module__", "") or ""
    return holder.__qualname__ if place in ("", "builtins") else f"{place}.{holder.__qualname__}"
