"""The record of an operation: everything the framework knows of it, in one place.

Shape and type rules, the meaning in NumPy, the gradient, the code on one element, samples:
recording, both tiers, backward, the documentation and the registry test read them from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nacre.ir.tape import attach, put_on_tape, requires
from nacre.ir.trace import (
    MOST_LOAD,
    TRACE,
    Capture,
    Services,
    Symbol,
    Value,
    enter,
    is_fresh,
    made,
    mark,
    proxy,
    put_numbers,
    record,
    relieve,
    slot_of,
)
from nacre.ops.rules import common_dtype

REGISTRY: dict[str, Operation | Composite] = {}


def register(record):
    """Enter a record under its name; one without samples is refused."""
    if record.name in REGISTRY:
        raise ValueError(f"operation {record.name} is registered twice")
    if record.samples is None and not record.internal:
        raise ValueError(f"operation {record.name} has no samples")
    REGISTRY[record.name] = record
    if record.grad is not None and not record.grad_name:
        words = "".join([part.capitalize() for part in record.name.split("_")])
        record.grad_name = words + "Backward0"


@dataclass(eq=False)
class Operation:
    """A primitive operation.

    Attributes:
        name: also its name in kernels.
        torch: the spellings it serves, `torch.relu`, `Tensor.relu_`, `F.relu`.
        infer: `(attrs, *operands) -> Meta`; an operand is a Meta, or the type of a Python number.
        numpy: `(attrs, meta, *arrays or numbers) -> array`, the meaning.
        grad: `(ctx, g) -> gradients`, one for each operand, None where `ctx.needs[i]` is false;
            the engine sums broadcast dimensions away and casts to the operand's type.
        saves: for each operand, the operands (-1: the output) that its gradient reads.
        grad_name: as in `grad_fn=<AddBackward0>`.
        names: `(attrs, metas) -> grad_name`, where it depends on the overload that was called.
        kind: how it may fuse: map, reduce, contract, gather, scatter, create, opaque.
        scalar: maps only: `(e, *values, **attrs) -> value` over the emitter.
        compute: `(attrs, out dtype, *operands) -> dtype` (or one for each) that operands are cast
            to; the promoted type of all if absent.
        constants: maps only: `attrs -> ((name, value), ...)`, the keywords that `scalar` takes.
        exact: NumPy's result is the same to the bit as the kernel's.
        lower: `(builder, node, ...)`, how other kinds become kernel calls.
        samples: `() -> [Sample]`, calls that must work, on every tier and device (ops/samples.py).
        errors: `() -> [Refused]`, calls that must be refused, and how.
        internal: only other records use it, and their samples test it.
    """

    name: str
    infer: Callable
    numpy: Callable | None = None
    grad: Callable | None = None
    saves: tuple = ()
    grad_name: str = ""
    kind: str = "map"
    scalar: Callable | None = None
    compute: Callable | None = None
    constants: Callable | None = None
    exact: bool = False
    lower: Callable | None = None
    torch: tuple = ()
    samples: Callable | None = None
    errors: Callable | None = None
    names: Callable | None = None
    internal: bool = False
    _where: dict = field(default_factory=dict, repr=False)

    def __post_init__(self):
        register(self)

    def __repr__(self):
        return self.name

    def where(self, needs):
        """Which operands are saved when these gradients are needed."""
        found = self._where.get(needs)
        if found is None:
            read = set()
            for need, indices in zip(needs, self.saves, strict=False):
                if need:
                    read.update(indices)
            found = self._where[needs] = tuple(sorted(read))
        return found

    def types(self, attrs, natural, metas):
        """The dtypes operands are brought to, and the dtype of the result."""
        if self.kind not in ("map", "create", "reduce"):
            return ()
        if self.compute is None:
            found = common_dtype(*metas)
        else:
            found = self.compute(attrs, natural.dtype, *metas)
        found = found if type(found) is tuple else (found,) * len(metas)
        return (*found, natural.dtype)

    def __call__(self, *operands, attrs=None):
        """Record it on tensors and numbers, with its grad_fn where gradients flow.

        Written flat, like `Composite.__call__`: a known step on whole tensors is taken here.
        """
        trace = TRACE
        s = trace.stretch
        key = [self, attrs, None]
        edges = []
        numbers = []
        needs = 0
        for x in operands:
            kind = x.__class__
            if kind is float or kind is int:
                key.append(kind)
                numbers.append(x)
                edges.append(None)
                needs += needs
                continue
            if not isinstance(x, Value) or x._v is not None:
                break
            c = x._c
            key.append(c.slot if c.stretch is s else enter(x, s))
            g = x._gf
            needs += needs
            if g is not None:
                needs += 1
            elif x._rg:
                g = x
                needs += 1
            edges.append(g)
        else:
            before = s.node
            node = before.edges.get(tuple(key))
            if node is not None and not (numbers and trace.capture):
                if not needs or not trace.grad:
                    if numbers:
                        put_numbers(s, before.numbers, numbers)
                    s.node = node
                    return made(node, s)
                plan = None if node.plans is None else node.plans.get(needs)
                if plan is not None:
                    if numbers:
                        put_numbers(s, before.numbers, numbers)
                    s.node = node
                    t = made(node, s)
                    put_on_tape(t, plan, edges, operands, (t,))
                    return t
        return self._recorded(operands, attrs)

    def _recorded(self, operands, attrs):
        """The same for any operands, and at first sight."""
        trace = TRACE
        if trace.stretch.node.load > MOST_LOAD:
            relieve()
        node = record(self, operands, attrs)
        t = made(node, trace.stretch)
        if trace.grad and self.grad is not None:
            for x in operands:
                if isinstance(x, Value) and (x._rg if x._v is None else requires(x)):
                    if node.meta.dtype.is_floating_point:
                        plans = node.plans
                        if plans is None:
                            plans = node.plans = {}
                        attach(self, t, plans, node, operands, attrs)
                    break
        return t


class Jump:
    """Where a function that was recorded operation by operation ended, to go there at once.

    `kept`: where its results are; `recipe`: what its numbers are from number `first` on; `leaves`
    and `slots` as what its operands enter that have not before, `plans` what the grad_fns of its
    result have in common.
    """

    __slots__ = ("first", "kept", "leaves", "node", "plans", "recipe", "slots")

    def __init__(self, node, kept, recipe, first):
        self.node = node
        self.kept = kept
        self.recipe = recipe
        self.first = first
        self.leaves: tuple = ()
        self.slots: tuple = ()
        self.plans: dict = {}

    def entered_with(self, nodes):
        """The same jump from before the leaf nodes that lead to it."""
        made = Jump(self.node, self.kept, self.recipe, self.first)
        made.leaves = tuple([n.leaves - 1 for n in nodes])
        made.slots = tuple([n.slot for n in nodes])
        made.plans = self.plans
        return made


class Kept:
    """Where a result of a jump is: its slot and Meta."""

    __slots__ = ("meta", "slot")

    def __init__(self, slot, meta):
        self.slot = slot
        self.meta = meta


@dataclass(eq=False)
class Composite:
    """A function of other operations with a gradient of its own; a memoised jump when seen again.

    `body(*operands, **attrs)` returns the result, or a tuple of it and values that `grad` reads as
    `ctx.extra(k)` (index -2-k in `saves`). `memory` names an operand that PyTorch saves as a view.
    """

    name: str
    body: Callable
    grad: Callable | None = None
    saves: tuple = ()
    grad_name: str = ""
    torch: tuple = ()
    samples: Callable | None = None
    errors: Callable | None = None
    names: Callable | None = None
    internal: bool = False
    memory: int | None = None
    _where: dict = field(default_factory=dict, repr=False)

    __post_init__ = Operation.__post_init__  # type: ignore[misc]
    __repr__ = Operation.__repr__
    where = Operation.where
    kind = "composite"

    def __call__(self, *operands, attrs=None):
        """Record it, op by op at first sight and as one jump afterwards.

        Written flat, because this is what a step of training spends its time in: where all operands
        are whole tensors and the way is known, it is followed here.
        """
        trace = TRACE
        s = trace.stretch
        edge = [self, attrs]
        fresh = []
        edges = []
        needs = 0
        for x in operands:
            if not isinstance(x, Value) or x._v is not None:
                break
            c = x._c
            if c.stretch is s:
                edge.append(c.slot)
            elif c.data is None or c.exposed or c.entered is not None or c in fresh:
                break
            else:
                edge.append(x._m)
                fresh.append(c)
            g = x._gf
            needs += needs
            if g is not None:
                needs += 1
            elif x._rg:
                g = x
                needs += 1
            edges.append(g)
        else:
            way = s.node.edges.get(tuple(edge))
            if way is not None and not way.recipe:
                if not needs or not trace.grad:
                    return _arrive(s, way, fresh)[0]
                plan = way.plans.get(needs)
                if plan is not None:
                    results = _arrive(s, way, fresh)
                    t = results[0]
                    put_on_tape(t, plan, edges, operands, results)
                    return t
        return self._recorded(operands, attrs)

    def _recorded(self, operands, attrs):
        """The same for any operands, and at first sight."""
        trace = TRACE
        if trace.stretch.node.load > MOST_LOAD:
            relieve()
        way, results = jump(self, operands, attrs, self.body)
        t = results[0]
        if trace.grad and self.grad is not None and t._m.dtype.is_floating_point:
            for x in operands:
                if isinstance(x, Value) and (x._rg if x._v is None else requires(x)):
                    plans = None if way is None else way.plans
                    attach(self, t, plans, trace.stretch.node, operands, attrs, results[1:])
                    break
        return t


def _arrive(s, way, fresh):
    """Take a jump that has no numbers; the results."""
    if fresh:
        leaves = s.leaves
        places = iter(way.leaves)
        for c in fresh:
            data = c.data
            if data is None:  # another thread has just written it
                data = Services.settle(c)
            leaves[next(places)] = (data, 0)
        s.node = way.node
        places = iter(way.slots)
        for c in fresh:
            slot = next(places)
            if c.data is not None:
                c.slot = slot
                c.stretch = s
    else:
        s.node = way.node
    results = []
    for kept in way.kept:
        results.append(made(kept, s))
    return results


def jump(key, operands, attrs, body):
    """Run `body` on operands under no_grad, or go where it ended when it ran on these before.

    Returns (Jump or None, results).
    """
    s = TRACE.stretch
    start = s.node
    short = [key, attrs]
    edge = [key, attrs]
    numbers = []
    fresh = []
    for x in operands:
        if isinstance(x, Value):
            whole = x._v is None and is_fresh(x._c, s)
            slot = slot_of(x, s)
            edge.append(slot)
            short.append(x._m if whole else slot)
            if whole:
                fresh.append(slot)
        elif x is None:
            edge.append(None)
        else:
            edge.append((x.current if type(x) is Symbol else x).__class__)
            numbers.append(x)
    node = s.node
    edge = tuple(edge)
    way = node.edges.get(edge)
    if way is None:
        way, results = _run(s, node, edge, operands, numbers, attrs, body)
    else:
        if way.recipe:
            values = [r.evaluate(numbers) if type(r) is Symbol else r for r in way.recipe]
            put_numbers(s, way.first, values)
        results = _arrive(s, way, ())
    if way is not None and fresh and len(short) == len(edge):
        entered = _between(start, node)
        if [n.slot for n in entered] == fresh:
            start.edges[tuple(short)] = way.entered_with(entered)
    return way, results


def _between(start, end):
    nodes = []
    while end is not start:
        nodes.append(end)
        end = end.parent
    return nodes[::-1]


def _run(s, node, edge, operands, numbers, attrs, body):
    """First sight: run operation by operation, then remember the way."""
    trace = TRACE
    outer, grad = trace.capture, trace.grad
    capture = Capture(s)
    first = len(s.cells)
    symbols = iter(
        [
            Symbol(capture, x.current if type(x) is Symbol else x, None, i)
            for i, x in enumerate(numbers)
        ]
    )
    given = [
        proxy(x, s) if isinstance(x, Value) else x if x is None else next(symbols) for x in operands
    ]
    trace.capture, trace.grad = capture, False
    try:
        results = body(*given) if attrs is None else body(*given, **dict(attrs))
    finally:
        trace.capture, trace.grad = outer, grad
    results = list(results) if isinstance(results, tuple) else [results]
    same = trace.stretch is s
    if outer is not None:
        if same:
            for r in capture.recipe:
                outer.recipe.append(r.evaluate(numbers) if type(r) is Symbol else r)
        outer.valid = outer.valid and capture.valid and same
    known = same and capture.valid and s.node.leaves == node.leaves
    if known and all(_fresh(t, s, node) for t in results):
        kept = [t._c for t in results]
        s.cells[first:] = kept
        mark(s, edge[0])
        places = [Kept(c.slot, c.meta) for c in kept]
        way = node.edges[edge] = Jump(s.node, places, capture.recipe, node.numbers)
        return way, results
    if same:
        known = {id(c) for c in s.cells}
        s.cells += [t._c for t in results if t._c.data is None and id(t._c) not in known]
    return None, results


def _fresh(t, s, node):
    c = t._c
    return c.stretch is s and c.data is None and t._v is None and c.slot >= node.slots
