"""Activations: functions of each element, and softmax."""

from __future__ import annotations

from nacre.nn import functional as F
from nacre.nn.module import Module
from nacre.nn.naming import shown_in


@shown_in("activation")
class ReLU(Module):
    """max(0, x); `inplace` writes into the input.

    Example:
        >>> nacre.nn.ReLU()(nacre.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def forward(self, input):
        """max(0, x)."""
        return F.relu(input, inplace=self.inplace)

    def extra_repr(self):
        """Whether it writes in place."""
        return "inplace=True" if self.inplace else ""
