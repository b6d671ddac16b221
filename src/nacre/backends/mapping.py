"""How a map becomes a kernel call."""

from __future__ import annotations

from nacre.backends import plan
from nacre.backends.calls import (
    Operand,
    Plan,
    array_places,
    kinds_of,
    lanes_for,
    scalar_places,
    spread,
)
from nacre.backends.cpu import target
from nacre.backends.loops import Stream, body_key, body_weight, map_ir


def plan_map(shape, inputs, body, outputs):
    if 0 in shape:
        return None
    host = target.host()
    arrays = [x for x in inputs if type(x) is Operand] + [x for _, x in outputs]
    sizes, strides = plan.collapse(shape, [spread(x, shape) for x in arrays])
    if not sizes:
        sizes, strides = [1], [[1] for _ in arrays]
    sizes, strides = plan.lengthen(sizes, strides)
    kinds = kinds_of(inputs)
    weight = body_weight(kinds, body, host)
    streams = [Stream(x.dtype, plan.walk(s[-1])) for x, s in zip(arrays, strides, strict=True)]
    outs = tuple(
        (i, Stream(x.dtype, "c" if s.walk == "c" else "s"))
        for (i, x), s in zip(outputs, streams[len(streams) - len(outputs) :], strict=True)
    )
    ins = []
    following = iter(streams)
    for x in inputs:
        ins.append(next(following) if type(x) is Operand else x.kind)
    n, outer = sizes[-1], sizes[:-1]
    rows = 1
    for size in outer:
        rows *= size
    width, columns, height, chunks = plan.grid(n, rows, plan.chunk_elements(weight))
    if plan.tiled(sizes, strides):
        width, height = plan.TILE, plan.TILE
        columns = -(-n // width)
        chunks = columns * -(-rows // height)
    words = [n, width, columns, height, rows, *outer]
    places = array_places(
        words, strides, [*[s for s in ins if type(s) is Stream], *[s for _, s in outs]]
    )
    places = scalar_places(words, places, ins)
    all_kinds = [*kinds, *[out for _, _, out, _ in body], *[x.dtype for x in arrays]]
    # A gather is many instructions for each lane: one register of them is enough.
    gathers = any(s.walk == "s" for s in streams)
    lanes = lanes_for(all_kinds, weight + 16 * gathers)
    text = ",".join([s.key() if type(s) is Stream else s for s in ins])
    out_text = ",".join([f"{i}{s.key()}" for i, s in outs])
    key = f"map:{lanes}:{len(outer)}:{text}:{body_key(body)}:{out_text}"
    ins = tuple(ins)

    def factory(name):
        return map_ir(name, len(outer), ins, body, outs, lanes, host)

    return Plan(key, factory, words, places, chunks, n * rows * (weight + 4) // 16 + 500)
