"""Kernels as loop nests over scalar expressions: what they share, and the map kernel.

A kernel is `void k(ptr tab, ptr desc, i64 chunk)`. Its structure (how many outer dimensions, the
class of each operand along the innermost one, the body) is compiled in; sizes, strides and
addresses are read from `desc` and `tab`. Along the innermost dimension an operand is of class
    c  contiguous: vector loads, the last incomplete vector under a mask or by way of a small buffer
    b  broadcast: one element in all lanes
    s  strided: gathered
The body is emitted once: complete and incomplete vectors go through the same instructions.

Layout of `desc` for a map: n, width of a column chunk, column chunks, rows of a chunk, rows, the
outer sizes, then for each operand its words (slot, offset, [inner stride], outer strides), then
the slots of the scalars.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from nacre.backends.emit import MEMORY, Emitter, Val
from nacre.backends.ir_text import Function, Module
from nacre.base.dtypes import bool_, dtype, float64, int64
from nacre.ops.record import REGISTRY

SCALARS = {"f": float64, "i": int64, "b": bool_}
ARGUMENTS = ("ptr %tab", "ptr %desc", "i64 %chunk")


@dataclass(frozen=True, slots=True)
class Stream:
    """An operand by structure: its dtype and its class along the innermost dimension."""

    dtype: dtype
    walk: str

    def key(self) -> str:
        """Short text for cache keys."""
        return self.dtype.short + self.walk


def body_key(body) -> str:
    """A body as text; equal texts mean equal code."""
    return ";".join([f"{name}{args}{out.short}{attrs or ''}" for name, args, out, attrs in body])


def evaluate(e: Emitter, instruction, values) -> Val:
    """Emit one instruction of a body."""
    name, args, out, attrs = instruction
    if name == "cast":
        return e.cast(values[args[0]], out)
    if name == "const":
        return e.const(attrs[0], out)
    scalar = REGISTRY[name].scalar  # type: ignore[union-attr]
    if scalar is None:
        raise NotImplementedError(f"{name} has no code for one element")
    result = scalar(e, *[values[a] for a in args], **dict(attrs))
    return result if result.dtype is out else e.cast(result, out)


@cache
def body_weight(inputs: tuple, body: tuple, host) -> int:
    """How many instructions a body takes for one vector; decides unrolling and chunk sizes."""
    function = Function(Module(), "weigh", ())
    e = Emitter(function, 1, host)
    values = [Val("%x", kind) for kind in inputs]
    for instruction in body:
        values.append(evaluate(e, instruction, values))
    divisions = sum("div " in line or "sqrt" in line for line in function.lines)
    return len(function.lines) + 8 * divisions


class Body:
    """A body being placed in a kernel: what does not vary with the element is computed outside.

    `levels[i]` is 0 for a value that is the same in the whole kernel, 1 in a row, 2 if it varies.
    """

    def __init__(self, e: Emitter, body, levels):
        self.e = e
        self.body = body
        self.levels = list(levels)
        for _, args, _, _ in body:
            self.levels.append(max([self.levels[a] for a in args], default=0))
        self.first = len(levels)
        self.values: list = [None] * len(self.levels)

    def run(self, level: int) -> None:
        """Emit the instructions of one level, whose inputs have been put into `values`."""
        for i, instruction in enumerate(self.body, self.first):
            if self.levels[i] == level:
                self.values[i] = evaluate(self.e, instruction, self.values)


class Words:
    """Reads `desc` from front to back."""

    def __init__(self, f: Function, start: int = 0):
        self.f = f
        self.next = start

    def take(self) -> str:
        """The next word."""
        self.next += 1
        return self.f.word("%desc", self.next - 1)

    def pointer(self) -> str:
        """The next word, an address."""
        self.next += 1
        return self.f.pointer("%desc", self.next - 1)


class Array:
    """An open operand: base address, inner stride if strided, outer strides."""

    def __init__(self, words: Words, stream: Stream, outer: int):
        f = words.f
        self.kind = stream.dtype
        self.walk = stream.walk
        self.item = MEMORY[stream.dtype.short]
        base = f.pointer("%tab", words.take())
        self.base = f.at(base, words.take(), self.item)
        self.stride = words.take() if stream.walk == "s" else 1
        self.strides = [words.take() for _ in range(outer)]

    def row(self, f: Function, indices) -> str:
        """The address of the row with these outer indices."""
        offset = 0
        for index, stride in zip(indices, self.strides, strict=True):
            offset = f.add(offset, f.mul(index, stride))
        return f.at(self.base, offset, self.item)

    def element(self, f: Function, row: str, i) -> str:
        """The address of element i of a row."""
        return f.at(row, f.mul(i, self.stride), self.item)


def unravel(f: Function, row: str, sizes) -> list:
    """The indices of row number `row` in row-major order of `sizes`."""
    indices: list = []
    for size in reversed(sizes[1:]):
        indices.append(f.rem(row, size))
        row = f.div(row, size)
    if sizes:
        indices.append(row)
    return indices[::-1]


class Lanes:
    """Loads and stores of up to `e.lanes` elements, complete (`full` holds) or `left` of them.

    Without `full` they are always complete.
    """

    def __init__(self, e: Emitter, full: str = "", left: str = ""):
        self.e = e
        self.full = full
        self.left = left
        self._mask: str | None = None

    def mask(self) -> str:
        """Lanes below `left`."""
        e = self.e
        ramp = "<" + ", ".join([f"i32 {i}" for i in range(e.lanes)]) + ">"
        short = e.f.value(f"trunc i64 {self.left} to i32")
        return e.f.value(f"icmp slt {e.vector('i32')} {ramp}, {e.splat('i32', short)}")

    def _buffered(self, array: Array) -> bool:
        return array.walk == "s" or array.kind.itemsize not in self.e.host.masks

    def loads(self, arrays, pointers) -> list[Val]:
        """One vector from each array."""
        if not arrays:
            return []
        e = self.e
        kinds = tuple(e.type(a.kind) for a in arrays)

        def complete():
            return [
                (e.gather(p, a.stride, a.kind) if a.walk == "s" else e.load(p, a.kind)).ref
                for a, p in zip(arrays, pointers, strict=True)
            ]

        def partial():
            some = any(not self._buffered(a) for a in arrays)
            mask = self.mask() if some else None
            return [
                self._fill(a, p).ref if self._buffered(a) else e.load(p, a.kind, mask).ref
                for a, p in zip(arrays, pointers, strict=True)
            ]

        refs = e.f.either(self.full, kinds, complete, partial) if self.full else complete()
        return [Val(ref, a.kind) for ref, a in zip(refs, arrays, strict=True)]

    def _fill(self, array: Array, pointer: str) -> Val:
        f = self.e.f
        kind = self.e.vector(array.item)
        buffer = f.alloca(kind, 64)
        f.store(kind, "zeroinitializer", buffer, 64)
        with f.loop(0, self.left) as i:
            one = f.load(array.item, array.element(f, pointer, i), array.kind.itemsize)
            f.store(array.item, one, f.at(buffer, i, array.item), array.kind.itemsize)
        return self.e.load(buffer, array.kind)

    def stores(self, arrays, pointers, values) -> None:
        """One vector into each array."""
        if not self.full:
            self._store_whole(arrays, pointers, values)
            return
        f = self.e.f
        labels = f.fresh("yes"), f.fresh("no"), f.fresh("join")
        f.branch(self.full, labels[0], labels[1])
        f.begin(labels[0])
        self._store_whole(arrays, pointers, values)
        f.jump(labels[2])
        f.begin(labels[1])
        mask = None
        for a, p, x in zip(arrays, pointers, values, strict=True):
            if self._buffered(a):
                self._drain(a, p, x)
            else:
                mask = mask or self.mask()
                self.e.store(p, x, mask)
        f.jump(labels[2])
        f.begin(labels[2])

    def _store_whole(self, arrays, pointers, values) -> None:
        for a, p, x in zip(arrays, pointers, values, strict=True):
            if a.walk == "s":
                self.e.scatter(p, a.stride, x)
            else:
                self.e.store(p, x)

    def _drain(self, array: Array, pointer: str, x: Val) -> None:
        f = self.e.f
        buffer = f.alloca(self.e.vector(array.item), 64)
        self.e.store(buffer, x)
        with f.loop(0, self.left) as i:
            one = f.load(array.item, f.at(buffer, i, array.item), array.kind.itemsize)
            f.store(array.item, one, array.element(f, pointer, i), array.kind.itemsize)


class Reader:
    """The inputs of a body, opened; puts values into it at their level."""

    def __init__(self, words: Words, e: Emitter, inputs, body, outer: int, shift: int = 0):
        self.e = e
        self.outer = outer
        self.arrays = [Array(words, x, outer) if isinstance(x, Stream) else None for x in inputs]
        levels = [0 if a is None else 1 if a.walk == "b" else 2 for a in self.arrays]
        self.body = Body(e, body, [0] * shift + levels)
        self.shift = shift
        self.inputs = inputs

    def open_scalars(self, words: Words) -> None:
        """Read the scalars and compute what depends on them alone."""
        e, f = self.e, self.e.f
        for i, x in enumerate(self.inputs):
            if isinstance(x, Stream):
                continue
            at = f.at("%tab", words.take())
            if x == "f":
                value = e.splat("double", f.load("double", at, 8))
            else:
                value = e.splat("i64", f.load("i64", at, 8))
            made = Val(value, float64 if x == "f" else int64)
            self.body.values[self.shift + i] = e.cast(made, bool_) if x == "b" else made
        self.body.run(0)

    def open_row(self, indices) -> list:
        """Addresses of the row; broadcast operands are read and what depends on them computed."""
        rows = []
        for i, a in enumerate(self.arrays):
            row = a.row(self.e.f, indices) if a else ""
            rows.append(row)
            if a and a.walk == "b":
                self.body.values[self.shift + i] = self.e.load_one(row, a.kind)
        self.body.run(1)
        return rows

    def read(self, lanes: Lanes, rows, i) -> None:
        """Load the operands that vary at element i and run the rest of the body."""
        f = self.e.f
        varying = [(k, a) for k, a in enumerate(self.arrays) if a and a.walk != "b"]
        pointers = [a.element(f, rows[k], i) for k, a in varying]
        loaded = lanes.loads([a for _, a in varying], pointers)
        for (k, _), value in zip(varying, loaded, strict=True):
            self.body.values[self.shift + k] = value
        self.body.run(2)


def map_ir(name: str, outer: int, inputs, body, outputs, lanes: int, host) -> str:
    """The text of a map kernel; `outputs` are (value index, Stream) pairs."""
    module = Module()
    f = Function(module, name, ARGUMENTS)
    e = Emitter(f, lanes, host)
    words = Words(f)
    n, width, columns, height, rows = (words.take() for _ in range(5))
    sizes = [words.take() for _ in range(outer)]
    reader = Reader(words, e, inputs, body, outer)
    targets = [Array(words, stream, outer) for _, stream in outputs]
    reader.open_scalars(words)
    first = f.mul(f.rem("%chunk", columns), width)
    last = f.minimum(f.add(first, width), n)
    top = f.mul(f.div("%chunk", columns), height)
    with f.loop(top, f.minimum(f.add(top, height), rows)) as row:
        indices = unravel(f, row, sizes)
        sources = reader.open_row(indices)
        places = [t.row(f, indices) for t in targets]
        with f.loop(first, last, lanes) as i:
            left = f.sub(last, i)
            group = Lanes(e, f.compare("sge", left, lanes), left)
            reader.read(group, sources, i)
            pointers = [t.element(f, p, i) for t, p in zip(targets, places, strict=True)]
            made = [e.cast(reader.body.values[k], stream.dtype) for k, stream in outputs]
            group.stores(targets, pointers, made)
    f.close()
    return module.text()
