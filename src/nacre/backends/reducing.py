"""How a reduction becomes kernel calls: groups of dimensions from the last to the first."""

from __future__ import annotations

from math import prod

from nacre.backends import plan, reductions
from nacre.backends.loops import SCALARS, Stream, body_key, body_weight
from nacre.backends.plan import walk
from nacre.backends.reductions import ARG, BLOCK, CHUNK, ROWS, accumulator, chain_ir, last_ir, middle_ir
from nacre.base.shapes import contiguous_strides


class Axes:
    """A shape without its dimensions of size 1, cut into kept dimensions and merged reduced groups."""

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
    """One reduction of one group: what its kernel call needs."""

    def __init__(self, kind, inputs, body, acc, value, host):
        self.kind = kind
        self.inputs = inputs
        self.body = body
        self.acc = acc
        self.host = host
        kinds = tuple([x.dtype if hasattr(x, "dtype") else SCALARS[x.kind] for x in inputs])
        self.kinds = kinds
        self.weight = body_weight(kinds, body, host) + 4
        self.text = body_key(body)

    def streams(self, strides):
        """The structure of the inputs, given each array's inner stride."""
        following = iter(strides)
        return tuple(
            [
                Stream(x.dtype, walk(next(following))) if hasattr(x, "dtype") else x.kind
                for x in self.inputs
            ]
        )

    def key_of(self, ins) -> str:
        """The inputs and the body as text."""
        text = ",".join([s.key() if type(s) is Stream else s for s in ins])
        return f"{self.kind}:{self.acc.short}:{text}:{self.text}"


def last_call(stage: Stage, make, shape, strides, kept, group, steps, out_dtype, out_strides, by_piece):
    """The call of a `last` kernel; strides has one tuple for each array, out_strides one by kept dim."""
    sizes, outer = plan.collapse(
        [shape[d] for d in kept], [*[[s[d] for d in kept] for s in strides], out_strides]
    )
    n = prod(shape[d] for d in group)
    rows = prod(sizes)
    pieces = pieces_of(n, CHUNK, stage.kind)
    length = n if pieces == 1 else CHUNK
    jobs = rows * pieces
    height = max(1, plan.chunk_elements(stage.weight) // max(length, 64))
    words = [n, length, pieces, height, jobs, *sizes]
    ins = stage.streams(steps)
    places = []
    for s, step in zip(outer[:-1], steps, strict=True):
        places.append(len(words))
        words += [0, 0, step] if walk(step) == "s" else [0, 0]
        words += s
    target = len(words)
    words += [0, 0, *outer[-1], by_piece]
    out = Stream(out_dtype, "c")
    key = f"last:{len(sizes)}:{int(pieces > 1)}:{stage.key_of(ins)}:{out.key()}"
    count = len(sizes)

    def factory(name):
        chunked = pieces > 1
        return last_ir(name, stage.kind, count, ins, stage.body, stage.acc, out, chunked, stage.host)

    work = rows * n * (stage.weight + 4) // 16 + 30 * rows + 500
    return make(key, factory, words, places, target, ins, -(-jobs // height), work)


def middle_call(stage: Stage, make, shape, strides, kept, group, steps, out_dtype, out_strides, by_piece):
    """The call of a `middle` kernel."""
    sizes, outer = plan.collapse(
        [shape[d] for d in kept], [*[[s[d] for d in kept] for s in strides], out_strides]
    )
    n = sizes.pop()
    inner = [s[-1] for s in outer]
    outer = [s[:-1] for s in outer]
    count = prod(shape[d] for d in group)
    pieces = pieces_of(count, ROWS, stage.kind)
    length = count if pieces == 1 else ROWS
    columns = -(-n // BLOCK)
    jobs = prod(sizes) * pieces * columns
    height = max(1, plan.chunk_elements(stage.weight) // max(length * min(n, BLOCK), 64))
    words = [n, columns, count, length, pieces, height, jobs, *sizes]
    ins = stage.streams(inner[:-1])
    places = []
    for s, along, step in zip(outer[:-1], inner[:-1], steps, strict=True):
        places.append(len(words))
        words += [0, 0, along] if walk(along) == "s" else [0, 0]
        words += [*s, step]
    target = len(words)
    out = Stream(out_dtype, "c" if inner[-1] == 1 else "s")
    words += [0, 0, inner[-1]] if out.walk == "s" else [0, 0]
    words += [*outer[-1], by_piece]
    widest = max([k.itemsize for k in stage.kinds] + [stage.acc.itemsize, 2])
    lanes = stage.host.vector_bytes // widest
    key = f"middle:{lanes}:{len(sizes)}:{stage.key_of(ins)}:{out.key()}"
    rank = len(sizes)

    def factory(name):
        return middle_ir(
            name, stage.kind, rank, ins, stage.body, stage.acc, out, lanes, stage.host
        )

    work = prod(sizes) * n * count * (stage.weight + 4) // 16 + 500
    return make(key, factory, words, places, target, ins, -(-jobs // height), work)


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

    return make(key, factory, words, places[:1], places[1], (acc,), chunks, total * pieces + 300)


__all__ = ["Axes", "Stage", "accumulator", "chain_call", "last_call", "middle_call", "reductions"]
