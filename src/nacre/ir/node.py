"""The one node type: a state of the recording and the value that it added.

A stretch of recorded code is the path from `ROOT` to a node. Nodes are immutable but for their
`edges` (what was recorded next, so a program that repeats walks the same nodes again) and the
executables kept for them.
"""

from __future__ import annotations

from math import prod
from sys import getrefcount

from nacre.base.dtypes import bool_
from nacre.base.shapes import Size, contiguous_strides, is_contiguous

LEAF = "leaf"
VIEW = "view"
WRITE = "write"
MARK = "mark"

# The first entry of what marks carry where cells change their values: (REBIND, old slot, new slot),
# and (STEP, old slots, new slots) for those that change together.
REBIND = "rebind"
STEP = "optimizer_step"


class Meta:
    """What is known of a value before it is computed; interned, so compare with `is`.

    Attributes: shape (a tuple; `size` is it as a Size), rank, strides (in elements), dtype, device,
    numel, contiguous; `all_dims` are the attributes of a reduction over everything, `as_leaf` is
    the key of the edge by which a value laid out so enters a stretch, `row` what indexing with an
    int leads to, once it was needed: (size, step, Meta).
    """

    __slots__ = (
        "all_dims",
        "as_leaf",
        "byte_strides",
        "contiguous",
        "device",
        "dtype",
        "nbytes",
        "numel",
        "rank",
        "row",
        "shape",
        "size",
        "strides",
    )

    def __init__(self, shape, strides, dtype, device, row_major=False):
        self.shape = shape
        self.size = Size(shape)
        self.strides = strides
        self.dtype = dtype
        self.device = device
        self.numel = prod(shape)
        self.rank = len(self.shape)
        self.all_dims = (tuple(range(self.rank)), False)
        self.row = None
        self.byte_strides = tuple([q * dtype.itemsize for q in strides])
        self.nbytes = self.numel * dtype.itemsize
        self.contiguous = row_major or is_contiguous(shape, strides)
        self.as_leaf = (LEAF, self, -1)

    def __repr__(self):
        sizes = "x".join(map(str, self.shape)) or "scalar"
        layout = "" if self.contiguous else f" strides {self.strides}"
        return f"{self.dtype.name}[{sizes}]{layout}"


_METAS: dict = {}
CPU = "cpu"


def meta_of(shape, dtype, strides=None, device=CPU) -> Meta:
    """The Meta of a shape and type; row-major unless strides are given."""
    key = (shape, strides, dtype, device)
    found = _METAS.get(key)
    if found is None:
        shape = tuple(shape)
        full = contiguous_strides(shape) if strides is None else tuple(strides)
        found = _METAS.get((shape, full, dtype, device))
        if found is None:
            made = Meta(shape, full, dtype, device, strides is None)
            found = _METAS.setdefault((shape, full, dtype, device), made)
        _METAS[key] = found
    return found


def _unused(metas, references) -> list:
    """Lists of the keys in a table whose Meta nothing but the table refers to."""
    keys: dict = {}
    meta = None
    for key, meta in list(metas.items()):
        keys.setdefault(meta, []).append(key)
    del meta  # the last one would have a reference more
    return [own for meta, own in keys.items() if getrefcount(meta) - len(own) <= references]


def _calibrate() -> int:
    """The references to a Meta that only a table holds, besides its entries there."""
    for references in range(10):
        if _unused({0: Meta((), (), bool_, CPU)}, references):
            return references
    return 0


UNUSED = _calibrate()


def forget_metas() -> None:
    """Drop the Metas that are not in use."""
    for own in _unused(_METAS, UNUSED):
        for key in own:
            del _METAS[key]


class Constant:
    """A number that is the same wherever a captured function leads; interned, compare with `is`."""

    __slots__ = ("kind", "value")

    def __init__(self, value):
        self.value = value
        self.kind = value.__class__

    def __repr__(self):
        return repr(self.value)


_CONSTANTS: dict = {}


def constant_of(value) -> Constant:
    """The Constant of a Python number; 0.0 and -0.0, 1 and True are different ones."""
    key = (value.__class__, repr(value))
    found = _CONSTANTS.get(key)
    if found is None:
        found = _CONSTANTS.setdefault(key, Constant(value))
    return found


LOAD = 1 << 16  # of a node without memory: so many nodes are as much to wait for as memory is


class Node:
    """A state: `parent` and the edge (`op`, `args`, `attrs`) that led here from it.

    `args` holds slots (int) of earlier values, `(index, kind)` of a number, or a Constant; `slot`
    is the value that this node added (-1 if none) and `meta` describes it. `slots`, `leaves` and
    `numbers` count what the whole path has so far, `load` is what it may cost in bytes. `types`
    holds the dtypes that a map brings its operands to, and last the dtype of its result before an
    in-place operation casts it to its destination's.
    """

    __slots__ = (
        "args",
        "attrs",
        "body",
        "depth",
        "edges",
        "executables",
        "leaves",
        "load",
        "meta",
        "numbers",
        "op",
        "parent",
        "plans",
        "quick",
        "refs",
        "scope",
        "slot",
        "slots",
        "types",
    )
    made = 0  # how many there are since somebody last asked

    def __init__(self, parent, op, args=(), attrs=None, meta=None, numbers=0, scope=None):
        self.parent = parent
        self.op = op
        self.args = args
        self.attrs = attrs
        self.meta = meta
        self.scope = scope
        self.edges: dict = {}
        self.executables: dict = {}
        self.refs = None
        self.quick = None
        self.plans = None
        self.types = ()
        self.body = None
        Node.made += 1
        if parent is None:
            self.slots = self.leaves = self.numbers = self.depth = self.load = 0
            self.slot = -1
            return
        self.slot = parent.slots if meta is not None else -1
        self.slots = parent.slots + (meta is not None)
        self.leaves = parent.leaves + (op is LEAF)
        self.numbers = parent.numbers + numbers
        self.depth = parent.depth + 1
        self.load = parent.load + LOAD
        if meta is not None and op is not VIEW:
            self.load += meta.nbytes

    def path(self) -> list[Node]:
        """The nodes from the first recorded one to this one."""
        nodes = []
        node = self
        while node.parent is not None:
            nodes.append(node)
            node = node.parent
        nodes.reverse()
        return nodes

    def __repr__(self):
        name = self.op if isinstance(self.op, str) else self.op.name
        return f"%{self.slot} = {name}{self.args} {self.attrs or ''} : {self.meta}"


ROOT = Node(None, "root")
