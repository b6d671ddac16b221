"""Losses: how far a prediction is from its target."""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.nn import functional as F
from nacre.nn.functional.loss import legacy_reduction
from nacre.nn.module import Module
from nacre.nn.naming import shown_in


class _Loss(Module):
    """`reduction` is 'mean', 'sum' or 'none'; the first two arguments are older names for it."""

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__()
        if size_average is not None or reduce is not None:
            self.reduction = legacy_reduction(size_average, reduce)
        else:
            self.reduction = reduction


class _WeightedLoss(_Loss):
    """Has weights, as a buffer."""

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


# ---- distances ----------------------------------------------------------------------------------
@shown_in("loss")
class MSELoss(_Loss):
    """The mean of (x - y)².

    Example:
        >>> nacre.nn.MSELoss()(nacre.tensor([1.0, 2.0]), nacre.tensor([1.0, 4.0]))
        tensor(2.)
    """

    def forward(self, input, target):
        """mean((x - y)²)."""
        return F.mse_loss(input, target, reduction=self.reduction)


@shown_in("loss")
class L1Loss(_Loss):
    """The mean of |x - y|."""

    def forward(self, input, target):
        """mean(|x - y|)."""
        return F.l1_loss(input, target, reduction=self.reduction)


@shown_in("loss")
class SmoothL1Loss(_Loss):
    """Quadratic for differences below beta, |x - y| - beta / 2 beyond."""

    def __init__(self, size_average=None, reduce=None, reduction="mean", beta=1.0):
        super().__init__(size_average, reduce, reduction)
        self.beta = beta

    def forward(self, input, target):
        """The mean of the smoothed distances."""
        return F.smooth_l1_loss(input, target, reduction=self.reduction, beta=self.beta)


@shown_in("loss")
class HuberLoss(_Loss):
    """Quadratic for differences below delta, delta · (|x - y| - delta / 2) beyond."""

    def __init__(self, reduction="mean", delta=1.0):
        if not isinstance(delta, float | int):
            fail(TypeError, f"delta must be a float or int, got: {type(delta)}")
        super().__init__(reduction=reduction)
        self.delta = delta

    def forward(self, input, target):
        """The mean of the smoothed distances."""
        return F.huber_loss(input, target, reduction=self.reduction, delta=self.delta)


# ---- classes ------------------------------------------------------------------------------------
@shown_in("loss")
class NLLLoss(_WeightedLoss):
    """Minus the log-probability of the target class.

    The input holds log-probabilities (N, C, d₁, …), the target class indices (N, d₁, …).
    """

    def __init__(
        self, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index

    def forward(self, input, target):
        """The negative log-likelihood of the targets."""
        return F.nll_loss(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
        )


@shown_in("loss")
class CrossEntropyLoss(_WeightedLoss):
    """Minus the log-probability that softmax gives the target class.

    The input holds logits (N, C, d₁, …), the target class indices (N, d₁, …) or probabilities of
    the input's shape.

    Example:
        >>> nacre.nn.CrossEntropyLoss()(nacre.zeros(1, 4), nacre.tensor([2]))
        tensor(1.3863)
    """

    def __init__(
        self,
        weight=None,
        size_average=None,
        ignore_index=-100,
        reduce=None,
        reduction="mean",
        label_smoothing=0.0,
    ):
        super().__init__(weight, size_average, reduce, reduction)
        self.ignore_index = ignore_index
        self.label_smoothing = label_smoothing

    def forward(self, input, target):
        """The cross-entropy of logits with targets."""
        return F.cross_entropy(
            input,
            target,
            weight=self.weight,
            ignore_index=self.ignore_index,
            reduction=self.reduction,
            label_smoothing=self.label_smoothing,
        )


@shown_in("loss")
class BCELoss(_WeightedLoss):
    """-(y log x + (1 - y) log(1 - x)) of probabilities x."""

    def forward(self, input, target):
        """The binary cross-entropy of probabilities."""
        return F.binary_cross_entropy(input, target, self.weight, reduction=self.reduction)


@shown_in("loss")
class BCEWithLogitsLoss(_Loss):
    """The binary cross-entropy of the sigmoid of the input."""

    def __init__(
        self, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
    ):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)
        self.register_buffer("pos_weight", pos_weight)

    def forward(self, input, target):
        """The binary cross-entropy of logits."""
        return F.binary_cross_entropy_with_logits(
            input, target, self.weight, pos_weight=self.pos_weight, reduction=self.reduction
        )
