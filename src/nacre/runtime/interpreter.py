"""The cold tier: a stretch evaluated node by node.

Exact operations run in NumPy; the others through the backend's kernels, one at a time, so that the
bits are those of the hot tier.
"""

from __future__ import annotations

import numpy as np

from nacre.ir.node import LEAF, MARK, VIEW, WRITE
from nacre.runtime import backend

_ndarray = np.ndarray


def needed_nodes(node, slots):
    """The nodes on the path to `node` that the values in `slots` depend on, in order."""
    wanted = set(slots)
    kept = []
    while node.parent is not None:
        if node.slot in wanted and node.op is not MARK:
            kept.append(node)
            for a in node.args:
                if type(a) is int:
                    wanted.add(a)
        node = node.parent
    kept.reverse()
    return kept


def shaped(flat, meta, offset=0):
    """A flat array read with a Meta's shape and strides."""
    if meta.numel == 0:
        return _ndarray(meta.shape, meta.dtype.np)
    return _ndarray(
        meta.shape, meta.dtype.np, flat, offset * meta.dtype.itemsize, meta.byte_strides
    )


def interpret(nodes, leaves, numbers):
    """Evaluate nodes; returns {slot: flat array}."""
    flats: dict = {}
    arrays: dict = {}
    for node in nodes:
        op = node.op
        meta = node.meta
        if op is LEAF:
            storage, offset = leaves[node.leaves - 1]
            flats[node.slot] = flat = storage.array[offset:] if offset else storage.array
            arrays[node.slot] = shaped(flat, meta)
        elif op is VIEW:
            flat = flats[node.args[0]]
            flats[node.slot] = flat = flat[node.attrs :] if node.attrs else flat
            arrays[node.slot] = shaped(flat, meta)
        elif op is WRITE:
            base, value = node.args
            offset, region = node.attrs
            flat = np.array(arrays[base].ravel(order="K"), copy=True)
            if meta.strides != _strides(arrays[base]):
                flat = _dense(arrays[base], meta)
            shaped(flat, region, offset)[...] = arrays[value]
            flats[node.slot] = flat
            arrays[node.slot] = shaped(flat, meta)
        else:
            args = [
                arrays[a] if type(a) is int else numbers[a[0]] if type(a) is tuple else a.value
                for a in node.args
            ]
            flat = backend.compute(op, node, args)
            flats[node.slot] = flat
            arrays[node.slot] = shaped(flat, meta)
    return flats, arrays


def _strides(array):
    itemsize = array.itemsize
    return tuple([q // itemsize for q in array.strides])


def _dense(array, meta):
    flat = np.empty(meta.numel, meta.dtype.np)
    shaped(flat, meta)[...] = array
    return flat
