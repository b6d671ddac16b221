"""Losses: how far a prediction is from its target."""

from __future__ import annotations

from nacre.nn import functional as F
from nacre.nn.module import Module
from nacre.nn.naming import shown_in


class _Loss(Module):
    """`reduction` is 'mean', 'sum' or 'none'; the first two arguments are older names for it."""

    def __init__(self, size_average=None, reduce=None, reduction="mean"):
        super().__init__()
        if size_average is not None or reduce is not None:
            self.reduction = F._legacy_reduction(size_average, reduce)
        else:
            self.reduction = reduction


class _WeightedLoss(_Loss):
    """Has a weight for each class, as a buffer."""

    def __init__(self, weight=None, size_average=None, reduce=None, reduction="mean"):
        super().__init__(size_average, reduce, reduction)
        self.register_buffer("weight", weight)


@shown_in("loss")
class MSELoss(_Loss):
    """The mean of squared differences."""

    def forward(self, input, target):
        """mean((x - y)²)."""
        return F.mse_loss(input, target, reduction=self.reduction)


@shown_in("loss")
class CrossEntropyLoss(_WeightedLoss):
    """Minus the log-probability that softmax gives the target class.

    The input holds logits (N, C, d₁, …), the target class indices (N, d₁, …) or probabilities of the
    input's shape.
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
