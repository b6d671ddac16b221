"""The tape: what backward will need of each operation that gradients flow through.

As in PyTorch it is made of explicit nodes, one for each recorded operation, that hold on to what
they read, so whatever backward needs stays alive by reference counts alone.
"""

from __future__ import annotations

import re
from itertools import count

from nacre.base.errors import fail
from nacre.ir.trace import INFERENCE, TRACE, Value, long_name, proxy, wrap

_sequence = count()
_new = object.__new__
RELEASED = object()


class SavedOutput:
    """An operation's own result, kept without its tensor: that one refers to the tape already."""

    __slots__ = ("_c", "_m", "_v", "_vc", "output_nr")

    def __init__(self, t, output_nr=0):
        if t._vc is None:
            t._vc = [0]
        self.output_nr = output_nr
        self._c = t._c
        self._m = t._m
        self._v = t._v
        self._vc = t._vc


class SavedMemory:
    """An operand that PyTorch saves as a view of it: `.data = ...` on it is not seen."""

    __slots__ = ("_c", "_m", "_v", "_vc", "tensor")

    def __init__(self, t):
        if t._vc is None:
            t._vc = [0]
        self.tensor = t
        self._c = t._c
        self._m = t._m
        self._v = t._v
        self._vc = t._vc

    @property
    def grad_fn(self):
        """Of the operand."""
        return self.tensor.grad_fn

    def opened(self):
        """The operand, or what it was while its memory was this."""
        t = self.tensor
        if t._c is self._c:
            return t
        old = wrap(self._c, self._m, self._v)
        old._vc = self._vc
        old._gf, old._rg = t._gf, t._rg
        return old


class Plan:
    """What the grad_fns of one recorded operation have in common, each time it is recorded.

    `where` tells what is saved: operands (numbers left out, they are always there), -1 the result,
    below that what a composite keeps. `frees`: a backward that keeps no graph ends its use.
    """

    __slots__ = (
        "attrs",
        "frees",
        "key",
        "kind",
        "memory",
        "meta",
        "metas",
        "name",
        "needs",
        "node",
        "numeric",
        "op",
        "where",
    )

    def __init__(self, op, node, attrs, meta, needs, metas, where=(), frees=False):
        self.op = op
        self.node = node
        self.attrs = attrs
        self.meta = meta
        self.needs = needs
        self.metas = metas
        self.where = where
        self.frees = frees or bool(where)
        self.memory = getattr(op, "memory", None)
        names = getattr(op, "names", None)
        self.name = op.grad_name if names is None else names(attrs, metas)
        self.kind = class_of(self.name)
        self.numeric = any(isinstance(m, type) for m in metas)
        self.key = None if node is None else (node, op.name, needs)


def _shared(name):
    def read(self):
        return getattr(self.plan, name)

    return property(read)


class GradNode:
    """A `grad_fn`: the gradient of one recorded operation.

    `next` holds for each operand the grad_fn it came from, the leaf tensor itself, or None;
    `numbers` the operands that are Python numbers; `saved` what its rule reads, with the `versions`
    it had.
    Grad rules read operands by `ctx[i]` and `ctx.out`.
    """

    __slots__ = (
        "__weakref__",
        "hooks",
        "next",
        "numbers",
        "outputs",
        "plan",
        "saved",
        "sequence",
        "trace_back",
        "versions",
    )

    def __init__(
        self, op, node, attrs, meta, next_, needs, metas, numbers=(), where=(), frees=False
    ):
        self.plan = Plan(op, node, attrs, meta, needs, metas, where, frees)
        self.next = next_
        self.numbers = numbers
        self.saved = self.versions = ()
        self.outputs = None
        self.hooks = None
        self.trace_back = None
        self.sequence = next(_sequence)

    op = _shared("op")
    node = _shared("node")
    attrs = _shared("attrs")
    meta = _shared("meta")
    needs = _shared("needs")
    metas = _shared("metas")
    where = _shared("where")

    # what grad rules read
    def __getitem__(self, i):
        return self._unpack(self.where.index(i))

    @property
    def out(self):
        """The operation's result."""
        return self._unpack(self.where.index(-1))

    def extra(self, k):
        """The k-th further value that a composite keeps for its gradient."""
        return self._unpack(self.where.index(-2 - k))

    def keep(self, saved):
        """Hold on to operands (or the output) with the versions they have now."""
        self.saved = saved
        self.versions = tuple([version_of(x) for x in saved])

    def _unpack(self, k):
        self.check_saved(k)
        x = self.saved[k]
        if TRACE.capture is not None:
            return proxy(x, TRACE.stretch)
        if type(x) is not SavedOutput:
            return x.opened() if type(x) is SavedMemory else x
        t = wrap(x._c, x._m, x._v)
        t._vc = x._vc
        t._gf = Port(self, x.output_nr) if x.output_nr else self
        t._rg = True
        return t

    def check_saved(self, k):
        """Refuse what was released by an earlier backward, or written since it was saved."""
        if self.saved is RELEASED:
            fail(
                RuntimeError,
                "Trying to backward through the graph a second time (or directly access saved "
                "tensors after they have already been freed). Saved intermediate values of the "
                "graph are freed when you call .backward() or autograd.grad(). Specify "
                "retain_graph=True if you need to backward through the graph a second time or if "
                "you need to access saved tensors after calling backward.",
            )
        x = self.saved[k]
        if self._is_detached(k, x):
            fail(
                RuntimeError,
                "Trying to use a saved tensor that has been detached in-place, i.e. with "
                ".detach_().This is not supported, please use out-of-place `.detach()` instead",
            )
        now = version_of(x)
        if now != self.versions[k]:
            meta = x._m
            made = self if type(x) is SavedOutput else x.grad_fn
            origin = ""
            if made is not None:
                origin = f", which is output {x.output_nr} of {made.short_name()},"
            fail(
                RuntimeError,
                "one of the variables needed for gradient computation has been modified by an "
                f"inplace operation: [torch.{long_name(meta.dtype)}Tensor {list(meta.shape)}]"
                f"{origin} is at version {now}; expected version {self.versions[k]} instead. Hint: "
                "enable anomaly detection to find the operation that failed to compute its "
                "gradient, with torch.autograd.set_detect_anomaly(True, check_nan=False).",
                f"{self.name()} reads this tensor to compute its gradient; use the form that makes "
                "a new tensor, such as x = x / 2 in place of x /= 2",
            )

    def _is_detached(self, k, x):
        """Whether an operand that had a grad_fn when it was saved has none any more."""
        i = self.where[k]
        if i < 0 or i >= len(self.next) or not isinstance(x, Value) or x._gf is not None:
            return False
        return isinstance(self.next[i], GradNode | Port)

    def release(self):
        """Let go of what was saved."""
        if self.plan.frees:
            self.saved = RELEASED

    # what users see
    def name(self) -> str:
        """Such as `AddmmBackward0`."""
        return self.plan.name

    def short_name(self) -> str:
        """The name as errors give it: `Addmm`."""
        return re.sub(r"Backward\d*$", "", self.name())

    def __repr__(self):
        return f"<{_spelled(type(self))} object at {id(self):#x}>"

    @property
    def next_functions(self):
        """Pairs of (grad_fn, 0) for the operands that are tensors."""
        return tuple(
            [
                (AccumulateGrad(f), 0)
                if isinstance(f, Value)
                else (f.node, f.index)
                if type(f) is Port
                else (f, 0)
                for f, m in zip(self.next, self.metas, strict=False)
                if not isinstance(m, type)
            ]
        )

    def register_hook(self, hook):
        """Call `hook(grad_inputs, grad_outputs)` after this node's gradient is computed."""
        return _add(self, "post", hook)

    def register_prehook(self, hook):
        """Call `hook(grad_outputs)` before this node's gradient is computed."""
        return _add(self, "pre", hook)


def _spelled(kind):
    inside = kind.__module__ if kind.__module__.startswith("torch") else None
    return kind.__qualname__ if inside is None else f"{inside}.{kind.__qualname__}"


class Port:
    """One of several outputs of a grad_fn, as an edge."""

    __slots__ = ("index", "node")

    def __init__(self, node, index):
        self.node = node
        self.index = index


class HookHandle:
    """Removes the hook it stands for, by `remove()` or at the end of a with statement."""

    def __init__(self, table, key):
        self._table = table
        self._key = key

    def remove(self):
        """Take the hook out; a second call does nothing."""
        self._table.pop(self._key, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


_keys = count()


def _add(node, kind, hook):
    if node.hooks is None:
        node.hooks = {}
    table = node.hooks.setdefault(kind, {})
    key = next(_keys)
    table[key] = hook
    return HookHandle(table, key)


class AccumulateGrad:
    """The end of the tape at a leaf, as `next_functions` shows it."""

    def __init__(self, variable):
        self.variable = variable
        self.next_functions = ()

    def name(self):
        """PyTorch's name of it."""
        return "struct torch::autograd::AccumulateGrad"

    __repr__ = GradNode.__repr__

    def __eq__(self, other):
        return isinstance(other, AccumulateGrad) and other.variable is self.variable

    def __hash__(self):
        return id(self.variable)


def written(t, times=1):
    """Give a new value its version in PyTorch, which makes it by writing into an empty one."""
    t._vc = [times]
    return t


def version_of(x) -> int:
    """The version of a tensor or saved output: how often it was written in place."""
    counter = x._vc
    return 0 if counter is None else counter[0]


_classes: dict = {}


def class_of(name):
    """The class of grad_fns of this name, so that `type(grad_fn).__name__` reads as in PyTorch."""
    found = _classes.get(name)
    if found is None:
        found = _classes[name] = type(name, (GradNode,), {"__slots__": (), "__module__": "nacre"})
    return found


def requires(x) -> bool:
    """Whether gradients flow to a tensor now; a view asks its base too."""
    if x._rg or x._v is None:
        return x._rg
    base = x._base
    return base is not None and base._rg


def edge_of(x):
    """Where the gradient of a tensor goes: its grad_fn, or itself if it is a leaf."""
    if x._v is not None and x._base is not None:
        if x._vc[0] != x._seen and (x._gf is not None or x._base._rg):
            x._refresh()
    if x._gf is not None:
        return x._gf
    return x if x._rg else None


def is_leaf_here(x) -> bool:
    """Whether a tensor that gradients flow to has no grad_fn, one that is out of date included."""
    return x._gf is None and requires(x)


def node_of(x):
    """The grad_fn of a tensor as it is now, or None."""
    edge = edge_of(x)
    if edge is None or edge is x:
        return None
    return edge.node if type(edge) is Port else edge


def attach(op, t, plans, node, operands, attrs, extras=()):
    """Put a grad_fn on a result, gradients flowing to one of its operands.

    `plans` keeps, under which operands need gradients, what is the same each time; None keeps none.
    """
    edges = []
    needs = 0
    for x in operands:
        e = None
        if isinstance(x, Value):
            e = edge_of(x) if x._v is not None else x._gf or (x if x._rg else None)
        needs += needs + (e is not None)
        edges.append(e)
    plan = None if plans is None else plans.get(needs)
    if plan is None:
        flags = tuple([e is not None for e in edges])
        plan = _plan(op, node, attrs, t._m, flags, operands)
        if plans is not None:
            plans[needs] = plan
            plan.key = plan
    return put_on_tape(t, plan, edges, operands, (t, *extras))


def put_on_tape(t, plan, edges, operands, results):
    """Give a tensor a grad_fn of a known plan; `results` are the values that its rule may read."""
    g = _new(plan.kind)
    g.plan = plan
    g.next = edges
    g.hooks = g.outputs = g.trace_back = None
    g.sequence = next(_sequence)
    g.numbers = tuple([x for x in operands if not isinstance(x, Value)]) if plan.numeric else ()
    saved = []
    versions = []
    for i in plan.where:
        x = operands[i] if i >= 0 else SavedOutput(t) if i == -1 else results[-1 - i]
        if i == plan.memory:
            x = SavedMemory(x)
        saved.append(x)
        counter = x._vc
        if counter is INFERENCE:
            _refuse_inference()
        versions.append(0 if counter is None else counter[0])
    g.saved = saved
    g.versions = versions
    t._gf = g
    t._rg = True
    if TRACE.anomaly:
        g.trace_back = TRACE.anomaly()
    return g


def _refuse_inference():
    fail(
        RuntimeError,
        "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
        "inference mode in computation tracked by autograd. To work around this, you can make a "
        "clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
        "`torch.inference_mode()`.",
    )


def _plan(op, node, attrs, meta, needs, operands):
    metas = [x._m if isinstance(x, Value) else x.__class__ for x in operands]
    n = len(operands)
    read = op.where(needs)
    where = tuple([i for i in read if i < 0 or (i < n and isinstance(operands[i], Value))])
    # PyTorch keeps numbers as tensors where they stand for the other of two operands
    frees = any(i < 0 or i >= n or n == 2 or isinstance(operands[i], Value) for i in read)
    return Plan(op, node, attrs, meta, needs, metas, where, frees)
