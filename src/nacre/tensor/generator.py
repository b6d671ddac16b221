"""`torch.Generator`: a source of random numbers with its state as a tensor of bytes."""

from __future__ import annotations

import numpy as np

from nacre.base import dtypes, generator, rng
from nacre.base.errors import fail
from nacre.ir.trace import Value
from nacre.tensor.cell import array_of
from nacre.tensor.creation import device_name, from_array
from nacre.tensor.device import cpu


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
        return from_array(np.frombuffer(self.get_state_bytes(), np.uint8).copy(), dtypes.uint8)

    def set_state(self, new_state):
        """Go on from a state; returns the generator.

        Raises:
            TypeError: it is no tensor of bytes.
            RuntimeError: it is no state of this kind of generator.
        """
        if not isinstance(new_state, Value):
            fail(
                TypeError,
                f"expected a torch.ByteTensor, but got {type(new_state).__name__}",
            )
        if new_state._m.dtype is not dtypes.uint8:
            fail(TypeError, "RNG state must be a torch.ByteTensor")
        self.set_state_bytes(array_of(new_state).tobytes())
        return self


Generator.__module__ = "torch._C"
rng.default.__class__ = Generator  # the generator of every call that names none is one of these
default_generator = rng.default
