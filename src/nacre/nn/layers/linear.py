"""Layers that multiply by a matrix, and the one that does nothing."""

from __future__ import annotations

import math

from nacre.nn import functional as F
from nacre.nn import init
from nacre.nn.module import Module
from nacre.nn.naming import shown_in
from nacre.nn.parameter import Parameter
from nacre.tensor.creation import empty


@shown_in("linear")
class Identity(Module):
    """Returns its input, whatever arguments it is made with."""

    def __init__(self, *args, **kwargs):
        super().__init__()

    def forward(self, input):
        """The input."""
        return input


@shown_in("linear")
class Linear(Module):
    """y = x Aᵀ + b over the last dimension of x.

    `weight` has shape (out_features, in_features), `bias` (out_features,); both start uniform in
    ±1/√in_features.

    Example:
        >>> nacre.nn.Linear(20, 30)(nacre.zeros(128, 20)).shape
        torch.Size([128, 30])
    """

    def __init__(self, in_features, out_features, bias=True, device=None, dtype=None):
        super().__init__()
        self.in_features = in_features
        self.out_features = out_features
        self.weight = Parameter(empty((out_features, in_features), device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw new starting values."""
        # uniform in ±1/√fan_in, drawn as PyTorch draws it
        init.kaiming_uniform_(self.weight, a=math.sqrt(5))
        if self.bias is not None:
            fan_in, _ = init._calculate_fan_in_and_fan_out(self.weight)
            bound = 1 / math.sqrt(fan_in) if fan_in > 0 else 0
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input):
        """x Aᵀ + b."""
        return F.linear(input, self.weight, self.bias)

    def extra_repr(self):
        """Sizes, and whether there is a bias."""
        return (
            f"in_features={self.in_features}, out_features={self.out_features}, "
            f"bias={self.bias is not None}"
        )
