"""Linear maps, dropout, and what prepares vectors for them."""

from __future__ import annotations

import numpy as np

from nacre.base import rng
from nacre.base.dtypes import int64
from nacre.base.errors import fail
from nacre.nn.functional.activation import need_tensor
from nacre.ops import elementwise as ew
from nacre.ops import matmul, view
from nacre.ops.reduce import sum_dims
from nacre.tensor import creation
from nacre.tensor.cell import array_of


def linear(input, weight, bias=None):
    """x Aᵀ + b over the last dimension of x.

    Raises:
        RuntimeError: the last dimension of x is not that of the weight.

    Example:
        >>> nacre.nn.functional.linear(nacre.ones(1, 2), nacre.ones(3, 2))
        tensor([[2., 2., 2.]])
    """
    try:
        if bias is not None and input._m.rank == 2 and weight._m.rank == 2:
            return matmul.linear_bias(input, weight, bias)
        return matmul.linear(input, weight, bias)
    except AttributeError:
        need_tensor("linear", input)
        need_tensor("linear", weight, 2, "weight")
        raise


def bilinear(input1, input2, weight, bias=None):
    """x1ᵀ A x2 + b, with a matrix A for each output."""
    outputs, first, second = weight.shape
    for x, size, which in ((input1, first, "input1"), (input2, second, "input2")):
        if x.shape[-1] != size:
            fail(
                RuntimeError,
                f"bilinear(): {which} size does not match weight size: got {x.shape[-1]} but "
                f"expected {size}",
            )
    flat = view.reshape(view.permute(weight, (1, 0, 2)), (first, outputs * second))
    partial = matmul.matmul(input1, flat)
    partial = view.reshape(partial, (*partial.shape[:-1], outputs, second))
    found = sum_dims(ew.mul(partial, view.unsqueeze(input2, -2)), -1)
    return found if bias is None else ew.add(found, bias)


def dropout(input, p=0.5, training=True, inplace=False):
    """In training, elements set to 0 with probability p and the others divided by 1 - p.

    The mask is drawn when the function is called.

    Raises:
        ValueError: p is no probability.
    """
    if p < 0.0 or p > 1.0:
        fail(ValueError, f"dropout probability has to be between 0 and 1, but got {p}")
    need_tensor("dropout", input)
    m = input._m
    if p == 0 or not training or not m.numel:
        return input
    if p == 1:
        scale = creation.zeros((), dtype=m.dtype)
    else:
        scale = _drawn(m, p)
    return input.mul_(scale) if inplace else ew.mul(input, scale)


def _drawn(m, p):
    """What dropout multiplies by: 0, or 1 / (1 - p) in the tensor's own type."""
    kept = rng.dropout_mask(rng.default, m.numel, p)
    kind = m.dtype.np.type
    values = np.multiply(kept, kind(1) / kind(1 - p), dtype=m.dtype.np)
    if m.contiguous:
        return creation.from_array(values.reshape(m.shape), m.dtype)
    return creation.from_array(rng.in_memory_order(values, m.shape, m.strides), m.dtype)


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """x / max(‖x‖ₚ, eps) along a dimension."""
    length = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / length


def one_hot(tensor, num_classes=-1):
    """Class indices as vectors of zeros with a one at their place.

    Raises:
        RuntimeError: an index is negative, or not below `num_classes`.
    """
    if tensor._m.dtype is not int64:
        fail(
            RuntimeError,
            "one_hot is only applicable to index tensor of type LongTensor.",
            "use tensor.long()",
        )
    indices = array_of(tensor)
    if not indices.size:
        if num_classes <= 0:
            fail(RuntimeError, "Can not infer total number of classes from empty tensor.")
        return creation.zeros((*tensor.shape, num_classes), dtype=int64)
    if indices.min() < 0:
        fail(RuntimeError, "Class values must be non-negative.")
    if num_classes == -1:
        num_classes = int(indices.max()) + 1
    elif indices.max() >= num_classes:
        fail(RuntimeError, "Class values must be smaller than num_classes.")
    vectors = indices[..., None] == np.arange(num_classes)
    return creation.from_array(vectors.astype(np.int64))
