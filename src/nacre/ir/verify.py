"""What is legal in a graph, checked where it is made when `NACRE_VERIFY` is set, as in all tests.

Three stages: a node when it is recorded, a stretch when it is first evaluated, and the order of
kernels when a stretch is compiled. What is found wrong is a bug of nacre's, never of the program.
"""

from __future__ import annotations

from nacre.ir.node import LEAF, MARK, VIEW, WRITE, Constant, Meta, meta_of

NUMBERS = (int, float, bool)


class IllegalGraph(AssertionError):
    """A graph breaks a rule that all of nacre relies on."""


def _need(holds, what, words):
    if not holds:
        raise IllegalGraph(f"{what!r}: {words}")


# ---- a node -------------------------------------------------------------------------------------
def check_node(node) -> None:
    """Check a node that was just made against the path that it continues."""
    before = node.parent
    _need(before is not None, node, "only the root has no parent")
    _need(node.depth == before.depth + 1, node, "its depth is not one more than its parent's")
    hash(node.attrs)
    if node.op is MARK:
        _need(node.meta is None and node.slot == -1 and not node.args, node, "a mark has no value")
        return
    check_meta(node.meta, node)
    _need(node.slot == before.slots, node, "its slot is not the next one")
    _need(node.slots == before.slots + 1, node, "it adds more or less than one value")
    _check_args(node, before)
    if node.op is LEAF:
        _check_leaf(node, before)
    elif node.op is VIEW:
        _check_view(node, before)
    elif node.op is WRITE:
        _check_write(node, before)
    else:
        _check_operation(node, before)


def check_meta(meta, what) -> None:
    """A Meta is interned, and its strides stay inside memory."""
    _need(isinstance(meta, Meta), what, "it has no Meta")
    same = meta_of(tuple(meta.shape), meta.dtype, meta.strides, meta.device)
    _need(same is meta, what, f"the Meta {meta} is not the interned one")
    _need(len(meta.strides) == len(meta.shape), what, f"the strides {meta.strides} do not fit")
    _need(all(n >= 0 for n in meta.shape), what, "a size is negative")
    _need(all(q >= 0 for q in meta.strides), what, "a stride is negative")


def span(meta) -> int:
    """How many elements of memory a Meta reaches over."""
    if not meta.numel:
        return 0
    return 1 + sum((n - 1) * q for n, q in zip(meta.shape, meta.strides, strict=True))


def _check_args(node, before):
    numbers = before.numbers
    for a in node.args:
        if type(a) is int:
            _need(0 <= a < before.slots, node, f"%{a} is used before it is defined")
        elif type(a) is tuple:
            index, kind = a
            _need(index == numbers, node, f"number {index} is not the next one, {numbers}")
            _need(kind in NUMBERS, node, f"{kind} is no kind of number")
            numbers += 1
        else:
            _need(type(a) is Constant, node, f"{a!r} is neither slot nor number")
            _need(a.kind in NUMBERS, node, f"{a.kind} is no kind of number")
    _need(node.numbers == numbers, node, f"it counts {node.numbers} numbers where {numbers} are")


def value_at(node, slot):
    """The node on the path to `node` that made a value."""
    while node.slot != slot:
        node = node.parent
    return node


def _check_leaf(node, before):
    _need(not node.args, node, "a leaf has no operands")
    _need(node.leaves == before.leaves + 1, node, "it is not counted as a leaf")
    # a value that another thread had computed is memory too, so it need not be a leaf
    first = node.attrs
    _need(-1 <= first < before.slots, node, f"%{first} is no value before it")


def _check_part(node, base, offset, part):
    _need(type(offset) is int and offset >= 0, node, f"the offset {offset} is negative")
    _need(
        not part.numel or offset + span(part) <= span(base),
        node,
        f"{part} at {offset} is not inside {base}",
    )


def _check_view(node, before):
    _need(len(node.args) == 1, node, "a view is of one value")
    base = value_at(before, node.args[0]).meta
    _need(node.meta.dtype is base.dtype, node, f"a view of {base} has its dtype")
    _check_part(node, base, node.attrs, node.meta)


def _check_write(node, before):
    _need(len(node.args) == 2, node, "a write has a base and a value")
    base, value = (value_at(before, a).meta for a in node.args)
    offset, region = node.attrs
    check_meta(region, node)
    _need(node.meta is base, node, f"what is written is {base}")
    _need(region.shape == value.shape, node, f"{value} does not fit the region {region}")
    _need(region.dtype is base.dtype, node, f"the region {region} is not of its base's dtype")
    _need(value.dtype is base.dtype, node, f"the value {value} is not of its base's dtype")
    _check_part(node, base, offset, region)


def _check_operation(node, before):
    op = node.op
    _need(callable(getattr(op, "infer", None)), node, "it is not an operation's record")
    metas = []
    for a in node.args:
        if type(a) is int:
            metas.append(value_at(before, a).meta)
        else:
            metas.append(a[1] if type(a) is tuple else a.kind)
    devices = {m.device for m in metas if isinstance(m, Meta) and m.shape}
    _need(devices <= {node.meta.device}, node, f"its operands are on {devices}")
    inferred = op.infer(node.attrs, *metas)
    check_meta(inferred, node)
    _need(inferred.shape == node.meta.shape, node, f"its rule gives {inferred}")
    _need(inferred.dtype.category <= node.meta.dtype.category, node, f"its rule gives {inferred}")
    _need(span(node.meta) <= node.meta.numel, node, "its result does not fill its memory")
    if node.types:
        _need(
            len(node.types) == len(node.args) + 1,
            node,
            f"{len(node.types)} types for {len(node.args)} operands and a result",
        )
        _need(node.types[-1] is inferred.dtype, node, f"its own type is {inferred.dtype}")


# ---- a stretch ----------------------------------------------------------------------------------
def check_stretch(s) -> None:
    """Check that all leaves and numbers of a stretch are bound, and its cells are values of it."""
    node = s.node
    metas = {n.slot: n.meta for n in node.path() if n.meta is not None}
    for n in node.path():
        if n.op is LEAF:
            _check_bound(n, *s.leaves[n.leaves - 1])
        for a in n.args:
            if type(a) is tuple:
                found = s.numbers[a[0]]
                _need(type(found) is a[1], n, f"number {a[0]} is {found!r}, no {a[1].__name__}")
    for c in s.cells:
        if c.stretch is s and c.data is None:
            _need(c.slot in metas, c.meta, f"%{c.slot} is no value of its stretch")
            meta = metas[c.slot]
            same = meta.shape == c.meta.shape and meta.dtype is c.meta.dtype
            _need(same, c.meta, f"%{c.slot} is {meta}")


def _check_bound(node, storage, offset):
    meta = node.meta
    _need(storage.array.dtype == meta.dtype.np, node, f"its memory holds {storage.array.dtype}")
    _need(offset >= 0, node, f"it is bound to a place {offset} before its memory")
    _need(
        not meta.numel or offset + span(meta) <= storage.array.size,
        node,
        f"it is bound to {storage.array.size} elements from {offset} on",
    )


# ---- an order of kernels ------------------------------------------------------------------------
def check_order(steps, given, wanted) -> None:
    """Check kernels in their order.

    `steps` has (name, values read, values stored) of each; `given` are values that are there from
    the start, `wanted` those that must be there in the end.
    """
    there = set(given)
    for name, reads, stores in steps:
        missing = set(reads) - there
        _need(not missing, name, f"it reads {sorted(missing)}, which nothing has stored before")
        twice = set(stores) & there
        _need(not twice, name, f"it stores {sorted(twice)} a second time")
        there |= set(stores)
    missing = set(wanted) - there
    _need(not missing, "the order of kernels", f"nothing stores {sorted(missing)}")
