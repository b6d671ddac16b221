"""How a map becomes a kernel call."""

from __future__ import annotations

from math import prod

from nacre.backends import plan
from nacre.backends.calls import (
    Calls,
    Kernel,
    Operand,
    exactly,
    keep,
    kinds_of,
    known,
    lanes_for,
)
from nacre.backends.cpu import target
from nacre.backends.loops import Stream, body_key, body_weight, map_ir
from nacre.backends.plan import spread


def plan_map(calls: Calls, shape: tuple, inputs, body: tuple, outputs) -> None:
    """Append the call that computes `body` for every element (see ProgramBuilder.map)."""
    if 0 in shape:
        return
    strides = outputs[-1][1].strides
    alike = True
    structure: list = ["map", exactly(body)]
    words: list = []
    scalars = []
    for x in inputs:
        if type(x) is Operand:
            structure.append(x.dtype)
            words.append(x.slot)
            words.append(x.offset)
            if x.strides != strides or x.shape != shape:
                alike = False
        else:
            structure.append(x.kind)
            scalars.append(x.slot)
    for i, x in outputs:
        structure.append(i)
        structure.append(x.dtype)
        words.append(x.slot)
        words.append(x.offset)
        if x.strides != strides:
            alike = False
    n = plan.dense(shape, strides) if alike else 0
    if not n:
        _nested(calls, shape, inputs, body, outputs, structure, scalars)
        return
    # All arrays lie in memory as the output does: one loop over it.
    key = tuple(structure)
    kernel = known(key)
    if kernel is None:
        kernel = keep(key, _kernel(inputs, body, outputs, 0, [1] * (len(words) // 2)))
    width = kernel.chunk
    if n <= width:
        words = [n, n, 1, 1, 1, *words, *scalars]
        calls.add(kernel, 1, words, n * (kernel.weight + 4) // 16 + 500)
    else:
        columns = -(-n // width)
        words = [n, width, columns, 1, 1, *words, *scalars]
        calls.add(kernel, columns, words, n * (kernel.weight + 4) // 16 + 500)


def _nested(calls: Calls, shape, inputs, body, outputs, structure: list, scalars) -> None:
    """The call for arrays that are walked in several loops, or not alike."""
    arrays = [x for x in inputs if type(x) is Operand]
    read = len(arrays)
    arrays += [x for _, x in outputs]
    sizes, strides = plan.collapse(shape, [spread(x, shape) for x in arrays])
    if sizes[-1] < plan.SHORT and len(sizes) > 1:
        sizes, strides = plan.lengthen(sizes, strides)
    structure.append(len(sizes))
    strided = False
    for s in strides:
        inner = s[-1]
        if inner != 0 and inner != 1:
            inner = 2
            strided = True
        structure.append(inner)
    key = tuple(structure)
    kernel = known(key)
    if kernel is None:
        walks = structure[-len(arrays) :]
        kernel = keep(key, _kernel(inputs, body, outputs, len(sizes) - 1, walks))
    n = total = sizes[-1]
    if len(sizes) == 1:
        width, columns, height, chunks = plan.grid(n, 1, kernel.chunk)
        words = [n, width, columns, height, 1]
    else:
        outer = sizes[:-1]
        rows = prod(outer)
        total *= rows
        if strided and plan.tiled(sizes, strides):
            width = height = plan.TILE
            columns = -(-n // width)
            chunks = columns * -(-rows // height)
        else:
            width, columns, height, chunks = plan.grid(n, rows, kernel.chunk)
        words = [n, width, columns, height, rows, *outer]
    for x, s in zip(arrays, strides, strict=True):
        words.append(x.slot)
        words.append(x.offset)
        inner = s.pop()
        if inner != 1 and (inner != 0 or read <= 0):
            words.append(inner)
        words += s
        read -= 1
    words += scalars
    calls.add(kernel, chunks, words, total * (kernel.weight + 4) // 16 + 500)


def _kernel(inputs, body, outputs, outer: int, walks) -> Kernel:
    """The kernel of a structure; `walks` has 0, 1 or 2 for each array."""
    host = target.host()
    kinds = kinds_of(inputs)
    weight = body_weight(kinds, body, host)
    following = iter(["bcs"[w] for w in walks])
    ins: tuple[Stream | str, ...] = tuple(
        [Stream(x.dtype, next(following)) if type(x) is Operand else x.kind for x in inputs]
    )
    outs = tuple([(i, Stream(x.dtype, "c" if next(following) == "c" else "s")) for i, x in outputs])
    written = [out for _, _, out, _ in body] + [stream.dtype for _, stream in outs]
    # A gather is many instructions for each lane: one register of them is enough.
    gathers = 2 in walks
    lanes = lanes_for([*kinds, *written], weight + 16 * gathers)
    text = ",".join([s.key() if isinstance(s, Stream) else s for s in ins])
    out_text = ",".join([f"{i}{s.key()}" for i, s in outs])
    key = f"map:{lanes}:{outer}:{text}:{body_key(body)}:{out_text}"

    def factory(name):
        return map_ir(name, outer, ins, body, outs, lanes, host)

    return Kernel(key, factory, weight, plan.chunk_elements(weight))
