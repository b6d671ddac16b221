"""Losses as functions."""

from __future__ import annotations

import warnings

from nacre.base.errors import fail
from nacre.ir.trace import Value
from nacre.nn.functional.activation import need_tensor
from nacre.ops import elementwise as ew
from nacre.ops import loss, loss_robust, view
from nacre.ops.index import gather
from nacre.ops.reduce import mean, sum_dims

_REDUCTIONS = ("mean", "sum", "none")


def legacy_reduction(size_average, reduce):
    """The reduction that two older arguments ask for."""
    size_average = True if size_average is None else size_average
    reduce = True if reduce is None else reduce
    name = ("mean" if size_average else "sum") if reduce else "none"
    warnings.warn(
        f"size_average and reduce args will be deprecated, please use reduction='{name}' instead.",
        stacklevel=4,
    )
    return name


def _reduction(size_average, reduce, reduction):
    if size_average is not None or reduce is not None:
        return legacy_reduction(size_average, reduce)
    if reduction not in _REDUCTIONS:
        fail(ValueError, f"{reduction} is not a valid value for reduction")
    return reduction


def _need_tensors(*values):
    """Refuse what is no tensor; PyTorch asks the target for its size first."""
    for x in values:
        if not isinstance(x, Value):
            fail(
                AttributeError,
                f"'{type(x).__name__}' object has no attribute 'size'",
                "predictions and targets are tensors: make one with torch.tensor(x)",
            )


def _check_pair(input, target):
    """Two tensors that are compared element by element; other sizes warn, as they broadcast."""
    _need_tensors(target, input)
    if target._m.shape != input._m.shape:
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}). This will likely lead to incorrect results due to broadcasting. "
            "Please ensure they have the same size.",
            stacklevel=3,
        )


def _weighted(values, weight, input, reduction):
    if weight.size() != input.size():
        fail(ValueError, "Weights and input must have the same size.")
    values = values * weight
    if reduction == "none":
        return values
    total = sum_dims(values)
    return total if reduction == "sum" else total / sum_dims(weight)


# ---- distances ----------------------------------------------------------------------------------
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The mean of (x - y)², or the sum, or each."""
    plain = size_average is None and reduce is None and weight is None
    if plain and isinstance(input, Value) and isinstance(target, Value):
        attrs = loss.REDUCED.get(reduction)
        if attrs is not None and input._m is target._m:
            return loss.mse_(input, target, attrs=attrs)
    _check_pair(input, target)
    reduction = _reduction(size_average, reduce, reduction)
    if weight is not None:
        return _weighted((input - target) ** 2, weight, input, reduction)
    return loss.mse_loss(input, target, reduction)


def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """The mean of |x - y|, or the sum, or each."""
    _check_pair(input, target)
    reduction = _reduction(size_average, reduce, reduction)
    values = ew.abs_(ew.sub(input, target))
    if weight is not None:
        return _weighted(values, weight, input, reduction)
    if reduction == "none":
        return values
    return sum_dims(values) if reduction == "sum" else mean(values)


def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """Quadratic for differences below beta, |x - y| - beta / 2 beyond."""
    _check_pair(input, target)
    reduction = _reduction(size_average, reduce, reduction)
    if beta < 0:
        fail(RuntimeError, "smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(input, target, reduction=reduction)
    return loss_robust.smooth_l1(input, target, beta, attrs=(("reduction", reduction),))


def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """Quadratic for differences below delta, delta · (|x - y| - delta / 2) beyond."""
    _check_pair(input, target)
    reduction = _reduction(None, None, reduction)
    if delta <= 0:
        fail(RuntimeError, "huber_loss does not support non-positive values for delta.")
    own = reduction if weight is None else "none"
    values = loss_robust.huber(input, target, delta, attrs=(("reduction", own),))
    if weight is None:
        return values
    if weight.size() != input.size():
        fail(ValueError, "Weights and input must have the same size.")
    values = values * weight
    if reduction == "none":
        return values
    return sum_dims(values) if reduction == "sum" else mean(values)


# ---- one probability ----------------------------------------------------------------------------
def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """-(y log x + (1 - y) log(1 - x)) of probabilities x; logarithms are at least -100."""
    reduction = _reduction(size_average, reduce, reduction)
    _need_tensors(target, input)
    if target.size() != input.size():
        fail(
            ValueError,
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}) is deprecated. Please ensure they have the same size.",
        )
    more = () if weight is None else (weight,)
    return loss_robust.bce(input, target, *more, attrs=(("reduction", reduction),))


def binary_cross_entropy_with_logits(
    input,
    target,
    weight=None,
    size_average=None,
    reduce=None,
    reduction="mean",
    pos_weight=None,
):
    """The binary cross-entropy of the sigmoid of the input."""
    reduction = _reduction(size_average, reduce, reduction)
    _need_tensors(target, input)
    if target.size() != input.size():
        fail(
            ValueError,
            f"Target size ({target.size()}) must be the same as input size ({input.size()})",
        )
    optional = (weight, pos_weight)
    more = [t for t in optional if t is not None]
    given = tuple([t is not None for t in optional])
    attrs = (("reduction", reduction), ("given", given))
    return loss_robust.bce_with_logits(input, target, *more, attrs=attrs)


# ---- classes ------------------------------------------------------------------------------------
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
    need_tensor("nll_loss_nd", input)
    need_tensor("nll_loss_nd", target, 2, "target")
    return loss.nll_loss(input, target, weight, ignore_index, reduction)


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
    """Minus the log of the probability that softmax gives the target class.

    Targets are class indices, or probabilities of the input's shape; smoothing mixes them with the
    uniform distribution.

    Example:
        >>> nacre.nn.functional.cross_entropy(nacre.zeros(1, 4), nacre.tensor([2]))
        tensor(1.3863)
    """
    if size_average is not None or reduce is not None or reduction not in _REDUCTIONS:
        reduction = _reduction(size_average, reduce, reduction)
    need_tensor("cross_entropy_loss", input)
    need_tensor("cross_entropy_loss", target, 2, "target")
    if not 0.0 <= label_smoothing <= 1.0:
        fail(
            RuntimeError,
            f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}",
        )
    shape = input._m.shape
    if not shape:
        return loss.nll_loss(input, target, weight, ignore_index, reduction)
    dim = 1 if len(shape) > 1 else 0
    if target._m.shape == shape:
        _check_probabilities(target, ignore_index)
        return _with_probabilities(input, target, weight, reduction, label_smoothing, dim)
    logs = loss.log_softmax(input, dim)
    found = loss.nll_loss(logs, target, weight, ignore_index, reduction)
    if not label_smoothing:
        return found
    smooth = _uniform_part(logs, target, weight, ignore_index, reduction, dim)
    return found * (1 - label_smoothing) + smooth * (label_smoothing / shape[dim])


def _check_probabilities(target, ignore_index):
    if not target._m.dtype.is_floating_point:
        fail(
            RuntimeError,
            "Expected floating point type for target with class probabilities, got "
            f"{target._m.dtype.legacy.removesuffix('Tensor')}",
            "class indices have the input's shape without its class dimension",
        )
    if ignore_index >= 0:
        fail(RuntimeError, "ignore_index is not supported for floating point target")


def _along(weight, rank, dim):
    """Weights of classes, shaped to multiply an input of this rank."""
    shape = [1] * rank
    shape[dim] = -1
    return view.reshape(weight, tuple(shape))


def _with_probabilities(input, target, weight, reduction, smoothing, dim):
    shape = input._m.shape
    if smoothing:
        target = target * (1 - smoothing) + smoothing / shape[dim]
    terms = loss.log_softmax(input, dim) * target
    if weight is not None:
        terms = terms * _along(weight, len(shape), dim)
    if reduction == "none":
        return -sum_dims(terms, dim)
    total = -sum_dims(terms)
    if reduction == "sum":
        return total
    return loss_robust.share(total, input._m.numel / shape[dim])


def _uniform_part(logs, target, weight, ignore_index, reduction, dim):
    """What the smoothed share of the target adds: minus the sum of all log-probabilities."""
    terms = logs if weight is None else logs * _along(weight, logs.ndim, dim)
    values = -sum_dims(terms, dim)
    skipped = ew.eq(target, ignore_index)
    values = ew.masked_fill(values, skipped, 0.0)
    if reduction == "none":
        return values
    total = sum_dims(values)
    if reduction == "sum":
        return total
    if weight is None:
        return total / sum_dims(ew.logical_not(skipped))
    safe = ew.where(skipped, 0, target)
    share = gather(weight, view.reshape(safe, (-1,)), attrs=0)
    share = ew.masked_fill(share, view.reshape(skipped, (-1,)), 0.0)
    return total / sum_dims(share)
