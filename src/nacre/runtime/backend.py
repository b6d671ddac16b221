"""One operation at a time on arrays: in NumPy where that is exact, else by the backend's kernels."""

from __future__ import annotations

import numpy as np

_ndarray = np.ndarray
KERNELS: dict = {}


def compute(op, node, args):
    """The value of a node as a fresh flat array, laid out as the node's Meta says."""
    meta = node.meta
    if node.types:
        args = [_brought(a, d) for a, d in zip(args, node.types, strict=False)]
    if not op.exact and "one" in KERNELS:
        flat = KERNELS["one"](op, node, args)
        if flat is not None:
            return flat
    with np.errstate(all="ignore"):
        result = op.numpy(node.attrs, meta, *args)
    if (
        type(result) is _ndarray
        and result.base is None
        and result.dtype == meta.dtype.np
        and meta.contiguous
        and result.flags.c_contiguous
        and result.shape == meta.shape
        and not any(result is a for a in args)
    ):
        return result.reshape(-1)
    flat = np.empty(meta.numel, meta.dtype.np)
    if meta.numel:
        view = _ndarray(meta.shape, meta.dtype.np, flat, 0, meta.byte_strides)
        with np.errstate(all="ignore"):
            view[...] = result
    return flat


def _brought(a, d):
    if type(a) is _ndarray:
        if a.dtype == d.np:
            return a
        with np.errstate(all="ignore"):
            return a.astype(d.np)
    with np.errstate(all="ignore"):
        return np.array(a).astype(d.np)
