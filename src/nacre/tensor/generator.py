"""`torch.Generator`: a source of random numbers with its state as a tensor of bytes."""

from __future__ import annotations

from nacre.base import generator, rng
from nacre.tensor.creation import device_name
from nacre.tensor.device import cpu
from nacre.tensor.rand import restore, state_of


class Generator(generator.Generator):
    """A source of random numbers with PyTorch's CPU streams.

    Without `manual_seed` it starts from PyTorch's default seed.

    Example:
        >>> g = Generator().manual_seed(0)
        >>> nacre.rand(2, generator=g)
        tensor([0.4963, 0.7682])
    """

    __slots__ = ()

    def __init__(self, device="cpu"):
        device_name(device)
        super().__init__()

    @property
    def device(self):
        """Where its numbers are made: the CPU."""
        return cpu

    def get_state(self):
        """The state as a tensor of bytes in PyTorch's layout."""
        return state_of(self)

    def set_state(self, new_state):
        """Go on from a state; returns the generator.

        Raises:
            TypeError: it is no tensor of bytes.
            RuntimeError: it is no state of this kind of generator.
        """
        restore(self, new_state)
        return self


Generator.__module__ = "torch._C"
rng.default.__class__ = Generator  # the generator of every call that names none is one of these
default_generator = rng.default
