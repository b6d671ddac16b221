"""How a reduction becomes kernel calls: groups of dimensions from the last to the first.

Dimensions of size 1 are dropped, adjacent reduced ones merge, and each group is reduced by one
kernel (and one that adds the chunks, if it is long). A group that some operand cannot walk with
one stride is first stored in row-major order.
"""

from __future__ import annotations

from math import prod

from nacre.backends import plan
from nacre.backends.calls import (
    STORED,
    Calls,
    Kernel,
    Operand,
    exactly,
    keep,
    kinds_of,
    known,
    put,
)
from nacre.backends.cpu import target
from nacre.backends.loops import SCALARS, Stream, body_key, body_weight
from nacre.backends.mapping import plan_map
from nacre.backends.plan import spread
from nacre.backends.reductions import (
    ARG,
    BLOCK,
    CHUNK,
    ROWS,
    accumulator,
    chain_ir,
    identity,
    last_ir,
    middle_ir,
)
from nacre.base.dtypes import dtype


def plan_reduce(calls: Calls, kind: str, shape: tuple, dims, inputs, body: tuple, out: Operand):
    """Append the calls that reduce the last value of (inputs, body) over `dims` into `out`."""
    if 0 in out.shape:
        return
    if 0 in shape:
        _fill(calls, out, identity(kind, out.dtype))
        return
    kept, groups, last = axes(shape, dims)
    if not groups:
        _without_group(calls, kind, shape, inputs, body, out)
        return
    if len(groups) > 1 and kind in ARG:
        raise NotImplementedError(f"{kind} over dimensions that are not adjacent")
    if body:
        value = body[-1][2]
    else:
        x = inputs[-1]
        value = x.dtype if type(x) is Operand else SCALARS[x.kind]
    acc = accumulator(kind, value, out.dtype)
    while True:
        group = groups.pop()
        strides = [spread(x, shape) for x in inputs if type(x) is Operand]
        steps = walkable(shape, strides, group)
        if steps is None:
            inputs, body = [_stored(calls, shape, inputs, body, value)], ()
            strides = [inputs[0].strides]
            steps = walkable(shape, strides, group)
        stage = Stage(kind, inputs, body, acc, shape, strides, group, steps, last)
        if not groups:
            places = [s for n, s in zip(out.shape, out.strides, strict=True) if n != 1]
            stage.add(calls, out, kept, places)
            return
        shape = tuple([1 if d in group else n for d, n in enumerate(shape)])
        room = calls.room(acc, shape)
        left = [d for d, n in enumerate(shape) if n != 1]
        stage.add(calls, room, left, [room.strides[d] for d in left])
        inputs, body, last, value = [room], (), False, acc


def axes(shape, dims):
    """Of the dimensions that are not 1: those kept, the groups of adjacent reduced ones, and
    whether the last one is reduced."""
    kept: list[int] = []
    groups: list[list[int]] = []
    inside = False
    for d, size in enumerate(shape):
        if size == 1:
            continue
        if d not in dims:
            kept.append(d)
            inside = False
        elif inside:
            groups[-1].append(d)
        else:
            groups.append([d])
            inside = True
    return kept, groups, inside


def walkable(shape, strides, group) -> list | None:
    """The one stride of each operand along a group of dimensions, None if there is none."""
    d = group[-1]
    for a in group[-2::-1]:
        size = shape[d]
        for s in strides:
            if s[a] != s[d] * size:
                return None
        d = a
    d = group[-1]
    return [s[d] for s in strides]


def _fill(calls: Calls, out: Operand, value) -> None:
    plan_map(calls, out.shape, (), (("const", (), out.dtype, (value,)),), ((0, out),))


def _stored(calls: Calls, shape, inputs, body, value: dtype) -> Operand:
    """The value to reduce in scratch memory, in row-major order."""
    room = calls.room(value, shape)
    plan_map(calls, shape, inputs, body, ((len(inputs) + len(body) - 1, room),))
    return room


def _without_group(calls: Calls, kind: str, shape, inputs, body, out: Operand) -> None:
    """Every reduced dimension has one element: a map."""
    if kind in ARG:
        _fill(calls, out, 0)
        return
    value = [*kinds_of(inputs), *[d for _, _, d, _ in body]][-1]
    acc = accumulator(kind, value, out.dtype)
    last = len(inputs) + len(body) - 1
    body = (*body, ("cast", (last,), acc, ()), ("cast", (last + 1,), out.dtype, ()))
    kept = iter([s for n, s in zip(out.shape, out.strides, strict=True) if n != 1])
    strides = tuple([0 if n == 1 else next(kept) for n in shape])
    full = Operand(out.slot, out.dtype, shape, strides, out.offset)
    plan_map(calls, shape, inputs, body, ((last + 2, full),))


class Stage:
    """The reduction of one group: `strides` and `steps` (along the group) by array, `last` if the
    group ends with the last dimension."""

    __slots__ = ("acc", "body", "inputs", "kind", "last", "length", "shape", "steps", "strides")

    def __init__(self, kind, inputs, body, acc: dtype, shape, strides, group, steps, last: bool):
        self.kind = kind
        self.inputs = inputs
        self.body = body
        self.acc = acc
        self.shape = shape
        self.strides = strides
        self.steps = steps
        self.last = last
        length = 1
        for d in group:
            length *= shape[d]
        self.length = length

    def add(self, calls: Calls, goal: Operand, kept, places) -> None:
        """Append the calls; `places` are the strides of the result along the kept dimensions."""
        limit = CHUNK if self.last else ROWS
        # Chunks of the arg kinds and of max could be any number: the order does not matter.
        pieces = 1 if self.kind in ARG else -(-self.length // limit)
        call = self._last if self.last else self._middle
        if pieces == 1:
            call(calls, goal, 1, kept, places)
            return
        sizes = [self.shape[d] for d in kept]
        part = calls.room(self.acc, (pieces, *sizes))
        between = list(part.strides[1:])
        call(calls, part, pieces, kept, between)
        chain(calls, self.kind, part, goal, sizes, between, places)

    def _loops(self, kept, places):
        """The kept dimensions merged: sizes, and strides by array and output."""
        if not kept:
            return [], [[] for _ in range(len(self.strides) + 1)]
        shape = self.shape
        if len(kept) == 1:
            d = kept[0]
            strides = [[s[d]] for s in self.strides]
            strides.append([places[0]])
            return [shape[d]], strides
        strides = [[s[d] for d in kept] for s in self.strides]
        strides.append([*places])
        return plan.nest([shape[d] for d in kept], strides)

    def _structure(self, form: str, goal: Operand, rank: int, walks) -> tuple:
        """What the kernel depends on; `walks` are inner strides and what else there is."""
        structure = [form, self.kind, exactly(self.body), self.acc, goal.dtype, rank]
        for x in self.inputs:
            structure.append(x.dtype if type(x) is Operand else x.kind)
        for step in walks:
            structure.append(step if step == 0 or step == 1 else 2)
        return tuple(structure)

    def _arrays(self, words: list, outer, inner) -> list:
        """Append the words of the arrays; returns the slots of the scalars."""
        scalars = []
        number = 0
        for x in self.inputs:
            if type(x) is Operand:
                words.append(x.slot)
                words.append(x.offset)
                step = inner[number]
                if step != 0 and step != 1:
                    words.append(step)
                words += outer[number]
                number += 1
            else:
                scalars.append(x.slot)
        return scalars

    def _last(self, calls: Calls, goal: Operand, pieces: int, kept, places) -> None:
        """The call of a `last` kernel."""
        sizes, outer = self._loops(kept, places)
        several = pieces > 1
        key = self._structure("last several" if several else "last", goal, len(sizes), self.steps)
        kernel = known(key) or keep(key, self._last_kernel(goal.dtype, len(sizes), several))
        n = self.length
        rows = 1
        for size in sizes:
            rows *= size
        length = CHUNK if several else n
        jobs = rows * pieces
        height = (kernel.chunk // (length if length > 64 else 64) or 1) if jobs > 1 else 1
        words = [n, length, pieces, height, jobs, *sizes]
        scalars = self._arrays(words, outer, self.steps)
        words += (goal.slot, goal.offset, *outer[-1], rows, *scalars)
        work = rows * n * (kernel.weight + 4) // 16 + 30 * rows + 500
        calls.add(kernel, -(-jobs // height), words, work)

    def _middle(self, calls: Calls, goal: Operand, pieces: int, kept, places) -> None:
        """The call of a `middle` kernel."""
        sizes, outer = self._loops(kept, places)
        n = sizes.pop()
        inner = [s.pop() for s in outer]
        key = self._structure("middle", goal, len(sizes), inner)
        kernel = known(key) or keep(key, self._middle_kernel(goal.dtype, len(sizes), inner))
        count = self.length
        length = count if pieces == 1 else ROWS
        columns = -(-n // BLOCK)
        rows = 1
        for size in sizes:
            rows *= size
        jobs = rows * pieces * columns
        height = (kernel.chunk // max(length * min(n, BLOCK), 64) or 1) if jobs > 1 else 1
        words = [n, columns, count, length, pieces, height, jobs, *sizes]
        for s, step in zip(outer, self.steps, strict=False):
            s.append(step)
        scalars = self._arrays(words, outer, inner)
        words.append(goal.slot)
        words.append(goal.offset)
        if inner[-1] != 1:
            words.append(inner[-1])
        words += (*outer[-1], rows * n, *scalars)
        work = rows * n * count * (kernel.weight + 4) // 16 + 500
        calls.add(kernel, -(-jobs // height), words, work)

    # ---- kernels ----
    def _streams(self, inner):
        """The structure of the inputs, given each array's inner stride."""
        following = iter(inner)
        return tuple(
            [
                Stream(x.dtype, plan.walk(next(following))) if type(x) is Operand else x.kind
                for x in self.inputs
            ]
        )

    def _text(self, ins, out: Stream) -> str:
        text = ",".join([s.key() if type(s) is Stream else s for s in ins])
        return f"{self.kind}:{self.acc.short}:{text}:{body_key(self.body)}:{out.key()}"

    def _weight(self, host) -> int:
        return body_weight(kinds_of(self.inputs), self.body, host) + 4

    def _last_kernel(self, goal: dtype, rank: int, chunked: bool) -> Kernel:
        host = target.host()
        ins, out = self._streams(self.steps), Stream(goal, "c")
        kind, body, acc = self.kind, self.body, self.acc
        weight = self._weight(host)

        def factory(name):
            return last_ir(name, kind, rank, ins, body, acc, out, chunked, host)

        key = f"last:{rank}:{int(chunked)}:{self._text(ins, out)}"
        return Kernel(key, factory, weight, plan.chunk_elements(weight))

    def _middle_kernel(self, goal: dtype, rank: int, inner) -> Kernel:
        host = target.host()
        ins, out = self._streams(inner[:-1]), Stream(goal, "c" if inner[-1] == 1 else "s")
        kind, body, acc = self.kind, self.body, self.acc
        weight = self._weight(host)
        widest = max([k.itemsize for k in kinds_of(self.inputs)] + [acc.itemsize, 2])
        lanes = host.vector_bytes // widest

        def factory(name):
            return middle_ir(name, kind, rank, ins, body, acc, out, lanes, host)

        key = f"middle:{lanes}:{rank}:{self._text(ins, out)}"
        return Kernel(key, factory, weight, plan.chunk_elements(weight))


def chain(calls: Calls, kind: str, part: Operand, goal: Operand, sizes, between, places) -> None:
    """Append the call that adds the pieces, kept one after the other in scratch memory."""
    pieces = part.shape[0]
    total = prod(sizes)
    sizes, strides = plan.collapse(sizes, [between, places])
    n, outer = sizes[-1], sizes[:-1]
    contiguous = tuple([s[-1] == 1 for s in strides])
    key = ("chain", kind, part.dtype, goal.dtype, len(outer), contiguous)
    kernel = known(key)
    if kernel is None:
        kernel = keep(key, _chain_kernel(kind, part.dtype, goal.dtype, len(outer), contiguous))
    rows = prod(outer)
    target_ = plan.chunk_elements(2 * pieces)
    width, columns, height, chunks = plan.grid(n, rows, target_)
    words = [n, width, columns, height, rows, pieces, total, *outer]
    put(words, part, strides[0], STORED)
    put(words, goal, strides[1], STORED)
    calls.add(kernel, chunks, words, total * pieces + 300)


def _chain_kernel(kind: str, acc: dtype, goal: dtype, rank: int, contiguous) -> Kernel:
    host = target.host()
    lanes = host.vector_bytes // max(acc.itemsize, goal.itemsize, 2)
    source, out = (
        Stream(d, "c" if near else "s") for d, near in zip((acc, goal), contiguous, strict=True)
    )

    def factory(name):
        return chain_ir(name, kind, rank, source, out, lanes, host)

    return Kernel(f"chain:{kind}:{lanes}:{rank}:{source.key()}:{out.key()}", factory)
