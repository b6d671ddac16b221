"""Layers that multiply by a matrix, and the one that does nothing."""

from __future__ import annotations

import math

from nacre.autograd.modes import no_grad
from nacre.base.errors import fail
from nacre.nn import functional as F
from nacre.nn import init
from nacre.nn.lazy import LazyModuleMixin
from nacre.nn.module import Module
from nacre.nn.naming import shown_in
from nacre.nn.parameter import Parameter, UninitializedParameter
from nacre.tensor.creation import empty


@shown_in("linear")
class Identity(Module):
    """Returns its input, whatever arguments it is made with."""

    _reads = ()

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

    _reads = ("weight", "bias")
    _makes_new = True

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


@shown_in("linear")
class LazyLinear(LazyModuleMixin, Linear):
    """A `Linear` that takes `in_features` from the first input it sees."""

    cls_to_become = Linear

    def __init__(self, out_features, bias=True, device=None, dtype=None):
        # the bias comes after, when the number of outputs is known to be right
        super().__init__(0, 0, False)
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_features = out_features
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)

    def reset_parameters(self):
        """Draw new starting values, once there are sizes."""
        if self.in_features != 0 and not self.has_uninitialized_params():
            super().reset_parameters()

    def initialize_parameters(self, input):
        """Take the last dimension of the input as `in_features`."""
        size = input.shape[-1]
        if self.has_uninitialized_params():
            with no_grad():
                self.in_features = size
                self.weight.materialize((self.out_features, size))
                if self.bias is not None:
                    self.bias.materialize((self.out_features,))
                self.reset_parameters()
        if self.in_features == 0:
            known = self.weight.shape[-1]
            if size != known:
                fail(
                    AssertionError,
                    f"The in_features inferred from input: {size} is not equal to in_features from "
                    f"self.weight: {known}",
                )
            self.in_features = size


@shown_in("linear")
class Bilinear(Module):
    """y = x1ᵀ A x2 + b, with a matrix A for each output."""

    def __init__(
        self, in1_features, in2_features, out_features, bias=True, device=None, dtype=None
    ):
        super().__init__()
        if in1_features <= 0:
            fail(ValueError, f"in1_features must be > 0, but got (in1_features={in1_features})")
        self.in1_features = in1_features
        self.in2_features = in2_features
        self.out_features = out_features
        shape = (out_features, in1_features, in2_features)
        self.weight = Parameter(empty(shape, device=device, dtype=dtype))
        if bias:
            self.bias = Parameter(empty(out_features, device=device, dtype=dtype))
        else:
            self.register_parameter("bias", None)
        self.reset_parameters()

    def reset_parameters(self):
        """Draw new starting values, uniform in ±1/√in1_features."""
        bound = 1 / math.sqrt(self.weight.shape[1])
        init.uniform_(self.weight, -bound, bound)
        if self.bias is not None:
            init.uniform_(self.bias, -bound, bound)

    def forward(self, input1, input2):
        """x1ᵀ A x2 + b."""
        return F.bilinear(input1, input2, self.weight, self.bias)

    def extra_repr(self):
        """Sizes, and whether there is a bias."""
        return (
            f"in1_features={self.in1_features}, in2_features={self.in2_features}, "
            f"out_features={self.out_features}, bias={self.bias is not None}"
        )
