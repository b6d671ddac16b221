"""Which of nacre's modules answers to which of PyTorch's names."""

from __future__ import annotations

# The longest entry that begins a name decides; what follows it is kept: `torch.nn.init` is
# `nacre.nn.init`.
SERVED = {
    "torch": "nacre",
    "torch.nn.modules": "nacre.nn.layers",
    "torch.nn.modules.container": "nacre.nn.containers",
    "torch.nn.modules.lazy": "nacre.nn.lazy",
    "torch.nn.modules.module": "nacre.nn.module",
    "torchvision": "nacre.vision",
    "d2l": "nacre.d2l",
    "d2lzh_pytorch": "nacre.d2l",
}

# The books' packages: a module of that name beside the user's program is the one that is meant.
BOOKS = ("d2l", "d2lzh_pytorch")

# nacre's rooms that PyTorch has no module of, or one about something else (`torch.backends`).
ROOMS = frozenset(
    (
        *("base", "ir", "ops", "runtime", "backends", "tensor"),
        *("data", "vision", "diagnostics", "d2l", "compat", "cli"),
    )
)


def ours(name: str, served: dict[str, str] = SERVED) -> str | None:
    """The module of nacre that serves a name of PyTorch's, whether it exists or not; or None.

    >>> ours("torch.nn.functional")
    'nacre.nn.functional'
    >>> ours("torch.runtime") is None
    True
    """
    head, rest = name, ""
    while head not in served:
        head, dot, last = head.rpartition(".")
        if not dot:
            return None
        rest = f".{last}{rest}"
    if head == "torch" and rest.split(".")[1:2] and rest.split(".")[1] in ROOMS:
        return None
    return served[head] + rest


def theirs(name: str) -> str | None:
    """The name under which PyTorch's users know a module of nacre; or None.

    >>> theirs("nacre.nn")
    'torch.nn'
    """
    for pytorch, nacre in sorted(SERVED.items(), key=lambda pair: -len(pair[1])):
        if name == nacre or name.startswith(nacre + "."):
            guess = pytorch + name[len(nacre) :]
            if ours(guess) == name:
                return guess
    return None
