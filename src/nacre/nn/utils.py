"""Utilities for parameters: as one vector, and gradients kept within bounds."""

from __future__ import annotations

import warnings

from nacre.autograd.modes import no_grad
from nacre.base.errors import fail
from nacre.ir.trace import Value
from nacre.ops import elementwise as ew
from nacre.ops.join import cat, stack
from nacre.tensor import creation


def parameters_to_vector(parameters):
    """All parameters flattened and joined.

    Example:
        >>> nacre.nn.utils.parameters_to_vector(nacre.nn.Linear(2, 3).parameters()).shape
        torch.Size([9])
    """
    return cat([p.view(-1) for p in parameters])


def vector_to_parameters(vec, parameters):
    """Let the parameters be parts of a vector, in their order."""
    if not isinstance(vec, Value):
        fail(TypeError, f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for p in parameters:
        size = p.numel()
        p.data = vec[start : start + size].view_as(p).data
        start += size


def _gradients(parameters):
    one = isinstance(parameters, Value)
    return [p.grad for p in ([parameters] if one else parameters) if p.grad is not None]


def get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The norm of several tensors taken as one vector."""
    tensors = [tensors] if isinstance(tensors, Value) else list(tensors)
    norm_type = float(norm_type)
    if not tensors:
        return creation.tensor(0.0)
    total = stack([t.norm(norm_type) for t in tensors]).norm(norm_type)
    if error_if_nonfinite and not bool(total.isfinite()):
        fail(
            RuntimeError,
            f"The total norm of order {norm_type} for gradients from `parameters` is non-finite, "
            "so it cannot be clipped. To disable this error and scale the gradients by the "
            "non-finite norm anyway, set `error_if_nonfinite=False`",
        )
    return total


def clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None):
    """Scale gradients so that a norm of `total_norm` becomes at most `max_norm`."""
    max_norm = float(max_norm)
    with no_grad():
        scale = ew.clamp(max_norm / (total_norm + 1e-6), 1.0, attrs=(False, True))
        for g in _gradients(parameters):
            g.mul_(scale)


def clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """Scale all gradients so that their norm as one vector is at most `max_norm`.

    Returns the norm before.
    """
    if isinstance(parameters, Value):
        parameters = [parameters]
    else:
        generator = not hasattr(parameters, "__len__")
        parameters = list(parameters)
        if generator and not parameters:
            warnings.warn(
                "`parameters` is an empty generator, no gradient clipping will occur.", stacklevel=3
            )
    with no_grad():
        total = get_total_norm(_gradients(parameters), norm_type, error_if_nonfinite)
        clip_grads_with_norm_(parameters, max_norm, total)
    return total


def clip_grad_value_(parameters, clip_value, foreach=None):
    """Bring every element of all gradients into [-clip_value, clip_value]."""
    clip_value = float(clip_value)
    with no_grad():
        for g in _gradients(parameters):
            g.clamp_(min=-clip_value, max=clip_value)


def clip_grad_norm(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None):
    """The former name of `clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated in favor of "
        "`torch.nn.utils.clip_grad_norm_`.",
        FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)
