"""Calls kernels on NumPy arrays, for the tests of the backends."""

import numpy as np

import nacre.ops.elementwise  # noqa: F401  (registers the operations)
from nacre.backends.cpu.backend import FIRST_SLOT, Operand, ProgramBuilder, Scalar, table
from nacre.base import dtypes
from nacre.base.shapes import contiguous_strides


class Table:
    """A table being filled, and the operands that name its slots."""

    def __init__(self):
        self.words, self.address = table(64)
        self.next = FIRST_SLOT
        self.kept = []

    def array(self, a, shape=None):
        """An Operand for a NumPy array, broadcast to `shape`."""
        if shape is not None:
            a = np.broadcast_to(a, shape)
        self.kept.append(a)
        self.words[self.next] = a.ctypes.data
        strides = tuple(s // a.itemsize for s in a.strides)
        self.next += 1
        return Operand(self.next - 1, dtypes.from_numpy(a.dtype), a.shape, strides)

    def scalar(self, value, kind):
        """A Scalar."""
        bits = np.array(value, np.float64).view(np.int64) if kind == "f" else int(value)
        self.words[self.next] = int(bits)
        self.next += 1
        return Scalar(self.next - 1, kind)

    def run(self, builder):
        """Run the calls; returns the status."""
        return builder.finish().run(self.address)


def mapped(body, arrays, out, scalars=(), shape=None):
    """The last value of `body` over arrays, as an array of dtype `out`."""
    arrays = [np.asarray(a) for a in arrays]
    if shape is None:
        shape = np.broadcast_shapes(*[a.shape for a in arrays])
    t = Table()
    inputs = [t.array(a, shape) for a in arrays] + [t.scalar(v, k) for v, k in scalars]
    result = np.empty(shape, out.np)
    builder = ProgramBuilder()
    builder.map(tuple(shape), inputs, body, [(len(inputs) + len(body) - 1, t.array(result))])
    assert t.run(builder) == 0
    return result


def one(name, *arrays, out=None, attrs=()):
    """One operation over arrays of one dtype."""
    out = out or dtypes.from_numpy(np.asarray(arrays[0]).dtype)
    return mapped(((name, tuple(range(len(arrays))), out, attrs),), arrays, out)


def reduced(kind, a, dims, out=None, body=(), more=()):
    """A reduction of the last value of `body` over an array."""
    t = Table()
    inputs = [t.array(x, a.shape) for x in (a, *more)]
    out = out or dtypes.from_numpy(a.dtype)
    shape = tuple(n for d, n in enumerate(a.shape) if d not in dims)
    result = np.empty(shape, out.np)
    builder = ProgramBuilder()
    where = Operand(t.array(result).slot, out, shape, contiguous_strides(shape))
    builder.reduce(kind, a.shape, dims, inputs, body, where)
    assert t.run(builder) == 0
    return result


def same_bits(a, b):
    """Whether two arrays agree to the bit (all NaN count as one)."""
    a, b = np.ascontiguousarray(a), np.ascontiguousarray(b)
    nan = (a != a) & (b != b)
    kind = f"u{a.itemsize}"
    return (
        a.dtype == b.dtype
        and a.shape == b.shape
        and bool(((a.view(kind) == b.view(kind)) | nan).all())
    )
