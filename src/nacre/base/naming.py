"""Classes that show under PyTorch's module names, while their instances pickle under nacre's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

C = TypeVar("C", bound=type)
_OWN: dict[str, type] = {}


def shown_in(place: str) -> Callable[[C], C]:
    """Show a class as defined in this module of PyTorch's; its instances can still be pickled.

    >>> @shown_in("torch.example")
    ... class Thing:
    ...     pass
    >>> Thing
    <class 'torch.example.Thing'>
    """

    def decorate(cls: C) -> C:
        cls.__module__ = place
        _OWN[f"{place}.{cls.__qualname__}"] = cls
        cls.__reduce_ex__ = reduce_own  # type: ignore[assignment]
        return cls

    return decorate


def blank(name: str) -> Any:
    """An instance of one of these classes for a pickle to fill."""
    cls: Any = _OWN[name]
    return cls.__new__(cls)


def reduce_own(self: Any, protocol: Any) -> Any:
    """How an instance is pickled: by the name of its class here, or as usual for a subclass."""
    parts = object.__reduce_ex__(self, max(protocol, 2))
    cls = type(self)
    name = f"{cls.__module__}.{cls.__qualname__}"
    return parts if _OWN.get(name) is not cls else (blank, (name,), *parts[2:])
