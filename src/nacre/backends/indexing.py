"""Gather and scatter: kernels that read or write where an index tensor says.

Indices are checked against [0, size); the first bad one that a chunk meets goes to tab[1] and
stops the program. Two forms: by row, where the index does not vary along the innermost dimension
(an embedding), and by element.
"""

from __future__ import annotations

from math import prod

from nacre.backends import plan
from nacre.backends.calls import Calls, Kernel, Operand, keep, known
from nacre.backends.cpu import target
from nacre.backends.emit import Emitter, Val
from nacre.backends.ir_text import Function, Module
from nacre.backends.loops import ARGUMENTS, Array, Lanes, Stream, Words, unravel
from nacre.backends.plan import spread
from nacre.base.dtypes import bool_, int8, int16, int32, int64

RAW = {1: int8, 2: int16, 4: int32, 8: int64}
LIGHT = 6


def plan_gather(calls: Calls, shape, source: Operand, index: Operand, dim: int, out: Operand):
    """Append the call for out[i] = source[.., index[i], ..]."""
    if 0 in shape:
        return
    strides = [_without(source, dim, shape), spread(index, shape), spread(out, shape)]
    space = plan.collapse(shape, strides)
    _add(calls, "gather", space, (source, index, out), source.shape[dim], source.strides[dim])


def plan_scatter(calls: Calls, mode: str, index: Operand, value: Operand, dim: int, out: Operand):
    """Append the call for out[.., index[i], ..] = or += value[i]."""
    shape = index.shape
    if 0 in shape:
        return
    strides = [_without(out, dim, shape), spread(index, shape), spread(value, shape)]
    space = plan.collapse(shape, strides)
    _add(calls, mode, space, (out, index, value), out.shape[dim], out.strides[dim])


def _without(x: Operand, dim: int, shape) -> tuple:
    """The strides of the indexed operand with none along `dim`."""
    strides = list(x.strides)
    strides[dim] = 0
    return tuple(
        0 if size == 1 and wanted != 1 else s
        for s, size, wanted in zip(strides, x.shape, shape, strict=True)
    )


def _add(calls: Calls, mode: str, space, operands, along: int, step: int) -> None:
    """The call of one gather ('gather') or scatter ('set', 'add'); the operands are the indexed
    array, the index, and the other one."""
    sizes, strides = space
    n, outer = sizes[-1], sizes[:-1]
    rows = prod(outer)
    by_row = strides[1][-1] == 0 and strides[0][-1] != 0 and n > 1
    near = tuple([by_row and s[-1] == 1 for s in strides])
    key = (mode, by_row, len(outer), *[x.dtype for x in operands], *near)
    kernel = known(key) or keep(key, _kernel(mode, by_row, len(outer), operands, near))
    width, columns, height, chunks = plan.grid(n, rows, kernel.chunk)
    if mode != "gather":
        height = rows
        width = max(512, -(-n // 64)) if by_row else n
        columns = chunks = -(-n // width)
    words = [n, width, columns, height, rows, along, step, *outer]
    for x, s, contiguous in zip(operands, strides, near, strict=True):
        words += (x.slot, x.offset)
        if not contiguous:
            words.append(s[-1])
        words += s[:-1]
    calls.add(kernel, chunks, words, rows * n + 500)


def _kernel(mode: str, by_row: bool, rank: int, operands, near) -> Kernel:
    host = target.host()
    streams = []
    for x, contiguous in zip(operands, near, strict=True):
        as_is = mode == "add" or x is operands[1]
        kind = x.dtype if as_is else RAW[x.dtype.itemsize]
        streams.append(Stream(kind, "c" if contiguous else "s"))

    def factory(name):
        return index_ir(name, mode, by_row, rank, streams, host)

    text = ",".join([s.key() for s in streams])
    key = f"{mode}:{'row' if by_row else 'element'}:{rank}:{text}"
    return Kernel(key, factory, chunk=plan.chunk_elements(LIGHT))


def index_ir(name: str, mode: str, by_row: bool, outer: int, streams, host) -> str:
    """The text of a gather or scatter kernel. desc: n, width, columns, height, rows (as in a
    map), size and stride of the indexed dimension, outer sizes, the operands."""
    module = Module()
    f = Function(module, name, ARGUMENTS)
    words = Words(f)
    n, width, columns, height, rows, along, step = (words.take() for _ in range(7))
    sizes = [words.take() for _ in range(outer)]
    arrays = [Array(words, s, outer) for s in streams]
    first = f.mul(f.rem("%chunk", columns), width)
    last = f.minimum(f.add(first, width), n)
    top = f.mul(f.div("%chunk", columns), height)
    lanes = 2 * host.lanes(max(streams[0].dtype.itemsize, 2)) if by_row else 1
    e = Emitter(f, lanes, host)
    work = _move_row if by_row else _move_elements
    with f.loop(top, f.minimum(f.add(top, height), rows)) as row:
        indices = unravel(f, row, sizes)
        work(e, mode, arrays, [a.row(f, indices) for a in arrays], (first, last), (along, step))
    f.close()
    return module.text()


def _index(e: Emitter, array: Array, pointer: str) -> str:
    f = e.f
    found = f.load(array.item, pointer, array.kind.itemsize)
    return found if array.kind is int64 else f.value(f"sext {array.item} {found} to i64")


def _checked(f: Function, index: str, along: str):
    """Opens `if index is good:` and, before it, reports a bad one."""
    with f.when(f.compare("uge", index, along)):
        f.store("i64", index, f.at("%tab", 1), 8)
        f.store("i64", 1, "%tab", 8)
    return f.when(f.compare("ult", index, along))


def _move_row(e, mode, arrays, rows, span, indexed):
    f = e.f
    place = _index(e, arrays[1], rows[1])
    with _checked(f, place, indexed[0]):
        there = f.at(rows[0], f.mul(place, indexed[1]), arrays[0].item)
        with f.loop(span[0], span[1], e.lanes) as i:
            left = f.sub(span[1], i)
            group = Lanes(e, f.compare("sge", left, e.lanes), left)
            far, near = arrays[0].element(f, there, i), arrays[2].element(f, rows[2], i)
            if mode == "gather":
                group.stores([arrays[2]], [near], group.loads([arrays[0]], [far]))
            elif mode == "set":
                group.stores([arrays[0]], [far], group.loads([arrays[2]], [near]))
            else:
                old, new = group.loads([arrays[0], arrays[2]], [far, near])
                group.stores([arrays[0]], [far], [_sum(e, old, new)])


def _move_elements(e, mode, arrays, rows, span, indexed):
    f = e.f
    with f.loop(span[0], span[1]) as i:
        place = _index(e, arrays[1], arrays[1].element(f, rows[1], i))
        with _checked(f, place, indexed[0]):
            far = arrays[0].element(f, rows[0], i)
            far = f.at(far, f.mul(place, indexed[1]), arrays[0].item)
            near = arrays[2].element(f, rows[2], i)
            if mode == "gather":
                e.store(near, e.load(far, arrays[0].kind))
            elif mode == "set":
                e.store(far, e.load(near, arrays[2].kind))
            else:
                old, new = e.load(far, arrays[0].kind), e.load(near, arrays[2].kind)
                e.store(far, _sum(e, old, new))


def _sum(e: Emitter, a: Val, b: Val) -> Val:
    return e.or_(a, b) if a.dtype is bool_ else e.add(a, b)
