"""The record of an operation: everything the framework knows of it, in one place.

Shape and type rules, the meaning in NumPy, the gradient, the code on one element, samples: recording,
both tiers, backward, the documentation and the registry test read them from here.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from nacre.base.dtypes import BOOL, get_default_dtype, of_number, result_type
from nacre.base.shapes import broadcast_shapes, broadcast_strides, elementwise_strides
from nacre.ir.node import Meta, meta_of
from nacre.ir.tape import attach, requires
from nacre.ir.trace import (
    TRACE,
    Capture,
    Symbol,
    Value,
    enter,
    mark,
    new_cell,
    proxy,
    put_numbers,
    record,
    wrap,
)

REGISTRY: dict[str, Operation] = {}


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
        kind: how it may fuse: map, reduce, contract, gather, scatter, create, opaque.
        scalar: maps only: `(e, *values, **attrs) -> value` over the emitter.
        compute: `(attrs, out dtype, *operands) -> dtype` (or one for each) operands are cast to; the
            promoted type of all if absent.
        exact: NumPy's result is the same to the bit as the kernel's.
        lower: `(builder, node, ...)`, how other kinds become kernel calls.
        samples: callables giving argument lists that every tier must agree on.
        errors: callables giving (arguments, exception type, words) that must be refused.
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
    exact: bool = False
    lower: Callable | None = None
    torch: tuple = ()
    samples: Callable | None = None
    errors: Callable | None = None
    _where: dict = field(default_factory=dict, repr=False)

    def __post_init__(self):
        if self.name in REGISTRY:
            raise ValueError(f"operation {self.name} is registered twice")
        REGISTRY[self.name] = self
        if self.grad is not None and not self.grad_name:
            self.grad_name = "".join(p.capitalize() for p in self.name.split("_")) + "Backward0"

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
        """Record it on tensors and numbers, with its grad_fn where gradients flow."""
        trace = TRACE
        node = record(self, operands, attrs)
        t = wrap(new_cell(node, trace.stretch), node.meta)
        if trace.grad and self.grad is not None:
            for x in operands:
                if isinstance(x, Value) and (x._rg if x._v is None else requires(x)):
                    if node.meta.dtype.is_floating_point:
                        attach(self, t, node, operands, attrs)
                    break
        return t


class Jump:
    """Where a function that was recorded operation by operation ended, to go there at once."""

    __slots__ = ("kept", "node", "recipe")

    def __init__(self, node, kept, recipe):
        self.node = node
        self.kept = kept
        self.recipe = recipe


@dataclass(eq=False)
class Composite:
    """A function of other operations with a gradient of its own; a memoised jump when seen again.

    `body(*operands, **attrs)` returns the result, or a tuple of it and values that `grad` reads as
    `ctx.extra(k)` (index -2-k in `saves`).
    """

    name: str
    body: Callable
    grad: Callable | None = None
    saves: tuple = ()
    grad_name: str = ""
    torch: tuple = ()
    samples: Callable | None = None
    errors: Callable | None = None
    _where: dict = field(default_factory=dict, repr=False)

    __post_init__ = Operation.__post_init__
    __repr__ = Operation.__repr__
    where = Operation.where
    kind = "composite"

    def __call__(self, *operands, attrs=None):
        """Record it, op by op at first sight and as one jump afterwards."""
        trace = TRACE
        results = jump(self, operands, attrs, self.body)
        t = results[0]
        if trace.grad and self.grad is not None and t._m.dtype.is_floating_point:
            for x in operands:
                if isinstance(x, Value) and (x._rg if x._v is None else requires(x)):
                    attach(self, t, trace.stretch.node, operands, attrs, results[1:])
                    break
        return t


def jump(key, operands, attrs, body):
    """Run `body` on operands under no_grad, or go where it ended when it ran on these before."""
    trace = TRACE
    s = trace.stretch
    edge = [key, attrs]
    numbers = []
    for x in operands:
        if isinstance(x, Value):
            c = x._c
            edge.append(c.slot if c.stretch is s and x._v is None else enter(x, s))
        elif x is None:
            edge.append(None)
        else:
            edge.append((x.current if type(x) is Symbol else x).__class__)
            numbers.append(x)
    node = s.node
    edge = tuple(edge)
    known = node.edges.get(edge)
    if known is None:
        return _run(s, node, edge, operands, numbers, attrs, body)
    if known.recipe:
        values = [r.evaluate(numbers) if type(r) is Symbol else r for r in known.recipe]
        put_numbers(s, node.numbers, values)
    s.node = known.node
    return [_made(s, slot, meta) for slot, meta in known.kept]


class _Placed:
    __slots__ = ("meta", "slot")


def _made(s, slot, meta):
    at = _Placed()
    at.slot = slot
    at.meta = meta
    return wrap(new_cell(at, s), meta)


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
    if same and capture.valid and all(_fresh(t, s, node) for t in results):
        kept = [t._c for t in results]
        s.cells[first:] = kept
        mark(s, edge[0])
        node.edges[edge] = Jump(s.node, [(c.slot, c.meta) for c in kept], capture.recipe)
    return results


def _fresh(t, s, node):
    c = t._c
    return c.stretch is s and c.data is None and t._v is None and c.slot >= node.slots


# ---- rules that families share ------------------------------------------------------------------
def common_dtype(*operands):
    """The type that operands (Metas or types of numbers) are brought to."""
    full = zero = number = None
    for m in operands:
        if isinstance(m, Meta):
            d = m.dtype
            if m.shape:
                full = d if full is None else _promote(full, d)
            else:
                zero = d if zero is None else _promote(zero, d)
        else:
            d = of_number(m())
            number = d if number is None else _promote(number, d)
    return result_type(full, zero, number)


def _promote(a, b):
    from_types = _PROMOTED.get((a, b))
    if from_types is None:
        from_types = _PROMOTED[a, b] = promote_types(a, b)
    return from_types


from nacre.base.dtypes import promote_types  # noqa: E402

_PROMOTED: dict = {}


def elementwise_meta(dtype, *operands):
    """Shape by broadcasting and strides by PyTorch's rule, with this type."""
    metas = [m for m in operands if isinstance(m, Meta)]
    if len(metas) == 1:
        m = metas[0]
        shape = m.shape
        if m.contiguous:
            return meta_of(shape, dtype, None, m.device)
        strides = elementwise_strides(tuple(shape), (m.strides,))
        return meta_of(shape, dtype, strides, m.device)
    shape = broadcast_shapes(*[m.shape for m in metas])
    device = device_of(metas)
    if all(m.contiguous and m.shape == shape for m in metas):
        return meta_of(shape, dtype, None, device)
    read = tuple([broadcast_strides(m.shape, m.strides, shape) for m in metas])
    return meta_of(shape, dtype, elementwise_strides(shape, read), device)


def device_of(metas):
    """The one device of all operands; a 0-d CPU value goes along with any."""
    device = metas[0].device
    for m in metas[1:]:
        if m.device != device:
            if not m.shape and m.device == "cpu":
                continue
            if not metas[0].shape and device == "cpu":
                device = m.device
                continue
            raise RuntimeError(
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{device} and {m.device}!"
            )
    return device


def same_type(attrs, *operands):
    """Infer: broadcast, with the promoted type of all operands."""
    return elementwise_meta(common_dtype(*operands), *operands)


def floating(attrs, *operands):
    """Infer: broadcast, integers become the default floating type."""
    d = common_dtype(*operands)
    return elementwise_meta(d if d.is_floating_point else get_default_dtype(), *operands)


def boolean(attrs, *operands):
    """Infer: broadcast, the result is bool."""
    common_dtype(*operands)
    from_bool = BOOL_TYPE
    return elementwise_meta(from_bool, *operands)


from nacre.base.dtypes import bool_ as BOOL_TYPE  # noqa: E402

assert BOOL_TYPE.category == BOOL
