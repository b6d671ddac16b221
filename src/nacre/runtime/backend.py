"""One operation at a time on arrays: in NumPy where that is exact, else by kernels."""

from __future__ import annotations

import warnings
from functools import cache
from importlib import import_module

import numpy as np

from nacre.base.dtypes import float32, float64
from nacre.base.errors import NacreWarning
from nacre.runtime.lower import Body, reduced_layout, reduction_input

_ndarray = np.ndarray
BACKENDS = {"cpu": "nacre.backends.cpu.backend"}


@cache
def native(device="cpu"):
    """The backend of a device, loaded when it is first needed."""
    return import_module(BACKENDS[device])


def compute(op, node, args):
    """The value of a node as a fresh flat array, laid out as the node's Meta says.

    The caller has switched NumPy's floating-point warnings off.
    """
    meta = node.meta
    if node.types:
        args = [_brought(a, d) for a, d in zip(args, node.types, strict=False)]
    if not op.exact and meta.numel:
        flat = _by_kernel(op, node, args)
        if flat is not None:
            return flat
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
    flat, view = _room(meta)
    if meta.numel:
        view[...] = result
    return flat


def _by_kernel(op, node, args):
    """A value as kernels compute it; None if there is none, or it cannot be compiled."""
    by_kernel = _KINDS.get(op.kind)
    if by_kernel is None or (op, node.types) in _REFUSED:
        return None
    try:
        return by_kernel(node, args)
    except (ImportError, OSError, RuntimeError) as error:
        _REFUSED.add((op, node.types))
        warn_of(error)
        return None


_REFUSED: set = set()
_WARNED: set = set()


def warn_of(error):
    """Warn, once for each type of error, that kernels could not be compiled."""
    if type(error) not in _WARNED:
        _WARNED.add(type(error))
        warnings.warn(
            "kernels could not be compiled; what needs them is computed one operation at a time, "
            f"in NumPy if need be: {type(error).__name__}: {error}",
            NacreWarning,
            stacklevel=2,
        )


def _room(meta):
    flat = np.empty(meta.numel, meta.dtype.np)
    if not meta.numel:
        return flat, flat.reshape(meta.shape)
    return flat, _ndarray(meta.shape, meta.dtype.np, flat, 0, meta.byte_strides)


def _brought(a, d):
    if type(a) is _ndarray:
        if a.dtype == d.np:
            return a
        return a.astype(d.np)
    return np.array(a).astype(d.np)


def _map(node, args):
    flat, view = _room(node.meta)
    if node.body is None:
        made = Body(node.types[:-1])
        result = made.operation(node, range(len(node.types) - 1))
        node.body = (made.done(), result)
    body, result = node.body
    native().call_map(args, body, [(result, view)])
    return flat


def _reduce(node, args):
    dims, _ = node.attrs
    kind = node.op.lower
    if kind.startswith("arg") and not dims:
        return None
    body = Body(node.types[:1])
    reduction_input(node, body, 0)
    flat = np.empty(node.meta.numel, node.meta.dtype.np)
    shape, strides = reduced_layout(node)
    itemsize = node.meta.dtype.itemsize
    out = _ndarray(shape, flat.dtype, flat, 0, tuple([q * itemsize for q in strides]))
    native().call_reduce(kind, dims, args, body.done(), out)
    return flat


def _contract(node, args):
    if node.meta.dtype not in (float32, float64):
        return None
    flat, view = _room(node.meta)
    native().call_gemm(*args, view)
    return flat


_KINDS = {"map": _map, "reduce": _reduce, "contract": _contract}


def get_num_threads() -> int:
    """How many threads kernels may use: NACRE_NUM_THREADS, by default one for each processor."""
    return native().get_num_threads()


def set_num_threads(n: int) -> None:
    """Use n threads, the caller's among them. No result depends on it."""
    native().set_num_threads(n)
