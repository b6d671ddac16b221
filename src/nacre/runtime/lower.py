"""A recorded operation as instructions of a kernel: what both tiers run, so that their bits agree.

An instruction is `(operation, argument numbers, dtype, attrs)`; a body is a tuple of them over
inputs numbered from 0.
"""

from __future__ import annotations

from nacre.base.dtypes import bool_, float64, int64
from nacre.ops.record import Operation

SCALARS = {"f": float64, "i": int64, "b": bool_}
LOGICAL_REDUCTIONS = ("any", "all")


class Body:
    """Instructions being collected; equal ones are kept once."""

    def __init__(self, inputs):
        self.dtypes = list(inputs)
        self.first = len(inputs)
        self.instructions: list = []
        self._known: dict = {}

    def add(self, name, args, dtype, attrs=()) -> int:
        """Append an instruction; returns the number of its value."""
        key = (name, args, dtype, attrs, repr(attrs))
        found = self._known.get(key)
        if found is None:
            self.instructions.append((name, args, dtype, attrs))
            self.dtypes.append(dtype)
            found = self._known[key] = len(self.dtypes) - 1
        return found

    def cast(self, value, dtype) -> int:
        """A value brought to a dtype."""
        if self.dtypes[value] is dtype:
            return value
        return self.add("cast", (value,), dtype)

    def operation(self, node, values) -> int:
        """A map node on values; returns the number of its result."""
        op: Operation = node.op
        *wanted, natural = node.types
        args = tuple([self.cast(v, d) for v, d in zip(values, wanted, strict=True)])
        attrs = () if op.constants is None else op.constants(node.attrs)
        return self.cast(self.add(op.name, args, natural, attrs), node.meta.dtype)

    def done(self) -> tuple:
        """The body."""
        return tuple(self.instructions)


def reduction_input(node, body, value) -> int:
    """What a reduction reduces: its operand in the dtype it is reduced in."""
    kind = node.op.lower
    return body.cast(value, bool_ if kind in LOGICAL_REDUCTIONS else node.types[0])


def reduced_layout(node):
    """(shape, strides) of a reduction's result without the reduced dimensions."""
    dims, keep = node.attrs
    meta = node.meta
    if not keep:
        return tuple(meta.shape), meta.strides
    kept = [d for d in range(len(meta.shape)) if d not in dims]
    return tuple([meta.shape[d] for d in kept]), tuple([meta.strides[d] for d in kept])
