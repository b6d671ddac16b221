"""Recording: the stretch that is open on this thread, and how values enter it.

The cost of recording an operation again is one dictionary lookup. Stores come before the one append
that publishes them, so an interrupt leaves a stretch either as before an operation or as after it.
"""

from __future__ import annotations

import threading
from ctypes import addressof, c_char
from operator import add, mul, neg, sub, truediv
from typing import Any

from nacre.base import config, scope
from nacre.base.errors import fail
from nacre.ir.node import LEAF, MARK, ROOT, VIEW, WRITE, Constant, Node, constant_of
from nacre.ir.verify import check_node


class Storage:
    """Evaluated memory: `array` is one-dimensional, `owner` the array that owns its memory.

    `address` is kept with the buffer because asking NumPy for it costs a microsecond. `exported`
    says that an array over it was once given out, so that others may hold it; `pinned` that its
    address was, so that writes in place must keep it. `rings` counts the references that lists of
    buffers to use again hold.
    """

    __slots__ = (
        "__weakref__",
        "_address",
        "array",
        "exported",
        "foreign",
        "owner",
        "pinned",
        "rings",
    )

    def __init__(self, array, owner=None, address=0, foreign=False):
        self.array = array
        self.owner = array if owner is None else owner
        self._address = address
        self.foreign = foreign
        self.exported = foreign
        self.pinned = False
        self.rings = 0

    def address(self) -> int:
        """The address of the first element."""
        found = self._address
        if not found:
            try:
                found = addressof(c_char.from_buffer(self.array))
            except (TypeError, ValueError):  # empty, read-only, or of a type that buffers lack
                found = self.array.ctypes.data
            self._address = found
        return found


class Cell:
    """What a tensor and its aliases hold together: a value of the open stretch, or memory.

    Pending while `data` is None: then `slot` is its value in `stretch`. In memory otherwise, and if
    `stretch` is the open one, `slot` is the leaf it entered as; `entered` holds the leaves of its
    views, `(stretch, {(offset, meta): slot})`.
    """

    __slots__ = ("__weakref__", "data", "entered", "exposed", "meta", "slot", "stretch", "writes")

    def __init__(self, meta, data=None, stretch=None, slot=-1):
        self.meta = meta
        self.data = data
        self.stretch = stretch
        self.slot = slot
        self.exposed = False
        self.entered = None
        self.writes = 0


class Counted:
    """In an undo list: memory replaced at once, to come back if the value in `slot` fails."""

    __slots__ = ("before", "slot")

    def __init__(self, before, slot):
        self.before = before
        self.slot = slot


class Stretch:
    """All that was recorded since the last evaluation; replaced, never used again.

    Every value that a tensor may refer to is in `cells`; `undo` has the memory cells held before
    they became values of this stretch. `torn` says that another thread computed some value.
    """

    __slots__ = ("cells", "failure", "leaves", "node", "numbers", "torn", "undo")

    def __init__(self):
        self.node = ROOT
        self.leaves = {}
        self.cells = []
        self.numbers = {}
        self.undo = []
        self.failure = None
        self.torn = False

    def close(self):
        """Let go of what was recorded: its values are in memory, or lost."""
        if self.failure is None:
            self.failure = "RuntimeError: a signal handler evaluated while it was recorded"
        self.cells = self.leaves = self.numbers = self.undo = ()


class Trace(threading.local):
    """The state of recording of one thread."""

    def __init__(self):
        self.stretch = Stretch()
        self.grad = True
        self.inference = False
        self.capture = None
        self.anomaly = False
        self.hooks = ()


TRACE = Trace()


class Value:
    """The fields by which recording knows a tensor; `nacre.tensor.Tensor` gives them methods.

    `_c` cell, `_v` storage offset of a view (None: the tensor is its whole cell), `_m` meta,
    `_gf` gradient node, `_rg` whether gradients flow to it, `_vc` version counter.
    """

    __slots__ = ("_c", "_gf", "_m", "_rg", "_v", "_vc")
    _c: Any
    _gf: Any
    _m: Any
    _rg: Any
    _v: Any
    _vc: Any


class Services:
    """What recording asks of the rooms above it; each sets its own when it is imported."""

    tensor: type = Value
    evaluate: Any = None  # runtime: () -> None, evaluates the open stretch
    settle: Any = None  # runtime: (cell) -> Storage, of a cell pending elsewhere
    still_exposed: Any = None  # tensor.cell: (cell) -> bool
    add_in_place: Any = None  # tensor.cell: (tensor, tensor) -> None
    snapshot: Any = None  # tensor.cell: (value) -> Storage, a copy in the same layout
    # tensor.methods: what methods of Tensor do that needs rooms above it
    as_tensor: Any = None
    check_device: Any = None
    deep_copy: Any = None
    legacy: Any = None
    reduce: Any = None
    show: Any = None
    warn_grad: Any = None
    warn_scalar: Any = None


_new = object.__new__


def wrap(cell, meta, offset=None):
    """A tensor over a cell."""
    kind = Services.tensor
    t = _new(kind)
    t._c = cell
    t._v = offset
    t._m = meta
    t._gf = None
    t._rg = False
    t._vc = None if _inferring is None else _inferring()
    return t


class _NoVersions:
    """The version counter of what is made in inference mode: it stays 0."""

    __slots__ = ()

    def __getitem__(self, i):
        return 0

    def __setitem__(self, i, version):
        pass


INFERENCE = _NoVersions()
ORPHANED = _NoVersions()  # of a tensor made in inference mode whose `.data` was replaced
_inferring = None  # a function that tells whether this thread is in inference mode, if any is
_threads_inferring = 0


def _counter_here():
    return INFERENCE if TRACE.inference else None


def set_inference(on):
    """Enter or leave inference mode on this thread."""
    global _inferring, _threads_inferring
    if on is TRACE.inference:
        return
    TRACE.inference = on
    _threads_inferring += 1 if on else -1
    _inferring = _counter_here if _threads_inferring else None


def in_memory(storage, meta):
    """A tensor whose value is already there."""
    return wrap(Cell(meta, storage), meta)


def proxy(t, s):
    """A stand-in for an operand inside a captured function.

    It is a value of the stretch wherever the operand lives, so its views are recorded as views of
    that value and not as leaves, which a jump could not bind.
    """
    return wrap(Cell(t._m, None, s, slot_of(t, s)), t._m)


# ---- numbers ------------------------------------------------------------------------------------
class Symbol:
    """A Python number inside a captured function: it computes, and remembers how.

    What it is used for decides: as an operand it becomes an entry of the recipe; asked for its
    truth or its plain value it says that the capture cannot be repeated with other numbers.
    """

    __slots__ = ("args", "capture", "current", "function")

    def __init__(self, capture, current, function=None, args=()):
        self.capture = capture
        self.current = current
        self.function = function
        self.args = args

    def evaluate(self, inputs):
        """Its value for other inputs of the captured function."""
        if self.function is None:
            return inputs[self.args]
        return self.function(*[a.evaluate(inputs) if type(a) is Symbol else a for a in self.args])

    def _make(self, function, *args):
        plain = [a.current if type(a) is Symbol else a for a in args]
        return Symbol(self.capture, function(*plain), function, args)

    def __add__(self, other):
        return self._make(add, self, other)

    def __radd__(self, other):
        return self._make(add, other, self)

    def __sub__(self, other):
        return self._make(sub, self, other)

    def __rsub__(self, other):
        return self._make(sub, other, self)

    def __mul__(self, other):
        return self._make(mul, self, other)

    def __rmul__(self, other):
        return self._make(mul, other, self)

    def __truediv__(self, other):
        return self._make(truediv, self, other)

    def __rtruediv__(self, other):
        return self._make(truediv, other, self)

    def __neg__(self):
        return self._make(neg, self)

    def _frozen(self):
        self.capture.valid = False
        return self.current

    def __float__(self):
        return float(self._frozen())

    def __int__(self):
        return int(self._frozen())

    def __bool__(self):
        return bool(self._frozen())

    def __eq__(self, other):
        return self._frozen() == other

    def __lt__(self, other):
        return self._frozen() < other

    def __gt__(self, other):
        return self._frozen() > other

    __hash__ = None  # type: ignore[assignment]


class Capture:
    """A function being recorded operation by operation, to be one jump the next time.

    `recipe` holds, for each number that the recorded operations took, the Symbol or plain number.
    """

    __slots__ = ("recipe", "stretch", "valid")

    def __init__(self, stretch):
        self.stretch = stretch
        self.recipe = []
        self.valid = True


NUMBER_KINDS: dict = {float: float, int: int, bool: bool}


def put_numbers(stretch, first, numbers):
    """Bind numbers to the places that the next node gives them."""
    capture = TRACE.capture
    if capture is None:
        for i, number in enumerate(numbers, first):
            stretch.numbers[i] = number
        return
    for i, number in enumerate(numbers, first):
        stretch.numbers[i] = number.current if type(number) is Symbol else number
        capture.recipe.append(number)


# ---- what is pending ----------------------------------------------------------------------------
MOST_LOAD = 1 << 28


def relieve():
    """Evaluate if so much is pending that it cannot wait for a natural boundary.

    For code without any. Always at the same place in a loop, so that it meets known states again.
    """
    if TRACE.stretch.node.load > MOST_LOAD and TRACE.capture is None:
        Services.evaluate()


# ---- reading ------------------------------------------------------------------------------------
def slot_of(t, s) -> int:
    """The slot of a tensor's value in stretch `s`, entering it if it is new there."""
    c = t._c
    if c.stretch is s and t._v is None:
        return c.slot
    return enter(t, s)


def enter(t, s) -> int:
    """The slow path of reading: aliases, memory, values of other stretches.

    Another thread may change a cell between two calls, so its memory is asked for once.
    """
    c = t._c
    data = c.data
    if data is None:
        if c.stretch is s:
            offset, meta = t._v, t._m
            if offset is None or (not offset and meta is c.meta):
                return c.slot
            return step(s, (VIEW, c.slot, offset, meta), VIEW, (c.slot,), offset, meta)
        data = Services.settle(c)
    if c.exposed and Services.still_exposed(c):
        return _leaf(s, t._m, -1, Services.snapshot(t), 0)
    offset = t._v or 0
    entered = c.entered
    if entered is not None and entered[0] is not s:
        entered = c.entered = None
    whole = not offset and t._m is c.meta and not data.pinned
    if whole:
        if c.stretch is s:
            return c.slot
        first = -1 if entered is None else next(iter(entered[1].values()))
        slot = _leaf(s, t._m, first, data, 0)
        if c.data is data:
            c.slot = slot
            c.stretch = s
        return slot
    if entered is None:
        first = c.slot if c.stretch is s else -1
        slot = _leaf(s, t._m, first, data, offset)
        c.entered = (s, {(offset, t._m): slot})
        return slot
    found = entered[1].get((offset, t._m))
    if found is None:
        first = c.slot if c.stretch is s else next(iter(entered[1].values()))
        found = entered[1][offset, t._m] = _leaf(s, t._m, first, data, offset)
    return found


def is_read(c, s) -> bool:
    """Whether a cell in memory entered a stretch, whole or by a view."""
    return c.stretch is s or (c.entered is not None and c.entered[0] is s)


def is_fresh(c, s) -> bool:
    """Whether a cell is memory of nobody else's that has not entered a stretch."""
    return (
        c.data is not None
        and not c.exposed
        and c.stretch is not s
        and (c.entered is None or c.entered[0] is not s)
    )


def _leaf(s, meta, first, storage, offset) -> int:
    """A leaf edge: keyed by layout and by the first leaf of the same memory, never by offset."""
    node = s.node
    key = meta.as_leaf if first < 0 else (LEAF, meta, first)
    after = node.edges.get(key)
    if after is None:
        after = node.edges[key] = _legal(Node(node, LEAF, (), first, meta))
    s.leaves[node.leaves] = (storage, offset)
    s.node = after
    return after.slot


def _legal(node):
    """A node just made; tests have it checked."""
    if config.VERIFY:
        check_node(node)
    return node


def step(s, key, op, args, attrs, meta) -> int:
    """Follow or make an edge that takes no numbers; the slot it adds."""
    node = s.node
    after = node.edges.get(key)
    if after is None:
        made = Node(node, op, args, attrs, meta)
        after = node.edges[key] = _legal(made)
    s.node = after
    return after.slot


def mark(s, key):
    """An edge that computes nothing but says which cells the stretch holds from here on."""
    s.node = marked(s, key)


def marked(s, key):
    """The state that `mark` leads to, for one who goes there in a call of his own."""
    node = s.node
    edge = (MARK, key)
    after = node.edges.get(edge)
    if after is None:
        made = Node(node, MARK, (), key, None)
        after = node.edges[edge] = _legal(made)
    return after


def view_of_slot(s, slot, offset, meta) -> int:
    """A view node on a value."""
    return step(s, (VIEW, slot, offset, meta), VIEW, (slot,), offset, meta)


def write_into(s, base_slot, value_slot, offset, region, meta) -> int:
    """A node for `base` with `region` (at offset) replaced by a value; `meta` is the base's."""
    key = (WRITE, base_slot, value_slot, offset, region)
    return step(s, key, WRITE, (base_slot, value_slot), (offset, region), meta)


def record(op, operands, attrs=None, dest=None):
    """Record an operation; returns the node that holds its value.

    `dest` is the Meta of the tensor that an in-place operation writes whole.
    """
    s = TRACE.stretch
    key = [op, attrs, dest]
    numbers = None
    for x in operands:
        kind = x.__class__
        if kind in NUMBER_KINDS:
            if TRACE.capture is not None:
                key.append(constant_of(x))
                continue
            key.append(kind)
            if numbers is None:
                numbers = [x]
            else:
                numbers.append(x)
        elif kind is Symbol:
            key.append(x.current.__class__)
            if numbers is None:
                numbers = [x]
            else:
                numbers.append(x)
        else:
            c = x._c
            key.append(c.slot if c.stretch is s and x._v is None else enter(x, s))
    node = s.node
    key = tuple(key)
    after = node.edges.get(key)
    if after is None:
        after = node.edges[key] = _first_sight(node, op, key, operands, attrs, dest)
    if numbers is not None:
        put_numbers(s, node.numbers, numbers)
    s.node = after
    return after


MAY_FAIL = ("gather", "scatter", "opaque")  # by what the operands hold, so at their evaluation


def _first_sight(node, op, key, operands, attrs, dest):
    """Check shapes and types by the operation's rule, and make the node."""
    args = []
    metas = []
    numbers = 0
    for entry, x in zip(key[3:], operands, strict=True):
        if type(entry) is int:
            args.append(entry)
            metas.append(x._m)
        elif type(entry) is Constant:
            args.append(entry)
            metas.append(entry.kind)
        else:
            args.append((node.numbers + numbers, entry))
            metas.append(entry)
            numbers += 1
    natural = op.infer(attrs, *metas)
    meta = natural
    if dest is not None:
        check_dest(natural, dest)
        meta = dest
    place = scope.place() if op.kind in MAY_FAIL else None
    made = Node(node, op, tuple(args), attrs, meta, numbers, place)
    made.types = op.types(attrs, natural, metas)
    return _legal(made)


def check_dest(meta, dest):
    """Refuse what an in-place operation cannot hold, in PyTorch's words."""
    if meta.shape != dest.shape:
        fail(
            RuntimeError,
            f"output with shape {list(dest.shape)} doesn't match the broadcast shape "
            f"{list(meta.shape)}",
            "an in-place operation keeps the shape of the tensor it writes; use the form without "
            "the trailing underscore",
        )
    if meta.dtype.category > dest.dtype.category:
        fail(
            RuntimeError,
            f"result type {long_name(meta.dtype)} can't be cast to the desired output type "
            f"{long_name(dest.dtype)}",
            "convert the tensor first, for example with .float()",
        )


_LONG = {
    "float32": "Float",
    "float64": "Double",
    "float16": "Half",
    "bfloat16": "BFloat16",
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
}


def long_name(dtype) -> str:
    """PyTorch's name of a type in messages: `Float`, `Long`."""
    return _LONG[dtype.name]


def made(at, s):
    """The tensor of a value just recorded, whose slot and Meta `at` has."""
    c = _new(Cell)
    meta = c.meta = at.meta
    c.data = None
    c.stretch = s
    c.slot = at.slot
    c.exposed = False
    c.entered = None
    c.writes = 0
    s.cells.append(c)
    t = _new(Services.tensor)
    t._c = c
    t._v = None
    t._m = meta
    t._gf = None
    t._rg = False
    t._vc = None if _inferring is None else _inferring()
    return t
