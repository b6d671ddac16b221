"""Activations: functions of each element, and softmax."""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.nn import functional as F
from nacre.nn import init
from nacre.nn.module import Module
from nacre.nn.naming import shown_in
from nacre.nn.parameter import Parameter
from nacre.ops import elementwise as ew
from nacre.tensor.creation import empty


class _InPlace(Module):
    """An activation that may write into its input."""

    def __init__(self, inplace=False):
        super().__init__()
        self.inplace = inplace

    def extra_repr(self):
        """Whether it writes in place."""
        return "inplace=True" if self.inplace else ""


def _and_inplace(text, inplace):
    return f"{text}, inplace=True" if inplace else text


@shown_in("activation")
class ReLU(_InPlace):
    """max(0, x); `inplace` writes into the input.

    Example:
        >>> nacre.nn.ReLU()(nacre.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """

    _reads = ("inplace",)
    _makes_new = True

    def forward(self, input):
        """max(0, x)."""
        return F.relu(input, inplace=self.inplace)


@shown_in("activation")
class Sigmoid(Module):
    """1 / (1 + exp(-x))."""

    _reads = ()
    _makes_new = True

    def forward(self, input):
        """1 / (1 + exp(-x))."""
        return ew.sigmoid(input)


@shown_in("activation")
class Tanh(Module):
    """(exp(x) - exp(-x)) / (exp(x) + exp(-x))."""

    _reads = ()
    _makes_new = True

    def forward(self, input):
        """The hyperbolic tangent."""
        return ew.tanh(input)


@shown_in("activation")
class LeakyReLU(Module):
    """x where it is positive, `negative_slope` · x elsewhere."""

    def __init__(self, negative_slope=0.01, inplace=False):
        super().__init__()
        self.negative_slope = negative_slope
        self.inplace = inplace

    def forward(self, input):
        """The input, its negative elements scaled."""
        return F.leaky_relu(input, self.negative_slope, self.inplace)

    def extra_repr(self):
        """The slope."""
        return _and_inplace(f"negative_slope={self.negative_slope}", self.inplace)


@shown_in("activation")
class PReLU(Module):
    """x where it is positive, w · x elsewhere, with a learned w (for all, or for each channel)."""

    def __init__(self, num_parameters=1, init=0.25, device=None, dtype=None):
        super().__init__()
        self.num_parameters = num_parameters
        self.init = init
        self.weight = Parameter(empty(num_parameters, device=device, dtype=dtype))
        self.reset_parameters()

    def reset_parameters(self):
        """Set the slope back to its start."""
        init.constant_(self.weight, self.init)

    def forward(self, input):
        """The input, its negative elements scaled."""
        return F.prelu(input, self.weight)

    def extra_repr(self):
        """How many slopes there are."""
        return f"num_parameters={self.num_parameters}"


@shown_in("activation")
class ELU(Module):
    """x where it is positive, alpha · (exp(x) - 1) elsewhere."""

    def __init__(self, alpha=1.0, inplace=False):
        super().__init__()
        self.alpha = alpha
        self.inplace = inplace

    def forward(self, input):
        """The input, its negative elements bent."""
        return F.elu(input, self.alpha, self.inplace)

    def extra_repr(self):
        """The scale."""
        return _and_inplace(f"alpha={self.alpha}", self.inplace)


@shown_in("activation")
class GELU(Module):
    """x · Φ(x), with Φ the normal distribution function, or its approximation by tanh."""

    def __init__(self, approximate="none"):
        super().__init__()
        self.approximate = approximate

    def forward(self, input):
        """x · Φ(x)."""
        return F.gelu(input, approximate=self.approximate)

    def extra_repr(self):
        """The approximation."""
        return f"approximate={self.approximate!r}"


@shown_in("activation")
class SiLU(_InPlace):
    """x · sigmoid(x)."""

    def forward(self, input):
        """x · sigmoid(x)."""
        return F.silu(input, inplace=self.inplace)


@shown_in("activation")
class Softplus(Module):
    """log(1 + exp(beta · x)) / beta, and x itself where beta · x is above the threshold."""

    def __init__(self, beta=1.0, threshold=20.0):
        super().__init__()
        self.beta = beta
        self.threshold = threshold

    def forward(self, input):
        """A smooth ReLU."""
        return F.softplus(input, self.beta, self.threshold)

    def extra_repr(self):
        """The sharpness and the threshold."""
        return f"beta={self.beta}, threshold={self.threshold}"


@shown_in("activation")
class LogSigmoid(Module):
    """log(1 / (1 + exp(-x)))."""

    def forward(self, input):
        """The logarithm of the sigmoid."""
        return F.logsigmoid(input)


@shown_in("activation")
class Softsign(Module):
    """x / (1 + |x|)."""

    def forward(self, input):
        """x / (1 + |x|)."""
        return F.softsign(input)


@shown_in("activation")
class Tanhshrink(Module):
    """x - tanh(x)."""

    def forward(self, input):
        """x - tanh(x)."""
        return F.tanhshrink(input)


@shown_in("activation")
class Hardtanh(Module):
    """x brought between two bounds."""

    def __init__(self, min_val=-1.0, max_val=1.0, inplace=False):
        super().__init__()
        if max_val <= min_val:
            fail(AssertionError, f"max_val ({max_val}) must be greater than min_val ({min_val})")
        self.min_val = min_val
        self.max_val = max_val
        self.inplace = inplace

    def forward(self, input):
        """The input between the bounds."""
        return F.hardtanh(input, self.min_val, self.max_val, self.inplace)

    def extra_repr(self):
        """The bounds."""
        return _and_inplace(f"min_val={self.min_val}, max_val={self.max_val}", self.inplace)


@shown_in("activation")
class ReLU6(Hardtanh):
    """min(max(0, x), 6)."""

    def __init__(self, inplace=False):
        super().__init__(0.0, 6.0, inplace)

    def extra_repr(self):
        """Whether it writes in place."""
        return "inplace=True" if self.inplace else ""


class _AlongDim(Module):
    """A function of all elements along a dimension."""

    def __init__(self, dim=None):
        super().__init__()
        self.dim = dim

    def extra_repr(self):
        """The dimension."""
        return f"dim={self.dim}"


@shown_in("activation")
class Softmax(_AlongDim):
    """exp(x) / Σ exp(x) along a dimension.

    Example:
        >>> nacre.nn.Softmax(dim=1)(nacre.zeros(1, 2))
        tensor([[0.5000, 0.5000]])
    """

    def forward(self, input):
        """Numbers that sum to 1 along the dimension."""
        return F.softmax(input, self.dim, _stacklevel=5)


@shown_in("activation")
class LogSoftmax(_AlongDim):
    """log(exp(x) / Σ exp(x)) along a dimension."""

    def forward(self, input):
        """The logarithm of softmax."""
        return F.log_softmax(input, self.dim, _stacklevel=5)


@shown_in("activation")
class Softmin(_AlongDim):
    """Softmax of -x along a dimension."""

    def forward(self, input):
        """Numbers that sum to 1, the least input having the greatest."""
        return F.softmin(input, self.dim, _stacklevel=5)


@shown_in("activation")
class Softmax2d(Module):
    """Softmax over the channels of an image, (N, C, H, W) or (C, H, W)."""

    def forward(self, input):
        """Numbers that sum to 1 at each place."""
        if input.ndim not in (3, 4):
            fail(
                ValueError,
                f"Softmax2d: expected input to be 3D or 4D, got {input.ndim}D instead",
            )
        return F.softmax(input, -3, _stacklevel=5)
