"""Layers that change the shape."""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.nn.module import Module
from nacre.nn.naming import shown_in


@shown_in("flatten")
class Flatten(Module):
    """Dimensions `start_dim` to `end_dim` as one; by default all but the batch.

    Example:
        >>> nacre.nn.Flatten()(nacre.zeros(2, 1, 28, 28)).shape
        torch.Size([2, 784])
    """

    _reads = ("start_dim", "end_dim")

    def __init__(self, start_dim=1, end_dim=-1):
        super().__init__()
        self.start_dim = start_dim
        self.end_dim = end_dim

    def forward(self, input):
        """The input with fewer dimensions."""
        return input.flatten(self.start_dim, self.end_dim)

    def extra_repr(self):
        """The dimensions."""
        return f"start_dim={self.start_dim}, end_dim={self.end_dim}"


@shown_in("flatten")
class Unflatten(Module):
    """One dimension as several, of sizes `unflattened_size`."""

    def __init__(self, dim, unflattened_size):
        super().__init__()
        if not isinstance(unflattened_size, tuple | list):
            fail(
                TypeError,
                "unflattened_size must be a tuple of ints, but found type "
                f"{type(unflattened_size).__name__}",
            )
        for place, size in enumerate(unflattened_size):
            if not isinstance(size, int):
                fail(
                    TypeError,
                    "unflattened_size must be tuple of ints, but found element of type "
                    f"{type(size).__name__} at pos {place}",
                )
        self.dim = dim
        self.unflattened_size = unflattened_size

    def forward(self, input):
        """The input with more dimensions."""
        return input.unflatten(self.dim, self.unflattened_size)

    def extra_repr(self):
        """The dimension and the sizes."""
        return f"dim={self.dim}, unflattened_size={self.unflattened_size}"
