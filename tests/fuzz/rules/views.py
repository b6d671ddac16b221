"""Statements that make aliases: views of every kind, detach, .data, the same object twice."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import Var, contiguous
from ..writer import Gen, rule


def basic_key(g: Gen, v: Var) -> tuple[str, tuple]:
    """A key of integers, slices, None and an ellipsis: its text and its meaning."""
    texts: list[str] = []
    keys: list = []
    count = g.r.between(1, v.ndim)
    if g.r.chance(0.1):
        texts.append("None")
        keys.append(None)
    if g.r.chance(0.15):
        texts.append("...")
        keys.append(Ellipsis)
        dims = range(v.ndim - count, v.ndim)
    else:
        dims = range(count)
    for d in dims:
        text, key = axis_key(g, v.shape[d])
        texts.append(text)
        keys.append(key)
    return ", ".join(texts), tuple(keys)


def axis_key(g: Gen, n: int) -> tuple[str, int | slice]:
    """An integer or a slice along an axis of n elements."""
    if n and g.r.chance(0.45):
        i = g.r.below(2 * n) - n
        if g.in_loop and n > 1 and g.r.chance(0.15):  # not known to the model: used for reads only
            return str(i), i
        return str(i), i
    form = g.r.below(6)
    a = g.r.between(0, n)
    b = g.r.between(min(a, n), n) if g.r.chance(0.85) else n + 2
    choices = [
        (":", slice(None)),
        (f"{a}:", slice(a, None)),
        (f":{max(1, b)}", slice(None, max(1, b))),
        (f"{min(a, max(0, n - 1))}:{b + 1}", slice(min(a, max(0, n - 1)), b + 1)),
        ("::2", slice(None, None, 2)),
        ("1::2" if n > 1 else ":", slice(1, None, 2) if n > 1 else slice(None)),
    ]
    return choices[form]


def factor_shape(g: Gen, n: int) -> tuple[int, ...]:
    """A shape of n elements."""
    shape: list[int] = []
    rest = n
    while rest > 1 and len(shape) < 3:
        divisors = [d for d in range(2, rest + 1) if rest % d == 0]
        d = g.r.pick(divisors)
        shape.append(d)
        rest //= d
    shape += [rest] if rest > 1 else []
    if g.r.chance(0.15):
        shape.insert(g.r.below(len(shape) + 1), 1)
    return tuple(shape) if shape else (1,)


def aliased(v: Var, idx: np.ndarray, sure: bool | None = None) -> Var:
    """A view of v with those positions."""
    return replace(
        v,
        idx=idx,
        sure=v.sure if sure is None else sure,
        keep=False,
        leaf=not v.rg,
        view=True,
        leaf_view=v.leaf_view or (v.leaf and v.rg),
    )


def view_step(g: Gen, v: Var) -> tuple[str, Var] | None:
    """Text to append to an expression of v, and the view it makes."""
    idx = v.idx
    kind = g.r.weighted(STEP_KINDS, STEP_WEIGHTS)
    if kind == "key" and v.ndim:
        text, key = basic_key(g, v)
        return f"[{text}]", aliased(v, idx[key])
    if kind == "whole":
        return "[...]" if g.r.chance(0.5) or not v.ndim else "[:]", aliased(v, idx[...])
    if kind == "turn" and v.ndim > 1:
        return turned(g, v)
    if kind == "reshape" and v.size and v.sure:
        return reshaped(g, v)
    if kind == "squeeze":
        return squeezed(g, v)
    if kind == "select" and v.ndim:
        return selected(g, v)
    if kind == "diagonal" and v.ndim > 1:
        if v.ndim == 2:
            k = g.r.pick([0, 0, 0, 1, -1])
            return f".diagonal({k if k else ''})", aliased(v, np.diagonal(idx, k))
        return ".diagonal(dim1=-2, dim2=-1)", aliased(v, np.diagonal(idx, 0, -2, -1))
    return None


STEP_KINDS = ["key", "whole", "turn", "reshape", "squeeze", "select", "diagonal"]
STEP_WEIGHTS = [30, 4, 14, 14, 10, 10, 3]


def turned(g: Gen, v: Var) -> tuple[str, Var]:
    """Transposed in one of the ways."""
    a, b = g.r.below(v.ndim), g.r.below(v.ndim)
    swapped = np.swapaxes(v.idx, a, b)
    if v.ndim == 2 and g.r.chance(0.5):
        return g.r.pick([".T", ".t()", ".mT"]), aliased(v, v.idx.T)
    if g.r.chance(0.35):
        order = g.r.shuffled(range(v.ndim))
        return f".permute({', '.join(map(str, order))})", aliased(v, np.transpose(v.idx, order))
    form = g.r.pick(["transpose", "swapaxes", "movedim"])
    if form == "movedim":
        return f".movedim({a}, {b})", aliased(v, np.moveaxis(v.idx, a, b))
    return f".{form}({a}, {b})", aliased(v, swapped)


def reshaped(g: Gen, v: Var) -> tuple[str, Var] | None:
    """view, reshape or flatten; a reshape that must copy is told apart by the positions."""
    shape = factor_shape(g, v.size)
    new = v.idx.reshape(shape)
    shares = np.shares_memory(new, v.idx) or contiguous(v)
    forms = ["reshape"] * 2 + (["view"] * 4 + ["unflat"] if shares else [])
    form = g.r.pick(forms)
    args = ", ".join(map(str, shape))
    if form == "unflat" or (form == "reshape" and g.r.chance(0.3)):
        flat = v.idx.reshape(-1)
        tail = ".view(-1)" if form == "unflat" else g.r.pick([".reshape(-1)", ".flatten()"])
        flat_shares = contiguous(v) or np.shares_memory(flat, v.idx)
        return tail, aliased(v, flat, v.sure and flat_shares)
    if len(shape) > 1 and g.r.chance(0.3):
        args = ", ".join(["-1", *map(str, shape[1:])])
    return f".{form}({args})", aliased(v, new, v.sure and shares)


def squeezed(g: Gen, v: Var) -> tuple[str, Var] | None:
    """Dimensions of size 1 come or go."""
    if g.r.chance(0.5) and v.ndim < 4:
        d = g.r.below(v.ndim + 1)
        return f".unsqueeze({d})", aliased(v, np.expand_dims(v.idx, d))
    ones = [d for d, n in enumerate(v.shape) if n == 1]
    if ones and g.r.chance(0.6):
        d = g.r.pick(ones)
        return f".squeeze({d})", aliased(v, v.idx.squeeze(d))
    if ones or g.r.chance(0.2):
        return ".squeeze()", aliased(v, v.idx.squeeze())
    return None


def selected(g: Gen, v: Var) -> tuple[str, Var] | None:
    """select, narrow, chunk, split, unbind."""
    d = g.r.below(v.ndim)
    n = v.shape[d]
    if not n:
        return None
    lead = (slice(None),) * d
    i = g.r.below(n)
    form = g.r.below(8)
    if form < 3:
        return f".select({d}, {i})", aliased(v, v.idx[(*lead, i)])
    if form < 6:
        length = g.r.between(1, n - i)
        return f".narrow({d}, {i}, {length})", aliased(v, v.idx[(*lead, slice(i, i + length))])
    if form == 6:
        size = max(1, n // 2)
        return f".split({size}, dim={d})[0]", aliased(v, v.idx[(*lead, slice(0, size))])
    return f".unbind({d})[{i}]", aliased(v, v.idx[(*lead, i)])


def view_chain(g: Gen, v: Var, most: int = 2) -> tuple[str, Var]:
    """v's name with up to `most` views behind it."""
    text, steps = v.name, g.r.between(0, most)
    for _ in range(steps):
        step = view_step(g, v)
        if step is not None:
            text, v = text + step[0], step[1]
    return text, v


@rule("view", 40)
def view(g: Gen) -> bool:
    x = g.any(lambda v: not v.overlapping or g.r.chance(0.3))
    step = view_step(g, x) if x else None
    if step is None:
        return False
    text, v = x.name + step[0], step[1]
    if g.r.chance(0.2):
        more = view_step(g, v)
        if more is not None:
            text, v = text + more[0], more[1]
    return g.bind(text, named(g, v))


def named(g: Gen, v: Var) -> Var:
    """v under a tensor name."""
    return v.renamed(g.name())


@rule("view", 4)
def expand(g: Gen) -> bool:
    x = g.any(lambda v: not v.overlapping and v.size)
    if x is None:
        return False
    if g.r.chance(0.4) or 1 not in x.shape:
        shape = (2, *x.shape)
    else:
        shape = tuple(3 if n == 1 else n for n in x.shape)
    form = g.r.pick(
        ["{x}.expand({s})", "{x}.broadcast_to(({s},))", "torch.broadcast_to({x}, ({s},))"]
    )
    text = form.format(x=x.name, s=", ".join(map(str, shape)))
    return g.bind(text, named(g, aliased(x, np.broadcast_to(x.idx, shape))))


@rule("view", 2)
def contiguous_copy(g: Gen) -> bool:
    x = g.any()
    if x is None or not x.sure:
        return False
    if contiguous(x):
        return g.bind(f"{x.name}.contiguous()", x.renamed(g.name()))
    return g.bind(f"{x.name}.contiguous()", g.fresh(x.shape, x.dtype, [x]))


@rule("view", 2)
def flipped(g: Gen) -> bool:
    x = g.any(lambda v: v.ndim > 0)
    if x is None:
        return False
    form = g.r.pick([".flip(0)", ".roll(1, 0)"])
    return g.bind(x.name + form, g.fresh(x.shape, x.dtype, [x], sure=contiguous(x)))


@rule("alias", 10)
def detached(g: Gen) -> bool:
    x = g.any()
    if x is None:
        return False
    form = g.r.pick([".detach()", ".data", ".data"])
    v = aliased(x, x.idx).renamed(g.name())
    v = replace(v, rg=False, leaf=True, leaf_view=False, view=False, fam=g.new_store(), freed=False)
    return g.bind(x.name + form, v)


@rule("alias", 3)
def same_object(g: Gen) -> bool:
    x = g.any()
    if x is None:
        return False
    return g.bind(x.name, x.renamed(g.name()))


@rule("alias", 2)
def detached_in_place(g: Gen) -> bool:
    x = g.any(lambda v: v.rg and not v.leaf and not v.keep and (not v.view or g.r.chance(0.1)))
    if x is None:
        return False
    g.vars[x.name] = replace(x, rg=False, leaf=True, fam=g.new_store(), freed=False)
    return g.emit(f"{x.name}.detach_()")


@rule("setdata", 10)
def set_data(g: Gen) -> bool:
    kept = {v.fam for v in g.tensors() if v.keep}
    x = g.any(lambda v: v.is_float() and (v.keep or v.fam not in kept))
    if x is None:
        return False
    if x.keep or g.r.chance(0.3):
        text = g.literal(x.shape, x.dtype)
        source = replace(x, idx=np.arange(x.size).reshape(x.shape), store=g.new_store(), sure=True)
    else:
        y = g.any(lambda v: v.dtype == x.dtype and v.store != x.store and not v.inference)
        if y is None or (x.rg and y.shape != x.shape):
            return False
        keeps = {v.store for v in g.tensors() if v.keep}
        if y.store in keeps:
            return False
        text, source = g.r.pick([y.name, f"{y.name}.clone()", f"{y.name} * 0.5"]), y
        if text != y.name:
            fresh = g.fresh(y.shape, y.dtype, sure=contiguous(y))
            source = fresh
    g.pointers = {q: p for q, p in g.pointers.items() if p[0] != x.name}
    g.vars[x.name] = replace(x, idx=source.idx, store=source.store, sure=source.sure)
    forget_same_objects(g, x)
    return g.emit(f"{x.name}.data = {text}")


def forget_same_objects(g: Gen, x: Var) -> None:
    """Other names may be the same object, whose memory is now another."""
    for name in [n for n, w in g.vars.items() if n != x.name and w.fam == x.fam and not w.keep]:
        if not g.vars[name].np:
            g.forget(name)


@rule("setdata", 2)
def swap_names(g: Gen) -> bool:
    x, y = g.any(lambda v: not v.keep), g.any(lambda v: not v.keep)
    if x is None or y is None or x.name == y.name:
        return False
    g.pointers = {q: p for q, p in g.pointers.items() if p[0] not in (x.name, y.name)}
    g.vars[x.name], g.vars[y.name] = y.renamed(x.name), x.renamed(y.name)
    return g.emit(f"{x.name}, {y.name} = {y.name}, {x.name}")
