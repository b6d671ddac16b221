"""Functions of networks: what the layers compute, without their state."""

from __future__ import annotations

import warnings

from nacre.base.errors import fail
from nacre.ir.trace import Value
from nacre.ops import elementwise as ew
from nacre.ops import loss as losses
from nacre.ops.loss import log_softmax as _log_softmax
from nacre.ops.loss import nll_loss as _nll
from nacre.ops.matmul import linear as _linear


def _need(name, x, position=1, word="input"):
    if not isinstance(x, Value):
        fail(
            TypeError,
            f"{name}(): argument '{word}' (position {position}) must be Tensor, not "
            f"{type(x).__name__}",
            "make a tensor of it first, for example with torch.tensor(x)",
        )


def linear(input, weight, bias=None):
    """x Aᵀ + b over the last dimension of x.

    Raises:
        RuntimeError: the last dimension of x is not that of the weight.
    """
    try:
        return _linear(input, weight, bias)
    except AttributeError:
        _need("linear", input)
        _need("linear", weight, 2, "weight")
        raise


def relu(input, inplace=False):
    """max(0, x)."""
    if inplace:
        return input.relu_()
    try:
        return ew.relu(input)
    except AttributeError:
        _need("relu", input)
        raise


# ---- losses -------------------------------------------------------------------------------------
def _legacy_reduction(size_average, reduce):
    """The reduction that two older arguments ask for."""
    size_average = True if size_average is None else size_average
    reduce = True if reduce is None else reduce
    name = "mean" if size_average and reduce else "sum" if reduce else "none"
    warnings.warn(
        "size_average and reduce args will be deprecated, please use reduction='" + name + "' instead.",
        stacklevel=4,
    )
    return name


def _reduction(size_average, reduce, reduction):
    if size_average is not None or reduce is not None:
        return _legacy_reduction(size_average, reduce)
    if reduction not in ("mean", "sum", "none"):
        fail(ValueError, f"{reduction} is not a valid value for reduction")
    return reduction


def _warn_sizes(input, target):
    if target._m.shape != input._m.shape:
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """mean((x - y)²), or the sum, or each."""
    reduction = _reduction(size_average, reduce, reduction)
    _warn_sizes(input, target)
    return losses.mse_loss(input, target, reduction)


def nll_loss(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
):
    """Minus the log-probability of the target class, averaged over the weights."""
    reduction = _reduction(size_average, reduce, reduction)
    return _nll(input, target, weight, ignore_index, reduction)


def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """Minus the log of the probability that softmax gives the target class."""
    reduction = _reduction(size_average, reduce, reduction)
    logs = _log_softmax(input, 1 if len(input._m.shape) > 1 else 0)
    return _nll(logs, target, weight, ignore_index, reduction)
