"""The only file that knows mutation: writes in place, aliases, versions, memory that NumPy sees."""

from __future__ import annotations

import warnings
from sys import getrefcount

import numpy as np

from nacre.base import dtypes
from nacre.base.errors import fail
from nacre.base.shapes import contiguous_strides, is_contiguous, is_dense, overlaps_itself
from nacre.ir.node import MARK, REBIND, Meta, meta_of
from nacre.ir.tape import (
    GradNode,
    Port,
    SavedOutput,
    attach,
    class_of,
    edge_of,
    is_leaf_here,
    requires,
    version_of,
    written,
)
from nacre.ir.trace import (
    INFERENCE,
    ORPHANED,
    TRACE,
    Cell,
    Services,
    Storage,
    Value,
    is_read,
    mark,
    marked,
    record,
    relieve,
    slot_of,
    wrap,
    write_into,
)
from nacre.ops import elementwise, reduce, view
from nacre.ops.create import full, zeros_like
from nacre.ops.record import Composite
from nacre.runtime.run import commit, evaluate, settle

MAX_PENDING_WRITES = 4
_ndarray = np.ndarray


# ---- values in memory ---------------------------------------------------------------------------
def storage_of(t) -> Storage:
    """The memory of a tensor, evaluated."""
    c = t._c
    data = c.data
    if data is None:
        if c.stretch is TRACE.stretch:
            evaluate()
            data = c.data
        if data is None:
            data = settle(c)
    return data


def array_of(t):
    """A NumPy view of a tensor's memory, for reading here and now."""
    storage = storage_of(t)
    m = t._m
    if not m.numel:
        return np.empty(m.shape, m.dtype.np)
    return _ndarray(
        m.shape, m.dtype.np, storage.array, (t._v or 0) * m.dtype.itemsize, m.byte_strides
    )


def is_whole(t) -> bool:
    """Whether a tensor is all of its cell, in the cell's layout."""
    return t._v is None or (not t._v and t._m is t._c.meta)


def address_of(t) -> int:
    """Where a tensor's memory is; it stays there from now on, as PyTorch's does."""
    storage = storage_of(t)
    if not storage.pinned:
        if t._c.stretch is TRACE.stretch:
            evaluate()
        storage.pinned = storage.exported = True
    return storage.address() + (t._v or 0) * t._m.dtype.itemsize


# ---- memory that NumPy sees ---------------------------------------------------------------------
def _holders(storage):
    return getrefcount(storage.owner)


_probe = Storage(np.zeros(1))
UNSEEN = _holders(_probe)
_probe = Storage(np.zeros(2)[:1], None)
_flat = np.zeros(3)
UNSEEN_VIEW = _holders(Storage(np.ndarray((3,), _flat.dtype, _flat), _flat)) - 1


def still_exposed(c) -> bool:
    """Whether anyone but us still holds the memory of an exposed cell."""
    storage = c.data
    if storage.foreign:
        return True
    usual = UNSEEN if storage.array is storage.owner else UNSEEN_VIEW
    if _holders(storage) > usual:
        return True
    c.exposed = False
    return False


def snapshot(t) -> Storage:
    """A copy of a tensor's value as it is now, in the same layout."""
    m = t._m
    span = 1 + sum([(n - 1) * q for n, q in zip(m.shape, m.strides, strict=True)]) if m.numel else 0
    flat = np.empty(span, m.dtype.np)
    if span:
        _ndarray(m.shape, m.dtype.np, flat, 0, m.byte_strides)[...] = array_of(t)
    return Storage(flat)


def to_numpy(t):
    """An array over the tensor's own memory; from here on writes on either side are seen at
    once.
    """
    array = array_of(t)
    c = t._c
    if is_read(c, TRACE.stretch):
        evaluate()
        array = array_of(t)
    c.exposed = True
    c.data.exported = True
    c.data.owner = _owner(c.data.array)
    return array


def _owner(array):
    """The array that owns the memory: NumPy counts references to that one."""
    while type(array.base) is _ndarray:
        array = array.base
    return array


def element_strides(a):
    """The strides of an array in elements; what PyTorch's tensors cannot have is refused."""
    itemsize = a.itemsize
    if any(q < 0 for q in a.strides):
        fail(
            ValueError,
            "At least one stride in the given numpy array is negative, and tensors with negative "
            "strides are not currently supported. (You can probably work around this by making a "
            "copy of your array  with array.copy().) ",
        )
    if a.size and any(q % itemsize for q in a.strides):
        fail(
            ValueError,
            "given numpy array strides not a multiple of the element byte size. Copy the numpy "
            "array "
            "to reallocate the memory.",
        )
    return tuple([q // itemsize for q in a.strides])


def from_numpy(a):
    """A tensor over the memory of an array."""
    if not isinstance(a, np.ndarray):
        fail(TypeError, f"expected np.ndarray (got {type(a).__name__})")
    d = dtypes.from_numpy(a.dtype)
    itemsize = a.itemsize
    strides = element_strides(a)
    span = 1 + sum((n - 1) * q for n, q in zip(a.shape, strides, strict=True)) if a.size else 0
    owner = _owner(a)
    foreign = owner.base is not None or not owner.flags.owndata or type(owner) is not _ndarray
    flat = np.lib.stride_tricks.as_strided(a, (span,), (itemsize,))
    if not foreign and owner.flags.c_contiguous and owner.dtype == a.dtype and a.size:
        start = a.__array_interface__["data"][0] - owner.__array_interface__["data"][0]
        flat = _ndarray((span,), a.dtype, owner, start)
    elif not foreign:
        foreign = True
    shape = tuple(a.shape)
    meta = meta_of(shape, d, strides)
    whole = is_dense(shape, strides) and span == a.size
    base = meta if whole else meta_of((span,), d)
    c = Cell(base, Storage(flat, owner, 0, foreign))
    c.exposed = True
    c.data.exported = True
    return wrap(c, meta, None if whole else 0)


# ---- versions -----------------------------------------------------------------------------------
def bump(t):
    """Count a write in place; a written inference tensor is refused here, as PyTorch does."""
    if t._vc is None:
        t._vc = [1]
        return
    if t._vc.__class__ is not list and not TRACE.inference:
        fail(
            RuntimeError,
            "Inplace update to inference tensor outside InferenceMode is not allowed.You can "
            "make a "
            "clone to get a normal tensor before doing inplace update.See "
            "https://github.com/pytorch/rfcs/pull/17 for more details.",
        )
    t._vc[0] += 1


# ---- storing ------------------------------------------------------------------------------------
def rebind(c, s, node):
    """Make a value just recorded the value of a cell.

    Where the cell had another value in the same stretch the path must say so: which of two such
    cells was written shows neither in the operation nor in the reference counts.
    """
    before = c.data
    if before is None and c.stretch is s:
        after = marked(s, (REBIND, c.slot, node.slot))
        commit(((c, "slot", node.slot), (c, "data", None), (s, "node", after)))
        return
    if before is not None:
        s.undo.append((c, before))
    s.cells.append(c)
    c.slot = node.slot
    c.stretch = s
    c.entered = None
    c.data = None


def settled(c):
    """Bring a cell that is pending elsewhere into memory."""
    if c.data is None and c.stretch is not TRACE.stretch:
        settle(c)


def writes_memory(t) -> bool:
    """Whether a write to this tensor must reach memory at once."""
    c = t._c
    if c.data is None:
        return False
    return not is_whole(t) or c.data.pinned or (c.exposed and still_exposed(c))


def store(t, value, keep_recorded=False):
    """t[...] = value, a tensor of the same shape and type that nothing else will write."""
    c = t._c
    settled(c)
    if writes_memory(t):
        _write_memory(t, array_of(value))
        return
    s = TRACE.stretch
    if is_whole(t):
        node = record(elementwise.copy, (value,), t._m, t._m)
        rebind(c, s, node)
        return
    writes = _pending_writes(c)
    if writes[1] >= MAX_PENDING_WRITES and not keep_recorded:
        array = array_of(value)
        storage_of(t)
        _write_memory(t, array)
        return
    c.writes = (s, writes[1] + 1)
    slot = slot_of(value, s)
    write_into(s, c.slot, slot, t._v, t._m, c.meta)
    rebind(c, s, s.node)


def _write_memory(t, array, index=...):
    """Write now, at an index of NumPy's, after what was recorded as reading this memory."""
    c = t._c
    if is_read(c, TRACE.stretch):
        array = np.array(array, copy=True)
        evaluate()
    if not c.exposed and getrefcount(c.data) - c.data.rings > ALONE:
        c.data = Storage(c.data.array.copy())
    array_of(t)[index] = array


def tracks(t, others):
    """Whether a write in place is recorded for gradients."""
    return TRACE.grad and (requires(t) or any(isinstance(x, Value) and requires(x) for x in others))


def writes_places(t, value) -> bool:
    """Whether a write at places of a tensor reaches memory at once."""
    c = t._c
    settled(c)
    if tracks(t, (value,)):
        return False
    return c.data is not None or _pending_writes(c)[1] >= MAX_PENDING_WRITES


def put_at(t, index, value):
    """t[index] = value in memory, by an index of NumPy's; expanded tensors are written too."""
    array = array_of(value) if isinstance(value, Value) else value
    if isinstance(value, Value) and value._c is t._c:
        array = np.array(array, copy=True)
    storage_of(t)
    with np.errstate(all="ignore"):
        _write_memory(t, np.asarray(array).astype(t._m.dtype.np), index)


def put_recorded(t, index, value, rule, others, attrs):
    """The same of an expanded tensor that gradients flow to: written at once, then put on the
    tape.
    """
    check_leaf(t, True)
    old = wrap(t._c, t._m)
    old._rg, old._gf = requires(t), edge_of(t)
    put_at(t, index, value)
    _history(t, old, rule, others, attrs)


def constant(value, shape, dtype):
    """A tensor of one value, converted to a type."""
    if dtype.category < 2 and isinstance(value, float):
        value = int(value) if dtype.category else bool(value)
    return full(value, attrs=meta_of(shape, dtype))


def _pending_writes(c):
    """How many partial writes of a cell the open stretch holds."""
    s = TRACE.stretch
    return c.writes if type(c.writes) is tuple and c.writes[0] is s else (s, 0)


class _Box:
    __slots__ = ("data",)


def _alone():
    c = _Box()
    c.data = Storage(np.zeros(1))
    return getrefcount(c.data)


ALONE = _alone()


# ---- checks -------------------------------------------------------------------------------------
def check_writable(t):
    """Refuse writes that PyTorch refuses."""
    if t._c.meta is not t._m and overlaps_itself(tuple(t._m.shape), t._m.strides):
        _refuse_overlap()


def _refuse_overlap():
    fail(
        RuntimeError,
        "unsupported operation: more than one element of the written-to tensor refers to a single "
        "memory location. Please clone() the tensor before performing the operation.",
    )


def check_leaf(t, flows):
    """Refuse writes that gradients cannot be recorded through; `flows`: some operand requires
    grad.
    """
    if not (flows and TRACE.grad):
        return
    if t._v is not None and t._base is not None:
        if t._made is not None:
            refuse_view(t, "is being")
        if requires(t) and t._base._gf is None:
            fail(
                RuntimeError,
                "a view of a leaf Variable that requires grad is being used in an in-place "
                "operation.",
                "write under torch.no_grad(), through .data, or into a new tensor",
            )
    if is_leaf_here(t):
        fail(
            RuntimeError,
            "a leaf Variable that requires grad is being used in an in-place operation.",
            "write under torch.no_grad(), or use the form that makes a new tensor",
        )


_SAFE = (
    " Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your "
    "code by moving both the view and the inplace either both inside the {} block (if you don't "
    "want "
    "the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
)
_WHY = {
    "no_grad": _SAFE.format("no_grad"),
    "inference": _SAFE.format("inference_mode"),
    "multi_output": " This view is the output of a function that returns multiple views. Such "
    "functions do not allow the output views to be modified inplace. You should replace the "
    "inplace "
    "operation by an out-of-place one.",
    "function": " This view was created inside a custom Function (or because an input was returned "
    "as-is) and the autograd logic to handle view+inplace would override the custom backward "
    "associated with the custom Function, leading to incorrect gradients. This behavior is "
    "forbidden. You can fix this by cloning the output of the custom Function.",
}


def refuse_view(t, what):
    """Raise for a write to a view that was made where its gradient cannot be rewritten."""
    g = t._gf.node if type(t._gf) is Port else t._gf
    made = t._made
    head = "A view"
    if g is not None:
        head = f"Output {t.output_nr} of {g.short_name()} is a view"
    if made == "inference":
        mode = f"created in inference mode and {what} modified inplace in normal mode."
    else:
        mode = f"created in no_grad mode and {what} modified inplace with grad mode enabled."
    if g is None:
        head += f" was {mode}"
    elif made in ("no_grad", "inference"):
        head += f" of a view which was {mode}"
    else:
        head += f" and {what} modified inplace."
    fail(RuntimeError, head + _WHY[made])


def check_apart(t, value):
    """Refuse a value that shares any of the written memory."""
    if not isinstance(value, Value) or value._c is not t._c:
        return
    if value is not t and not value._m.numel:
        return
    full = t._m.shape == value._m.shape and t._m.strides == value._m.strides
    if value is t or _partly(t, value) or (full and (t._v or 0) == (value._v or 0)):
        _refuse_shared()


def check_overlap(t, others):
    """Refuse operands that share part of the written memory at other places."""
    for x in others:
        if isinstance(x, Value) and x._c is t._c and x is not t and _partly(t, x):
            _refuse_shared()


def _refuse_shared():
    fail(
        RuntimeError,
        "unsupported operation: some elements of the input tensor and the written-to tensor refer "
        "to a single memory location. Please clone() the tensor before performing the operation.",
    )


def _partly(t, x):
    a, b = t._m, x._m
    start_a, start_b = t._v or 0, x._v or 0
    if start_a == start_b and a.shape == b.shape and a.strides == b.strides:
        return False
    if not a.numel or not b.numel:
        return False
    if not (is_dense(tuple(a.shape), a.strides) and is_dense(tuple(b.shape), b.strides)):
        return False
    if start_a == start_b and a.numel == b.numel:
        return a.strides != b.strides
    return start_a < start_b + b.numel and start_b < start_a + a.numel


# ---- in-place operations ------------------------------------------------------------------------
def in_place(t, op, others=(), attrs=None, value=None, history=None):
    """t.op_(*others): compute, store, count the version, and record the gradient.

    `value` records the new value where that is not `op(t, *others)`; `history` is the record whose
    gradient it has, `op` by default.
    """
    flows = tracks(t, others)
    if flows:
        check_leaf(t, flows)
    check_writable(t)
    if op is elementwise.masked_fill:
        check_overlap(t, others[:1])  # of the value only the number counts
    elif history is not fill_tensor_history:
        check_overlap(t, others)
    rule = op if history is None else history
    tracked = flows and rule.grad is not None and t._m.dtype.is_floating_point
    if tracked:
        for x in others:
            if isinstance(x, Value):
                edge_of(x)  # a view that may not be read refuses before anything is written
    old = _old(t, rule, others) if tracked else None
    c = t._c
    settled(c)
    relieve()
    s = TRACE.stretch
    if is_whole(t) and not writes_memory(t):
        node = _record_whole(t, op, others, attrs, value)
        s = TRACE.stretch
        rebind(c, s, node)
    else:
        made = _compute(t, op, others, attrs, value)
        store(t, made, tracked)
    if tracked:
        _history(t, old, rule, others, attrs)
    else:
        bump(t)
    return t


def _record_whole(t, op, others, attrs, value):
    if value is not None:
        return record(value[0], value[1], t._m if value[2] is None else value[2], t._m)
    if isinstance(op, Composite):
        result = op(t.detach(), *others, attrs=attrs)
        return record(elementwise.copy, (result,), t._m, t._m)
    return record(op, (t, *others), attrs, t._m)


def _compute(t, op, others, attrs, value):
    """The new value of a part, as a tensor of its own."""
    m = t._m
    dest = meta_of(tuple(m.shape), m.dtype, None, m.device)
    if value is not None:
        node = record(value[0], value[1], dest if value[2] is None else value[2], dest)
    elif isinstance(op, Composite):
        result = op(t.detach(), *others, attrs=attrs)
        node = record(elementwise.copy, (result,), dest, dest)
    else:
        node = record(op, (t, *others), attrs, dest)
    s = TRACE.stretch
    c = Cell(dest, None, s, node.slot)
    s.cells.append(c)
    return wrap(c, dest)


def _old(t, rule, others):
    """A stand-in for the tensor before the write, which the tape may hold on to."""
    needs = (requires(t), *[isinstance(x, Value) and requires(x) for x in others])
    reads = 0 in rule.where(needs)
    c = t._c
    if not reads:
        old = wrap(c, t._m, t._v)
    elif is_whole(t) and c.data is None and c.stretch is TRACE.stretch:
        s = TRACE.stretch
        kept = Cell(c.meta, None, s, c.slot)
        mark(s, ("keep", c.slot))
        s.cells.append(kept)
        old = wrap(kept, t._m)
    else:
        before, TRACE.grad = TRACE.grad, False
        try:
            old = elementwise.clone(t)
        finally:
            TRACE.grad = before
    edge = edge_of(t)
    old._v = None
    old._rg = edge is not None
    old._gf = edge if edge is not t else None
    return old


def _history(t, old, rule, others, attrs):
    """Count the write, and put it on the tape: on the tensor, or on its base for a part.

    What was read has the version from before the write, a result that is kept the one after it.
    """
    if t._vc is None:
        t._vc = [0]
    holder = wrap(t._c, t._m, t._v)
    holder._vc = t._vc
    g = attach(rule, holder, None, TRACE.stretch.node, (old, *others), attrs)
    bump(t)
    for i, x in enumerate(g.saved):
        if type(x) is SavedOutput:
            g.versions[i] = version_of(x)
    rebase(t, g)


def rebase(t, node, number=0):
    """Make a grad_fn the one of a tensor just written: its own, or through its base's."""
    base = t._base if t._v is not None else None
    if base is None:
        before = t._gf
        t._gf = Port(node, number) if number else node
        t._rg = True
        _move_retained(before, node, t)
        return
    copied = CopySlices(base, node, t, edge_of(base))
    _move_retained(base._gf, copied, base)
    base._gf = copied
    base._rg = True
    refresh(t)


def _move_retained(before, after, t):
    """retain_grad follows the tensor to its new grad_fn."""
    if before is None or before is after or not getattr(before, "hooks", None):
        return
    kept = before.hooks.get("retain")
    if not kept:
        return
    for key, (index, ref) in list(kept.items()):
        if ref() is t:
            del kept[key]
            if after.hooks is None:
                after.hooks = {}
            after.hooks.setdefault("retain", {})[key] = (index, ref)


# ---- copy, fill, .data = -----------------------------------------------------------------------
def _zeros(g):
    m = g._m
    return full(0.0, attrs=meta_of(m.shape, m.dtype, None, m.device))


def _replaced(name, grad_name, second, zeros=zeros_like):
    """The record of a write that keeps nothing of the tensor: its own gradient is zero."""
    return Composite(
        name,
        lambda t, value: value,
        lambda ctx, g: (
            zeros(g) if ctx.needs[0] else None,
            second(g) if ctx.needs[1] else None,
        ),
        grad_name=grad_name,
        internal=True,
    )


copy_history = _replaced("copy_history", "CopyBackwards", lambda g: g, _zeros)
fill_history = _replaced("fill_history", "FillBackward2", lambda g: None)
fill_tensor_history = _replaced("fill_tensor_history", "FillBackward3", reduce.sum_dims)
zero_history = _replaced("zero_history", "ZeroBackward0", lambda g: None)


def copy_into(t, src, history=copy_history):
    """t.copy_(src)."""
    same = src._c is t._c and src._m is t._m and (src._v or 0) == (t._v or 0)
    if same and (src is t or not tracks(t, (src,))):
        _copy_to_itself(t, src, history)
        return
    in_place(t, elementwise.copy, (src,), value=(elementwise.copy, (src,), None), history=history)


def _copy_to_itself(t, src, history):
    """Nothing is written, but the write counts and is on the tape."""
    tracked = tracks(t, (src,)) and t._m.dtype.is_floating_point
    check_leaf(t, tracked)
    if src is not t:
        check_writable(t)
    if not tracked:
        bump(t)
        return
    old = wrap(t._c, t._m)
    old._rg, old._gf = requires(t), edge_of(t)
    _history(t, old, history, (src,), None)


def fill(t, value, history=fill_history):
    """t.fill_(value): allowed on expanded tensors too."""
    if t._m.dtype.category < 2 and isinstance(value, float):
        value = int(value) if t._m.dtype.category else bool(value)
    if overlaps_itself(tuple(t._m.shape), t._m.strides):
        _fill_expanded(t, value, history)
        return
    in_place(t, full, (value,), value=(full, (value,), None), history=history)


def masked_fill(t, mask, value):
    """t.masked_fill_(mask, value): allowed on expanded tensors too."""
    if not overlaps_itself(tuple(t._m.shape), t._m.strides):
        return in_place(t, elementwise.masked_fill, (mask, value))
    warnings.warn(
        "Use of masked_fill_ on expanded tensors is deprecated. Please clone() the tensor before "
        "performing this operation. This also applies to advanced indexing e.g. tensor[mask] = "
        "scalar",
        UserWarning,
        stacklevel=3,
    )
    shape, strides = tuple(t._m.shape), t._m.strides
    repeated = tuple([i for i, n in enumerate(shape) if n > 1 and not strides[i]])
    once = reduce.any_(view.expand(mask, shape), attrs=(repeated, True))
    _write_expanded(
        t,
        lambda part: in_place(part, elementwise.masked_fill, (once, value)),
        lambda old: _history(t, old, elementwise.masked_fill, (mask, value), None),
    )
    return t


def _fill_expanded(t, value, history):
    _write_expanded(
        t,
        lambda part: fill(part, value),
        lambda old: _history(t, old, history, (value,), None),
    )


def _write_expanded(t, write, remember):
    """Write the memory of an expanded tensor, each place once, and put the write on the tape."""
    tracked = tracks(t, ())
    check_leaf(t, tracked)
    m = t._m
    edge = edge_of(t) if tracked else None
    shape = tuple(1 if not q else n for n, q in zip(m.shape, m.strides, strict=True))
    part = view.as_strided(t.detach(), shape, m.strides)
    write(part)
    if tracked:
        part._vc[0] -= 1  # counted with the tape
        old = wrap(t._c, m)
        old._rg, old._gf = True, edge
        remember(old)


def set_data(t, other):
    """t.data = other: the tensor keeps its identity and takes the other's memory."""
    if not isinstance(other, Value):
        fail(TypeError, f"Variable data has to be a tensor, but got {type(other).__name__}")
    if t._m.dtype is not other._m.dtype and t._gf is not None:
        fail(
            RuntimeError,
            "Attempted to call `variable.set_data(tensor)`, but `variable` and "
            "`tensor` have incompatible tensor type.",
        )
    if TRACE.stretch.node.depth:
        evaluate()
    t._c, t._m = other._c, other._m
    t._v = other._v if other._v is not None or t._base is None else 0
    if t._base is not None and t._v is not None and other._v is None:
        t._v = 0
    if t._vc is INFERENCE:
        t._vc = ORPHANED


class _SliceRule:
    """The record behind CopySlices: the gradient of writing into a part of a tensor."""

    name = "copy_slices"
    grad_name = "torch::autograd::CopySlices"
    kind = "view"

    @staticmethod
    def grad_many(node, grads):
        """Zero the written part for the base; pass its gradient through the operation."""
        inner, offset, region, layout = node.attrs
        if node.next[0] is not None and overlaps_itself(tuple(region.shape), region.strides):
            _refuse_overlap()
        g = elementwise.clone(grads[0], attrs=layout)
        part = view.as_strided(g, tuple(region.shape), region.strides, offset)
        function = getattr(inner.op, "grad_many", None)
        part = elementwise.clone(part, attrs=contiguous_strides(tuple(part._m.shape)))
        results = inner.op.grad(inner, part) if function is None else function(inner, {0: part})
        results = list(results)
        first = results[0] if results else None
        if first is None:
            m = part._m
            first = full(0.0, attrs=meta_of(tuple(m.shape), m.dtype, None, m.device))
        base = slice_put(g, first, attrs=(("offset", offset), ("region", region)))
        return [written(base, 2), *results[1:]]


slice_put = Composite(
    "slice_put",
    lambda base, value, offset, region: view.put(base, value, offset, region),
    lambda ctx, g: (
        slice_put(
            elementwise.clone(g, attrs=ctx.metas[0].strides),
            elementwise.mul(_part(ctx, g), 0.0),
            attrs=ctx.attrs,
        )
        if ctx.needs[0]
        else None,
        _part(ctx, g) if ctx.needs[1] else None,
    ),
    grad_name="CopySlices",
    internal=True,
)


def _part(ctx, g):
    attrs = dict(ctx.attrs)
    g = elementwise.clone(g, attrs=ctx.metas[0].strides)
    region = attrs["region"]
    return view.as_strided(g, tuple(region.shape), region.strides, attrs["offset"])


def CopySlices(base, inner, t, edge):
    """The grad_fn of a base after a write through one of its views."""
    m = base._m
    layout = (
        m.strides if is_dense(tuple(m.shape), m.strides) else contiguous_strides(tuple(m.shape))
    )
    offset = (t._v or 0) - (base._v or 0)
    strides = t._m.strides
    if layout != m.strides:
        offset, strides = _relative(m, layout, offset, t._m)
    region = meta_of(tuple(t._m.shape), t._m.dtype, strides, t._m.device)
    node = class_of("CopySlices")(
        _SliceRule,
        None,
        (inner, offset, region, layout),
        m,
        [edge, *inner.next[1:]],
        (edge is not None, *inner.needs[1:]),
        (m, *inner.metas[1:]),
        where=inner.where,
        frees=True,
    )
    node.saved = inner.saved
    node.versions = inner.versions
    return node


def _relative(base, layout, offset, region):
    """A region of a strided base as offset and strides in a dense copy of it."""
    places = np.full(
        1 + sum((n - 1) * q for n, q in zip(base.shape, base.strides, strict=True)), -1
    )
    dense = np.arange(base.numel).reshape(base.shape)
    np.lib.stride_tricks.as_strided(
        places, base.shape, tuple(q * places.itemsize for q in base.strides)
    )[...] = dense
    start = int(places[offset]) if region.numel else 0
    strides = []
    for n, q in zip(region.shape, region.strides, strict=True):
        strides.append(int(places[offset + q]) - start if n > 1 and region.numel else 1)
    return start, tuple(strides)


def refresh(t):
    """Give a view a grad_fn over its base as it is now."""
    base = t._base
    if t._made is not None:
        refuse_view(t, "its base or another view of its base has been")
    m = t._m
    offset = (t._v or 0) - (base._v or 0)
    attrs = (tuple(m.shape), m.strides, offset, base._m)
    op = view.as_strided_
    t._gf = class_of(op.grad_name)(
        op, (op, attrs, base._m), attrs, m, [edge_of(base)], (True,), (base._m,)
    )
    t._rg = True
    t._seen = version_of(t)


def _add_in_place(t, other):
    in_place(t, elementwise.add, (other,))


Services.still_exposed = still_exposed
Services.snapshot = snapshot
Services.add_in_place = _add_in_place

__all__ = ["MARK", "GradNode", "Meta", "is_contiguous"]
