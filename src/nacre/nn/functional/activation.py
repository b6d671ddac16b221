"""Activations as functions."""

from __future__ import annotations

import warnings

from nacre.base.errors import fail
from nacre.ir.trace import Value
from nacre.ops import activation as act
from nacre.ops import elementwise as ew
from nacre.ops import loss, view
from nacre.tensor import cell


def need_tensor(name, x, position=1, word="input"):
    """Refuse what is no tensor, in PyTorch's words."""
    if not isinstance(x, Value):
        fail(
            TypeError,
            f"{name}(): argument '{word}' (position {position}) must be Tensor, not "
            f"{type(x).__name__}",
            "make a tensor of it first, for example with torch.tensor(x)",
        )


def _apply(record, kernel, input, numbers=(), inplace=False):
    need_tensor(record.name, input)
    act.need_floating(input, kernel)
    if inplace:
        return cell.in_place(input, record, numbers)
    return record(input, *numbers)


def relu(input, inplace=False):
    """max(0, x); `inplace` writes into the input.

    Example:
        >>> nacre.nn.functional.relu(nacre.tensor([-1.0, 2.0]))
        tensor([0., 2.])
    """
    if inplace:
        return input.relu_()
    try:
        return ew.relu(input)
    except AttributeError:
        need_tensor("relu", input)
        raise


def relu_(input):
    """max(0, x), written into the input."""
    return input.relu_()


def sigmoid(input):
    """1 / (1 + exp(-x))."""
    return input.sigmoid()


def tanh(input):
    """The hyperbolic tangent."""
    return input.tanh()


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """x where it is positive, `negative_slope` · x elsewhere."""
    return _apply(act.leaky_relu, "leaky_relu_cpu", input, (negative_slope,), inplace)


def prelu(input, weight):
    """x where it is positive, w · x elsewhere; a w for all or for each channel."""
    need_tensor("prelu", input)
    need_tensor("prelu", weight, 2, "weight")
    count = weight._m.numel
    shape = input._m.shape
    if count != 1:
        channels = shape[1] if len(shape) > 1 else 1
        if channels != count:
            fail(
                RuntimeError,
                f"Mismatch of parameter numbers and input channel size. Found parameter numbers = "
                f"{count} and channel size = {channels}.",
            )
    if len(shape) > 1:
        weight = view.reshape(weight, (1, count, *(1,) * (len(shape) - 2)))
    elif not shape:
        weight = view.reshape(weight, ())
    return act.prelu(input, weight)


def elu(input, alpha=1.0, inplace=False):
    """x where it is positive, alpha · (exp(x) - 1) elsewhere."""
    return _apply(act.elu, "elu_cpu", input, (alpha,), inplace)


def gelu(input, approximate="none"):
    """x · Φ(x), with Φ the normal distribution function; 'tanh' approximates it."""
    if approximate not in ("none", "tanh"):
        fail(RuntimeError, "approximate argument must be either none or tanh.")
    record = act.gelu if approximate == "none" else act.gelu_tanh
    return _apply(record, "GeluKernelImpl", input)


def silu(input, inplace=False):
    """x · sigmoid(x)."""
    return _apply(act.silu, "silu_cpu", input, (), inplace)


def softplus(input, beta=1, threshold=20):
    """log(1 + exp(beta · x)) / beta; x itself where beta · x is above the threshold."""
    return _apply(act.softplus, "softplus_cpu", input, (beta, threshold))


def logsigmoid(input):
    """log(1 / (1 + exp(-x)))."""
    return _apply(act.log_sigmoid, "log_sigmoid_cpu", input)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """x brought between two bounds."""
    if min_val > max_val:
        fail(ValueError, "min_val cannot be greater than max_val")
    need_tensor("hardtanh", input)
    floating = input._m.dtype.is_floating_point
    bounds = (min_val, max_val) if floating else (int(min_val), int(max_val))
    if inplace:
        return cell.in_place(input, act.hardtanh, bounds)
    return act.hardtanh(input, *bounds)


def relu6(input, inplace=False):
    """min(max(0, x), 6)."""
    return hardtanh(input, 0.0, 6.0, inplace)


def softsign(input):
    """x / (1 + |x|)."""
    return input / (input.abs() + 1)


def tanhshrink(input):
    """x - tanh(x)."""
    return input - input.tanh()


# ---- along a dimension --------------------------------------------------------------------------
def _dimension(name, dim, rank, stacklevel):
    if dim is not None:
        return dim
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=stacklevel + 1,
    )
    return 0 if rank in (0, 1, 3) else 1


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """exp(x) / Σ exp(x) along a dimension."""
    need_tensor("softmax", input)
    return loss.softmax(input, _dimension("softmax", dim, input.ndim, _stacklevel), dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log(exp(x) / Σ exp(x)) along a dimension."""
    need_tensor("log_softmax", input)
    return loss.log_softmax(input, _dimension("log_softmax", dim, input.ndim, _stacklevel), dtype)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """Softmax of -x along a dimension."""
    need_tensor("softmin", input)
    return loss.softmax(-input, _dimension("softmin", dim, input.ndim, _stacklevel), dtype)
