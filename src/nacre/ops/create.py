"""Values made from nothing: constants and ranges. Random values are drawn in tensor/creation.py."""

from __future__ import annotations

import numpy as np

from nacre.base.shapes import contiguous_strides
from nacre.ops.record import Operation

full = Operation(
    "full",
    lambda attrs, value: attrs,
    lambda attrs, meta, value: np.full(meta.shape, value, meta.dtype.np),
    kind="create",
    exact=True,
    scalar=lambda e, value: value,
    compute=lambda attrs, out, *m: out,
    torch=("torch.full", "torch.zeros", "torch.ones", "Tensor.fill_", "Tensor.zero_"),
)
arange = Operation(
    "arange",
    lambda attrs, start, step: attrs,
    lambda attrs, meta, start, step: _arange(meta, start, step),
    kind="opaque",
    exact=True,
    torch=("torch.arange",),
)


def _arange(meta, start, step):
    n = meta.numel
    if meta.dtype.is_floating_point:
        return (start + step * np.arange(n, dtype=np.float64)).astype(meta.dtype.np)
    return (int(start) + int(step) * np.arange(n, dtype=np.int64)).astype(meta.dtype.np)


def row_major(shape):
    """Strides of a tensor made afresh."""
    return contiguous_strides(tuple(shape))
