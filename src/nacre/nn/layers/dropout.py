"""Dropout."""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.nn import functional as F
from nacre.nn.module import Module
from nacre.nn.naming import shown_in


@shown_in("dropout")
class Dropout(Module):
    """In training, sets elements to 0 with probability p and divides the others by 1 - p.

    Example:
        >>> nacre.nn.Dropout(0.5).eval()(nacre.ones(3))
        tensor([1., 1., 1.])
    """

    def __init__(self, p=0.5, inplace=False):
        super().__init__()
        if p < 0 or p > 1:
            fail(ValueError, f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def forward(self, input):
        """The input with elements dropped, or as it is in evaluation."""
        return F.dropout(input, self.p, self.training, self.inplace)

    def extra_repr(self):
        """The probability, and whether it writes in place."""
        return f"p={self.p}, inplace={self.inplace}"
