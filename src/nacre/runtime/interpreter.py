"""The cold tier: a stretch evaluated node by node.

Exact operations run in NumPy; the others through the backend's kernels, one at a time, so that the
bits are those of the hot tier.
"""

from __future__ import annotations

import numpy as np

from nacre.base.errors import relocate
from nacre.ir.node import LEAF, MARK, VIEW, WRITE
from nacre.runtime import backend

_ndarray = np.ndarray
LARGE = 1 << 24


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


def interpret(nodes, leaves, numbers, wanted=()):
    """Evaluate nodes; returns {slot: flat array}, of which the `wanted` ones may be kept."""
    flats: dict = {}
    ends = _ends(nodes, wanted) if nodes and nodes[-1].load > LARGE else None
    with np.errstate(all="ignore"):
        run_nodes(nodes, leaves, numbers, _ending(nodes, wanted), flats, {}, ends)
    return flats


def _ends(nodes, wanted):
    """For each node the values that nothing needs after it, so that large ones do not add up."""
    last: dict = {}
    for i, node in enumerate(nodes):
        last[node.slot] = i
        for a in node.args:
            if type(a) is int:
                last[a] = i
    ends: list = [[] for _ in nodes]
    for slot in last.keys() - set(wanted):
        ends[last[slot]].append(slot)
    return ends


def _ending(nodes, wanted):
    """For writes: the bases that nothing else reads, which may be written in place."""
    if not any(node.op is WRITE for node in nodes):
        return ()
    reads: dict = dict.fromkeys(wanted, 2)
    for node in nodes:
        for a in node.args:
            if type(a) is int:
                reads[a] = reads.get(a, 0) + 1
    made = {node.slot for node in nodes if node.op is not LEAF and node.op is not VIEW}
    return {slot for slot, n in reads.items() if n == 1 and slot in made}


def run_nodes(nodes, leaves, numbers, ending, flats, arrays, ends=None):
    """Add the values of nodes to `flats` and `arrays`; an error says where it was recorded.

    `ends` has for each node the slots whose values are let go of after it.
    """
    node = None
    try:
        for i, node in enumerate(nodes):
            _run_node(node, leaves, numbers, ending, flats, arrays)
            if ends is not None:
                for slot in ends[i]:
                    del flats[slot], arrays[slot]
    except Exception as error:
        relocate(error, node.scope)
        raise


def _run_node(node, leaves, numbers, ending, flats, arrays):
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
        if base in ending and meta.strides == _strides(arrays[base]):
            flat = flats[base]
        else:
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


def _strides(array):
    itemsize = array.itemsize
    return tuple([q // itemsize for q in array.strides])


def _dense(array, meta):
    flat = np.empty(meta.numel, meta.dtype.np)
    shaped(flat, meta)[...] = array
    return flat
