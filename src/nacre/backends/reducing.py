"""How a reduction becomes kernel calls: groups of dimensions from the last to the first.

Dimensions of size 1 are dropped, adjacent reduced ones merge, and each group is reduced by one
kernel (and one that adds the chunks, if it is long). A group that some operand cannot walk with
one stride is first stored in row-major order.
"""

from __future__ import annotations

from math import prod

from nacre.backends import plan, reductions
from nacre.backends.calls import (
    Operand,
    Plan,
    Recipe,
    kinds_of,
    scalar_places,
    spread,
)
from nacre.backends.cpu import target
from nacre.backends.loops import Stream, body_key, body_weight
from nacre.backends.mapping import plan_map
from nacre.backends.plan import walk
from nacre.backends.reductions import ARG, BLOCK, CHUNK, ROWS, chain_ir, last_ir, middle_ir
from nacre.base.dtypes import dtype
from nacre.base.shapes import contiguous_strides


def plan_reduce(kind: str, shape, dims, inputs, body, out: Operand) -> Recipe:
    """The calls that reduce the last value of (inputs, body) over `dims` into `out`."""
    recipe = Recipe()
    shape = tuple(shape)
    if 0 in out.shape:
        return recipe
    goal = len(inputs)
    if 0 in shape:
        value = reductions.identity(kind, out.dtype)
        body = (("const", (), out.dtype, (value,)),)
        recipe.calls.append((plan_map(out.shape, [], body, [(0, out)]), (goal,)))
        return recipe
    value = [*kinds_of(inputs), *[d for _, _, d, _ in body]][-1]
    axes = Axes(shape, dims)
    if kind in ARG and len(axes.groups) > 1:
        raise NotImplementedError(f"{kind} over dimensions that are not adjacent")
    source = Source(list(inputs), tuple(range(len(inputs))), body, value)
    reduction = _Reduction(recipe, kind, shape, out, goal)
    if axes.groups:
        reduction.run(axes, source)
    else:
        reduction.without_group(source)
    return recipe


class Source:
    """What is reduced: operands, what the recipe calls them, the body over them, its dtype."""

    def __init__(self, operands, names, body, value):
        self.operands = operands
        self.names = names
        self.body = body
        self.value = value

    def strides(self, shape):
        """The strides of each array as one of `shape`."""
        return [spread(x, shape) for x in self.operands if type(x) is Operand]


class _Reduction:
    """Plans the groups of one reduction."""

    def __init__(self, recipe: Recipe, kind: str, shape, out: Operand, goal: int):
        self.recipe = recipe
        self.kind = kind
        self.shape = shape
        self.out = out
        self.goal = goal
        self.host = target.host()

    def run(self, axes, source: Source) -> None:
        """Reduce group after group, from the last to the first."""
        self.acc = reductions.accumulator(self.kind, source.value, self.out.dtype)
        current = self.shape
        for k in range(len(axes.groups) - 1, -1, -1):
            group = axes.groups[k]
            last = axes.last and k == len(axes.groups) - 1
            strides = source.strides(current)
            steps = walkable(current, strides, group)
            if steps is None:
                source = self._stored(current, source)
                strides = source.strides(current)
                steps = walkable(current, strides, group)
            shape, current = current, tuple([1 if d in group else n for d, n in enumerate(current)])
            room = self._stage(shape, current, group, last, source, strides, steps, k == 0)
            source = Source([room], (room,), (), self.acc)

    def _stage(self, shape, after, group, last, source, strides, steps, final):
        """One group; returns where the result is, unless it is the output."""
        kept = [d for d, n in enumerate(after) if n != 1]
        sizes = [after[d] for d in kept]
        stage = Stage(self.kind, source, self.acc, self.host)
        length = prod([shape[d] for d in group])
        pieces = pieces_of(length, CHUNK if last else ROWS, self.kind)
        if final:
            strides_out = [
                s for n, s in zip(self.out.shape, self.out.strides, strict=True) if n != 1
            ]
            result = (self.goal, self.out.dtype, strides_out)
        else:
            room = self.recipe.room(self.acc, after)
            result = (room, self.acc, list(contiguous_strides(tuple(sizes))))
        first = result
        if pieces > 1:
            part = self.recipe.room(self.acc, (pieces, *sizes))
            first = (part, self.acc, list(contiguous_strides(tuple(sizes))))
        space = Space(shape, strides, kept, group, steps, prod(sizes))
        call = last_call if last else middle_call
        call(stage, self._maker(source.names, first[0]), space, first[1], first[2])
        if pieces > 1:
            make = self._maker((first[0],), result[0])
            chain_call(stage, make, sizes, pieces, result[1], result[2])
        return result[0]

    def _maker(self, names, goal):
        def make(key, factory, words, places, ins, chunks, work):
            where = scalar_places(words, places, ins)
            made = Plan(key, factory, words, where, chunks, work)
            self.recipe.calls.append((made, (*names, goal)))

        return make

    def _stored(self, shape, source: Source) -> Source:
        """The value to reduce in scratch memory, in row-major order."""
        room = self.recipe.room(source.value, shape)
        last = len(source.operands) + len(source.body) - 1
        made = plan_map(shape, source.operands, source.body, [(last, room)])
        self.recipe.calls.append((made, (*source.names, room)))
        return Source([room], (room,), (), source.value)

    def without_group(self, source: Source) -> None:
        """Every reduced dimension has one element: a map."""
        out = self.out
        if self.kind in ARG:
            body = (("const", (), out.dtype, (0,)),)
            made = plan_map(out.shape, [], body, [(0, out)])
            self.recipe.calls.append((made, (self.goal,)))
            return
        acc = reductions.accumulator(self.kind, source.value, out.dtype)
        last = len(source.operands) + len(source.body) - 1
        body = (*source.body, ("cast", (last,), acc, ()), ("cast", (last + 1,), out.dtype, ()))
        kept = iter([s for n, s in zip(out.shape, out.strides, strict=True) if n != 1])
        strides = tuple([0 if n == 1 else next(kept) for n in self.shape])
        full = Operand(out.slot, out.dtype, self.shape, strides, out.offset)
        made = plan_map(self.shape, source.operands, body, [(last + 2, full)])
        self.recipe.calls.append((made, (*source.names, self.goal)))


class Axes:
    """A shape without its dimensions of size 1: the kept ones, and groups of reduced ones."""

    def __init__(self, shape, dims):
        self.kept = [d for d in range(len(shape)) if d not in dims and shape[d] != 1]
        self.groups: list[list[int]] = []
        before = None
        for d, size in enumerate(shape):
            if size == 1:
                continue
            if d in dims:
                if before == "reduced":
                    self.groups[-1].append(d)
                else:
                    self.groups.append([d])
                before = "reduced"
            else:
                before = "kept"
        self.last = before == "reduced"


def walkable(shape, strides, group) -> list | None:
    """The one stride of each operand along a group of dimensions, None if there is none."""
    sizes = [shape[d] for d in group]
    merged, steps = plan.merge(sizes, [[s[d] for d in group] for s in strides])
    return [s[0] for s in steps] if len(merged) == 1 else None


def pieces_of(length: int, limit: int, kind: str) -> int:
    """In how many chunks a length is added up; those of max or any could be any number."""
    return 1 if kind in ARG else -(-length // limit)


class Stage:
    """One reduction of one group: what all its calls need."""

    def __init__(self, kind: str, source, acc: dtype, host):
        self.kind = kind
        self.inputs = source.operands
        self.body = source.body
        self.acc = acc
        self.host = host
        self.kinds = kinds_of(source.operands)
        self.weight = body_weight(self.kinds, source.body, host) + 4
        self.text = body_key(source.body)

    def streams(self, strides):
        """The structure of the inputs, given each array's inner stride."""
        following = iter(strides)
        return tuple(
            [
                Stream(x.dtype, walk(next(following))) if type(x) is Operand else x.kind
                for x in self.inputs
            ]
        )

    def key_of(self, ins) -> str:
        """The inputs and the body as text."""
        text = ",".join([s.key() if type(s) is Stream else s for s in ins])
        return f"{self.kind}:{self.acc.short}:{text}:{self.text}"


class Space:
    """Where a group is reduced: the shape, the strides of each array, kept dimensions, the reduced
    group and each array's step along it, the number of results."""

    def __init__(self, shape, strides, kept, group, steps, results):
        self.shape = shape
        self.strides = strides
        self.kept = kept
        self.steps = steps
        self.length = prod([shape[d] for d in group])
        self.results = results

    def collapsed(self, out_strides):
        """The kept dimensions merged: sizes, and strides by array and output."""
        strides = [[s[d] for d in self.kept] for s in self.strides]
        return plan.collapse([self.shape[d] for d in self.kept], [*strides, out_strides])


def last_call(stage: Stage, make, space: Space, out_dtype: dtype, out_strides) -> None:
    """The call of a `last` kernel; out_strides has one number for each kept dimension."""
    sizes, outer = space.collapsed(out_strides)
    n = space.length
    rows = prod(sizes)
    pieces = pieces_of(n, CHUNK, stage.kind)
    length = n if pieces == 1 else CHUNK
    jobs = rows * pieces
    height = max(1, plan.chunk_elements(stage.weight) // max(length, 64))
    words = [n, length, pieces, height, jobs, *sizes]
    ins = stage.streams(space.steps)
    places = []
    for s, step in zip(outer[:-1], space.steps, strict=True):
        places.append(len(words))
        words += [0, 0, step] if walk(step) == "s" else [0, 0]
        words += s
    target = len(words)
    words += [0, 0, *outer[-1], space.results]
    out = Stream(out_dtype, "c")
    key = f"last:{len(sizes)}:{int(pieces > 1)}:{stage.key_of(ins)}:{out.key()}"
    count = len(sizes)

    def factory(name):
        chunked = pieces > 1
        return last_ir(
            name, stage.kind, count, ins, stage.body, stage.acc, out, chunked, stage.host
        )

    work = rows * n * (stage.weight + 4) // 16 + 30 * rows + 500
    return make(key, factory, words, [*places, target], ins, -(-jobs // height), work)


def middle_call(stage: Stage, make, space: Space, out_dtype: dtype, out_strides) -> None:
    """The call of a `middle` kernel."""
    sizes, outer = space.collapsed(out_strides)
    n = sizes.pop()
    inner = [s[-1] for s in outer]
    outer = [s[:-1] for s in outer]
    count = space.length
    pieces = pieces_of(count, ROWS, stage.kind)
    length = count if pieces == 1 else ROWS
    columns = -(-n // BLOCK)
    jobs = prod(sizes) * pieces * columns
    height = max(1, plan.chunk_elements(stage.weight) // max(length * min(n, BLOCK), 64))
    words = [n, columns, count, length, pieces, height, jobs, *sizes]
    ins = stage.streams(inner[:-1])
    places = []
    for s, along, step in zip(outer[:-1], inner[:-1], space.steps, strict=True):
        places.append(len(words))
        words += [0, 0, along] if walk(along) == "s" else [0, 0]
        words += [*s, step]
    target = len(words)
    out = Stream(out_dtype, "c" if inner[-1] == 1 else "s")
    words += [0, 0, inner[-1]] if out.walk == "s" else [0, 0]
    words += [*outer[-1], space.results]
    widest = max([k.itemsize for k in stage.kinds] + [stage.acc.itemsize, 2])
    lanes = stage.host.vector_bytes // widest
    key = f"middle:{lanes}:{len(sizes)}:{stage.key_of(ins)}:{out.key()}"
    rank = len(sizes)

    def factory(name):
        return middle_ir(name, stage.kind, rank, ins, stage.body, stage.acc, out, lanes, stage.host)

    work = prod(sizes) * n * count * (stage.weight + 4) // 16 + 500
    return make(key, factory, words, [*places, target], ins, -(-jobs // height), work)


def chain_call(stage: Stage, make, sizes_kept, pieces, out_dtype, out_strides):
    """The call that adds the pieces, kept one after the other in scratch memory."""
    total = prod(sizes_kept)
    strides = [list(contiguous_strides(tuple(sizes_kept))), list(out_strides)]
    sizes, steps = plan.collapse(sizes_kept, strides)
    if not sizes:
        sizes, steps = [1], [[1], [1]]
    n, outer = sizes[-1], sizes[:-1]
    rows = prod(outer)
    weight = 2 * pieces
    width, columns, height, chunks = plan.grid(n, rows, plan.chunk_elements(weight))
    words = [n, width, columns, height, rows, pieces, total, *outer]
    streams = [Stream(stage.acc, walk(steps[0][-1])), Stream(out_dtype, walk(steps[1][-1]))]
    streams = [s if s.walk == "c" else Stream(s.dtype, "s") for s in streams]
    places = []
    for s, stream in zip(steps, streams, strict=True):
        places.append(len(words))
        words += [0, 0, s[-1]] if stream.walk == "s" else [0, 0]
        words += s[:-1]
    lanes = stage.host.vector_bytes // max(stage.acc.itemsize, out_dtype.itemsize, 2)
    acc, out = streams
    key = f"chain:{stage.kind}:{lanes}:{len(outer)}:{acc.key()}:{out.key()}"
    rank = len(outer)

    def factory(name):
        return chain_ir(name, stage.kind, rank, acc, out, lanes, stage.host)

    return make(key, factory, words, places, (acc,), chunks, total * pieces + 300)
