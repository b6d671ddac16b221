"""Statements of the host language: observation, NumPy memory, references, control flow, threads."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from ..model import NUMPY_DTYPE, contiguous, overlap
from ..writer import Gen, rule
from .views import aliased, view_step


@rule("see", 20)
def see(g: Gen) -> bool:
    x = g.any()
    return False if x is None else g.guard(f"see({x.name})")


@rule("see", 12)
def meta(g: Gen) -> bool:
    x, y = g.any(), g.any()
    if x is None or y is None:
        return False
    return g.guard(f"meta({x.name})" if g.r.chance(0.6) else f"meta({x.name}, {y.name})")


@rule("see", 14)
def number(g: Gen) -> bool:
    x = g.any(lambda v: v.size > 0)
    if x is None:
        return False
    total = x.name if x.is_float() else f"{x.name}.float()"
    if x.dtype == "f64" or x.dtype == "f32":
        forms = [
            "note({x}.sum().item())",
            "note(float({x}.mean()))",
            "note({x}.tolist())",
            "note(({x} > {s}).any().item())",
            "note({x}.reshape(-1)[0].item())",
            "note(bool(({x} > 100.0).any()))",
            "note({x}.max().item())",
            "note(str({x}.dtype))",
        ]
    else:
        forms = ["note({x}.tolist())", "note(int({x}.sum()))", "note({x}.any().item())"]
    if x.ndim:
        forms += ["note(len({x}))", "note([r.sum().item() for r in {x}])", "note({x}.shape)"]
    return g.guard(g.r.pick(forms).format(x=x.name, s=g.number(), t=total))


@rule("see", 6)
def facts(g: Gen) -> bool:
    x, y = g.any(), g.any()
    if x is None or y is None:
        return False
    return g.guard(
        g.r.pick(
            [
                "note({x}.stride())",
                "note({x}.is_contiguous())",
                "note({x}.storage_offset())",
                "note({x}._version)",
                "note({x} is {y})",
                "note({x}.is_leaf, {x}.requires_grad)",
                "note(torch.equal({x}, {y}))",
                "note(type({x}.grad_fn).__name__)",
                "note({x}.numel(), {x}.dim())",
                "note({x}._is_view())" if g.r.chance(0.2) else "note(tuple({x}.size()))",
                "note({x}.T is {x})",
            ]
        ).format(x=x.name, y=y.name)
    )


@rule("see", 2)
def partition(g: Gen) -> bool:
    return g.guard("aliases()")


@rule("see", 5)
def address(g: Gen) -> bool:
    """An in-place write keeps the memory: what a donation must not change."""
    live = [
        (q, name)
        for q, (name, store) in sorted(g.pointers.items())
        if name in g.vars and g.vars[name].store == store
    ]
    if live and g.r.chance(0.7):
        q, name = g.r.pick(live)
        return g.guard(f"note({name}.data_ptr() == {q})")
    x = g.any(lambda v: v.size > 0)
    if x is None:
        return False
    q = f"q{g.r.below(3)}"
    g.pointers[q] = (x.name, x.store)
    return g.emit(f"{q} = {x.name}.data_ptr()")


@rule("array", 14)
def to_numpy(g: Gen) -> bool:
    x = g.any(lambda v: not v.rg or g.r.chance(0.05))
    if x is None:
        return False
    v = replace(x, name=f"n{g.r.below(3)}", np=True, rg=False, keep=False)
    text = g.r.pick(["{x}.numpy()", "{x}.numpy()", "np.asarray({x})"])
    return g.bind(text.format(x=x.name), v)


@rule("array", 4)
def to_numpy_detached(g: Gen) -> bool:
    x = g.any(lambda v: v.rg)
    if x is None:
        return False
    v = replace(x, name=f"n{g.r.below(3)}", np=True, rg=False, keep=False)
    return g.bind(g.r.pick([f"{x.name}.detach().numpy()", f"{x.name}.data.numpy()"]), v)


@rule("array", 8)
def new_array(g: Gen) -> bool:
    shape, dtype = g.shape(), g.float_dtype()
    if 0 in shape:
        return False
    v = g.fresh(shape, dtype)
    v = replace(v, name=f"n{g.r.below(3)}", np=True)
    return g.bind(f"np.array({g.data(shape, dtype)}, dtype={NUMPY_DTYPE[dtype]})", v)


@rule("array", 12)
def from_numpy(g: Gen) -> bool:
    if g.r.chance(0.25):  # the array's own name is gone at once
        shape, dtype = g.shape(), g.float_dtype()
        if 0 in shape:
            return False
        turned = len(shape) == 2 and g.r.chance(0.3)
        v = g.fresh(shape, dtype)
        if turned:
            v.idx = v.idx.T
        text = (
            f"np.array({g.data(shape, dtype)}, dtype={NUMPY_DTYPE[dtype]}){'.T' if turned else ''}"
        )
        return g.bind(f"torch.from_numpy({text})", v)
    arrays = g.arrays()
    if not arrays:
        return False
    n = g.r.pick(arrays)
    v = replace(
        n,
        name=g.name(),
        np=False,
        rg=False,
        leaf=True,
        leaf_view=False,
        view=False,
        fam=g.new_store(),
        mem=g.new_store(),
        freed=False,
        inference=g.inference,
    )
    form = g.r.pick(["torch.from_numpy({n})", "torch.from_numpy({n})", "torch.as_tensor({n})"])
    if g.r.chance(0.2):
        v = g.fresh(n.shape, n.dtype)
        form = "torch.tensor({n})"
        return g.bind(form.format(n=n.name), v)
    return g.bind(form.format(n=n.name), v)


@rule("array", 16)
def write_array(g: Gen) -> bool:
    arrays = [n for n in g.arrays() if n.is_float() and not n.overlapping]
    if not arrays:
        return False
    n = g.r.pick(arrays)
    forms = [
        "{n}[...] = {s}",
        "{n} += 1.0",
        "{n} *= 0.5",
        "np.negative({n}, out={n})",
        "{n}.fill({s})",
    ]
    if n.ndim and n.shape[0]:
        forms += ["{n}[0] = {s}", "{n}[-1] += {s}", "{n}[::2] = {s}", "{n}[{n} > 1.0] = {s}"]
    text = g.r.pick(forms).format(n=n.name, s=g.number())
    if text.startswith(f"{n.name} ") and not n.ndim:  # a 0-d array stays an array only with [...]
        text = f"{n.name}[...] = {g.number()}"
    return g.guard(text)


@rule("array", 5)
def array_view(g: Gen) -> bool:
    arrays = [n for n in g.arrays() if n.ndim]
    if not arrays:
        return False
    n = g.r.pick(arrays)
    name = f"n{g.r.below(3)}"
    text, idx = g.r.pick(
        [
            (".T", n.idx.T),
            ("[1:]", n.idx[1:]),
            ("[::2]", n.idx[::2]),
            ("[..., :1]", n.idx[..., :1]),
        ]
    )
    return g.bind(n.name + text, replace(n, name=name, idx=idx))


@rule("array", 8)
def array_seen(g: Gen) -> bool:
    arrays = g.arrays()
    if not arrays:
        return False
    return g.guard(f"note({g.r.pick(arrays).name}.tolist())")


@rule("array", 6)
def array_gone(g: Gen) -> bool:
    arrays = [n for n in g.arrays() if not n.keep]
    if not arrays:
        return False
    name = g.r.pick(arrays).name
    g.forget(name)
    return g.emit(g.r.pick([f"del {name}", f"{name} = None"]))


@rule("array", 4)
def array_operand(g: Gen) -> bool:
    arrays = [n for n in g.arrays() if n.is_float()]
    if not arrays:
        return False
    n = g.r.pick(arrays)
    x = g.any(
        lambda v: (
            v.shape == n.shape
            and v.dtype == n.dtype
            and not v.rg
            and overlap(v, n) in ("none", "same")
            and not v.overlapping
        )
    )
    if x is None:
        return False
    return g.guard(f"{x.name}.copy_(torch.from_numpy({n.name}))")


@rule("refs", 10)
def gone(g: Gen) -> bool:
    x = g.any(lambda v: not v.keep)
    if x is None or len(g.vars) < 3:
        return False
    g.forget(x.name)
    return g.emit(f"del {x.name}" if g.r.chance(0.7) else f"{x.name} = None")


@rule("refs", 4)
def held(g: Gen) -> bool:
    """A container holds the tensor: its name may go."""
    x, y = g.any(), g.any()
    if x is None or y is None:
        return False
    if g.r.chance(0.5):
        return g.emit(f"held = [{x.name}, {y.name}]")
    return g.guard("see(*held)") if g.r.chance(0.6) else g.emit("held = []")


@rule("refs", 4)
def rewritten(g: Gen) -> bool:
    """`x = x op s`: the old value dies as the new one takes its name."""
    x = g.any(lambda v: v.is_float() and not v.keep and v.sure)
    if x is None:
        return False
    form = g.r.pick(["{x} * {s}", "{x} + {s}", "{x}.clone()", "{x}.relu()", "-{x}"])
    v = g.fresh(x.shape, x.dtype, [x], sure=contiguous(x)).renamed(x.name)
    return g.bind(form.format(x=x.name, s=g.number()), v)


@rule("refs", 3)
def copied(g: Gen) -> bool:
    x = g.any(lambda v: v.is_float() and v.leaf and not v.overlapping)
    if x is None:
        return False
    v = g.fresh(x.shape, x.dtype, sure=False)
    v = replace(v, rg=x.rg)
    return g.bind(f"copy.deepcopy({x.name})", v)


@rule("flow", 8)
def branch(g: Gen) -> bool:
    x = g.any(
        lambda v: (
            v.is_float()
            and v.size
            and not v.overlapping
            and not (v.rg and v.leaf)
            and not v.leaf_view
        )
    )
    if x is None or g.block is not None:
        return False
    test = g.r.pick(
        ["{x}.sum() > {s}", "({x} > {s}).any()", "{x}.mean().item() < {s}", "{x}.max() >= {s}"]
    )
    a, b = g.r.pick(
        [
            ("{x}.mul_(0.5)", "{x}.add_(1.0)"),
            ("{x} *= 2.0", "note('else')"),
            ("see({x})", "{x}.neg_()"),
        ]
    )
    text = f"if {test}:\n    {a}\nelse:\n    {b}"
    return g.emit(text.format(x=x.name, s=g.number()))


@rule("flow", 5)
def halving(g: Gen) -> bool:
    x = g.any(
        lambda v: (
            v.is_float()
            and v.size
            and not v.overlapping
            and not (v.rg and v.leaf)
            and not v.leaf_view
        )
    )
    if x is None or g.block is not None:
        return False
    form = g.r.pick(
        [
            "for _ in range(6):\n    if {x}.abs().sum() <= 1.0:\n        break\n    {x} /= 2.0",
            "for _ in range(4):\n    if {x}.abs().max() <= 1.0:\n        break\n    {x}.mul_(0.5)",
            "for i in range(3):\n    {x} += i\n    note({x}.sum().item())",
            "for i in range(3):\n    {x}.mul_(0.5).add_(i)",
            "u = {x}.detach()\nfor i in range(3):\n    u = u * 0.5 + {x}.detach()\nsee(u)",
        ]
    )
    return g.emit(form.format(x=x.name))


@rule("flow", 3)
def threaded(g: Gen) -> bool:
    x = g.any(lambda v: v.size > 0)
    if x is None or g.block is not None:
        return False
    y = g.any(lambda v: v.shape == x.shape and v.is_float())
    body = g.r.pick(
        ["see({x})", "note({x}.tolist())", "note(({x} * 2).sum().item())"]
        + (["see({x} + {y})"] if y else [])
    )
    body = body.format(x=x.name, y=y.name if y else "")
    return g.emit(
        f"worker = threading.Thread(target=lambda: {body})\nworker.start()\nworker.join()"
    )


@rule("flow", 4)
def local_function(g: Gen) -> bool:
    """Temporaries that die when the function returns."""
    x = g.any(lambda v: v.is_float() and v.ndim > 0)
    if x is None or g.block is not None:
        return False
    body = g.r.pick(
        [
            "    a = x.clone()\n    a[0] = 1.0\n    b = a * 2.0\n    a.mul_(3.0)\n    return b + a",
            "    a = x * 2.0\n    v = a.view(-1) if a.is_contiguous() else "
            "a.reshape(-1)\n    v.add_(1.0)\n    return a * 1.0",
            "    a = x.detach().clone()\n    for i in range(3):\n"
            "        a = a + a * 0.5\n    return a",
            "    a = torch.zeros_like(x)\n    a[...] = x\n    a.data[0] = 5.0\n    return a + 0.0",
        ]
    )
    v = g.fresh(x.shape, x.dtype, [] if "detach" in body else [x], sure=contiguous(x))
    if x.shape[0] == 0:
        return False
    g.pointers = {q: p for q, p in g.pointers.items() if p[0] != v.name}
    g.vars[v.name] = v
    return g.emit(f"def f(x):\n{body}\n{v.name} = f({x.name})")


@rule("alias", 2)
def chained_view(g: Gen) -> bool:
    x = g.any(lambda v: v.ndim > 0)
    first = view_step(g, x) if x else None
    second = view_step(g, first[1]) if first else None
    if second is None:
        return False
    v = second[1].renamed(g.name())
    return g.bind(x.name + first[0] + second[0], v)


@rule("alias", 2)
def as_leaf(g: Gen) -> bool:
    """detach().requires_grad_(): a leaf that shares memory."""
    x = g.any(lambda v: v.is_float() and not v.overlapping)
    if x is None:
        return False
    v = replace(
        aliased(x, np.asarray(x.idx)),
        name=g.name(),
        rg=True,
        leaf=True,
        leaf_view=False,
        view=False,
        fam=g.new_store(),
        freed=False,
    )
    return g.bind(f"{x.name}.detach().requires_grad_()", v)
