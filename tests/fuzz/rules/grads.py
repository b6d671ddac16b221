"""Statements about gradients: backward in its forms, hooks, .grad, modes.

Hooks are put on no view: PyTorch crashes when one was written to under no_grad.
"""

from __future__ import annotations

from dataclasses import replace

from ..model import Var, contiguous, layout
from ..writer import RULES, Gen, rule
from .views import forget_same_objects


def root(g: Gen) -> Var | None:
    """A tensor to differentiate, mostly one whose graph stands."""
    return g.any(lambda v: v.rg and v.size and (not v.freed or g.r.chance(0.06)))


def leaf(g: Gen) -> Var | None:
    """A leaf that requires grad."""
    return g.any(lambda v: v.rg and v.leaf)


def mark_freed(g: Gen) -> None:
    """After a backward that keeps nothing: every computed tensor has probably lost its graph."""
    for name, v in g.vars.items():
        if v.rg and not v.leaf:
            g.vars[name] = replace(v, freed=True)


def scalar_of(g: Gen, v: Var) -> str:
    """An expression for a number that depends on v."""
    if not v.ndim and g.r.chance(0.5):
        return v.name
    forms = [
        "{x}.sum()",
        "({x} * {x}).sum()",
        "{x}.mean()",
        "({x} * {s}).sum()",
        "{x}.sigmoid().sum()",
    ]
    others = [
        w for w in g.tensors(lambda w: w.is_float() and w.dtype == v.dtype and w.shape == v.shape)
    ]
    if others:
        forms.append(f"({{x}} * {g.r.pick(others).name}).sum()")
    return g.r.pick(forms).format(x=v.name, s=g.number())


@rule("grad", 26)
def backward(g: Gen) -> bool:
    v = root(g)
    if v is None or g.r.chance(0.2):
        v = leaf(g)
    if v is None:
        return False
    keep = g.r.chance(0.35)
    arguments = ["retain_graph=True"] if keep else []
    if g.r.chance(0.08):
        x = leaf(g)
        if x is not None:
            arguments.append(f"inputs=[{x.name}]")
    if v.ndim and g.r.chance(0.25):
        weight = g.r.pick([f"torch.ones_like({v.name})", g.literal(v.shape, v.dtype)])
        text = f"{v.name}.backward({', '.join([weight, *arguments])})"
    else:
        text = f"{scalar_of(g, v)}.backward({', '.join(arguments)})"
    if not keep:
        mark_freed(g)
    return g.guard(text)


@rule("grad", 8)
def backward_twice(g: Gen) -> bool:
    v = root(g)
    if v is None:
        return False
    text = scalar_of(g, v)
    mark_freed(g)
    if g.r.chance(0.5):
        return g.emit(f"loss = {text}\nloss.backward(retain_graph=True)\nloss.backward()")
    if g.r.chance(0.3):
        return g.emit(f"loss = {text}\nloss.backward()\nloss.backward()")
    return g.emit(f"for _ in range(2):\n    {text}.backward(retain_graph=True)")


@rule("grad", 12)
def autograd_grad(g: Gen) -> bool:
    v, x = root(g), leaf(g)
    if v is None or x is None:
        return False
    name = f"g{g.r.below(2)}"
    arguments = ["allow_unused=True"] if g.r.chance(0.85) else []
    keep = g.r.chance(0.5)
    if keep:
        arguments.append("retain_graph=True")
    else:
        mark_freed(g)
    inputs = f"[{x.name}]"
    y = g.any(lambda w: w.rg and w.name != x.name)
    if y is not None and g.r.chance(0.3):
        inputs = f"[{x.name}, {y.name}]"
    tail = ", ".join([inputs, *arguments])
    return g.emit(f"{name} = torch.autograd.grad({scalar_of(g, v)}, {tail})\nval(*{name})")


@rule("grad", 9)
def second_derivative(g: Gen) -> bool:
    x = leaf(g)
    if x is None or not x.size:
        return False
    inner = g.r.pick(
        [
            "({x} ** 3).sum()",
            "({x} * {x}.sigmoid()).sum()",
            "{x}.tanh().sum()",
            "({x}.sin() * {x}).sum()",
            "({x} * {x} * {x}.detach()).sum()",
            "({x}.square().sum() + 1.0).sqrt()",
            "({x}.exp() + {x} ** 4).mean()",
        ]
    ).format(x=x.name)
    v = root(g)
    if v is not None and g.r.chance(0.3) and not v.freed and not v.linear:
        inner = f"({v.name} * {v.name}).sum()"
        return g.emit(
            f"d, = torch.autograd.grad({inner}, [{x.name}], create_graph=True, allow_unused=True)\n"
            "val(d)\nif d is not None:\n    d.pow(2).sum().backward()"
        )
    last = g.r.pick(
        [
            "d.square().sum().backward()",
            "d.sum().backward()",
            f"val(*torch.autograd.grad((d * {x.name}).sum(), [{x.name}]))",
        ]
    )
    return g.emit(
        f"d, = torch.autograd.grad({inner}, [{x.name}], create_graph=True)\nval(d)\n{last}"
    )


@rule("grad", 10)
def grad_read(g: Gen) -> bool:
    x = leaf(g) or g.any()
    if x is None:
        return False
    name = x.name
    form = g.r.pick(
        [
            f"see({name}.grad)",
            f"val({name}.grad)",
            f"note({name}.grad is None)",
            f"note({name}.grad is {name}.grad)",
            f"see({name}.grad)\nmeta({name})",
        ]
    )
    return g.guard(form)


@rule("grad", 8)
def grad_write(g: Gen) -> bool:
    x = leaf(g)
    if x is None:
        return False
    name = x.name
    form = g.r.pick(
        [
            "{x}.grad = None",
            "{x}.grad.zero_()",
            "{x}.grad.mul_(0.5)",
            "{x}.grad.data.zero_()",
            "{x}.grad = torch.ones_like({x})",
            "{x}.grad = {x}.detach().clone()",
            "if {x}.grad is not None:\n    {x}.grad.zero_()",
            "{x}.grad.fill_(0.25)",
            "{x}.grad.add_(1.0)",
        ]
    )
    if form.startswith("{x}.grad.") and g.r.chance(0.75):
        form = "if {x}.grad is not None:\n    " + form
    return g.guard(form.format(x=name))


@rule("grad", 8)
def step_by_hand(g: Gen) -> bool:
    x = leaf(g)
    if x is None:
        return False
    name = x.name
    form = g.r.pick(
        [
            "with torch.no_grad():\n    {x} -= 0.1 * {x}.grad",
            "with torch.no_grad():\n    {x}.add_({x}.grad, alpha=-0.1)",
            "{x}.data -= 0.1 * {x}.grad",
            "{x}.data.sub_({x}.grad)",
            "{x}.data = {x}.data - 0.1 * {x}.grad",
            "with torch.no_grad():\n    {x} -= 0.1 * {x}.grad\n    {x}.grad.zero_()",
        ]
    )
    text = f"({name} * {name}).sum().backward()\n" if g.r.chance(0.75) else ""
    if "{x}.data = " in form:
        if not x.keep:
            return False
        forget_same_objects(g, x)
        g.vars[x.name] = replace(x, store=g.new_store(), idx=layout(x.shape), sure=contiguous(x))
    return g.emit(text + form.format(x=name))


@rule("grad", 6)
def grad_as_tensor(g: Gen) -> bool:
    """The gradient under a name of its own: `p.grad is g` and in-place accumulation show."""
    x = g.any(lambda v: v.rg and v.leaf and v.size)
    if x is None:
        return False
    g.counter += 1
    form = g.r.pick(
        [
            "{x}.sum().backward()\ng9 = {x}.grad\n({x} * 2.0).sum().backward()\n"
            "note({x}.grad is g9)\nsee(g9)",
            "g9 = {x}.grad\nsee(g9)\n({x} * {x}).sum().backward()\nsee(g9)",
            "{x}.grad = g8 = torch.zeros_like({x})\n({x} * 2.0).sum().backward()\n"
            "note({x}.grad is g8)\nsee(g8)",
            "g9 = {x}.detach().clone()\n{x}.backward(g9)\nnote({x}.grad is g9)\nsee({x}.grad)",
        ]
    )
    return g.emit(form.format(x=x.name))


@rule("grad", 4)
def leaf_switch(g: Gen) -> bool:
    x = g.any(lambda v: v.is_float() and v.leaf and not v.keep)
    if x is None:
        return False
    to = not x.rg if g.r.chance(0.8) else x.rg
    g.vars[x.name] = replace(x, rg=to)
    return g.emit(f"{x.name}.requires_grad_({'' if to else 'False'})")


@rule("grad", 4)
def retain(g: Gen) -> bool:
    v = g.any(lambda v: v.rg and not v.leaf and not v.freed and not v.view)
    if v is None:
        return False
    if g.r.chance(0.6):
        mark_freed(g)
        return g.emit(
            f"{v.name}.retain_grad()\n({v.name} * 2.0).sum().backward()\nval({v.name}.grad)"
        )
    return g.emit(f"{v.name}.retain_grad()")


@rule("grad", 5)
def function(g: Gen) -> bool:
    x = g.any(lambda v: v.is_float() and v.ndim > 0)
    if x is None:
        return False
    v = g.fresh(x.shape, x.dtype, [x], sure=contiguous(x))
    return g.bind(f"Twice.apply({x.name})", v)


@rule("hook", 10)
def hook(g: Gen) -> bool:
    v = g.any(lambda v: v.rg and not v.view and (not v.keep or g.r.chance(0.2)))
    if v is None:
        return False
    g.counter += 1
    n = g.counter
    effect = g.r.pick(
        [
            "val(d)",
            f"note('hook {n}')",
            "d * 0.5",
            "d + 1.0",
            "d.clamp(-1.0, 1.0)",
            f"(note('hook {n}'), d * 2.0)[1]",
            "note(float(d.sum()))",
            "None",
        ]
    )
    name = f"h{g.r.below(3)}"
    if name not in g.hooks:
        g.hooks.append(name)
    return g.emit(f"{name} = {v.name}.register_hook(lambda d: {effect})")


@rule("hook", 3)
def hook_removed(g: Gen) -> bool:
    if not g.hooks:
        return False
    return g.guard(f"{g.r.pick(g.hooks)}.remove()")


@rule("hook", 6)
def hooked_backward(g: Gen) -> bool:
    x = g.any(lambda v: v.rg and v.leaf and v.size)
    if x is None:
        return False
    first = g.r.pick(
        ["{x} * 2.0", "{x}.tanh()", "{x} + {x} * {x}", "{x}.reshape(-1)", "{x}.relu()"]
    )
    change = g.r.pick(["val(d)", "d * 0.5", "d.abs()", "(val(d), d + 1.0)[1]"])
    retained = "u.retain_grad()\n" if g.r.chance(0.3) else ""
    shown = "\nval(u.grad)" if retained else ""
    text = (
        f"u = {first}\nu.register_hook(lambda d: {change})\n{retained}w = u * u\n"
        f"w.register_hook(lambda d: note('w'))\nw.sum().backward(){shown}\nval({{x}}.grad)"
    )
    return g.emit(text.format(x=x.name))


@rule("hook", 3)
def accumulated_hook(g: Gen) -> bool:
    x = g.any(lambda v: v.rg and v.leaf and not v.keep)
    if x is None:
        return False
    return g.emit(f"{x.name}.register_post_accumulate_grad_hook(lambda p: val(p.grad))")


SMALL = ["value", "value", "inplace", "inplace", "write", "view", "reduce", "see"]


def some(g: Gen, n: int) -> None:
    """A few plain statements inside a block."""
    for _ in range(4 * n):
        if len(g.block) >= n:
            return
        entries = RULES[g.r.pick(SMALL)]
        g.r.weighted([f for _, f in entries], [w for w, _ in entries])(g)


@rule("mode", 12)
def without_grad(g: Gen) -> bool:
    if g.block is not None:
        return False
    head = g.r.pick(
        ["with torch.no_grad():", "with torch.no_grad():", "with torch.set_grad_enabled(False):"]
    )
    with g.under(head, grad=False):
        some(g, g.r.between(1, 4))
    return True


@rule("mode", 3)
def with_grad(g: Gen) -> bool:
    if g.block is not None:
        return False
    with g.under("with torch.enable_grad():", grad=True):
        some(g, g.r.between(1, 3))
    return True


@rule("mode", 3)
def switch(g: Gen) -> bool:
    if g.block is not None or not g.in_loop:
        return False
    if not g.grad_on:
        g.grad_on = True
        return g.emit("torch.set_grad_enabled(True)")
    if g.r.chance(0.4):
        g.grad_on = False
        return g.emit("torch.set_grad_enabled(False)")
    return g.emit("note(torch.is_grad_enabled())")


INFERENCE_SEEN = [
    "note({x}.is_inference())\nsee({x})",
    "{x}.add_(1.0)",
    "note(({x} * 2.0).tolist())",
    "see({x} * {p})",
    "see({x} + {p})",
    "{x}.requires_grad_()",
    "note({x}[...].is_inference())",
    "({p} * 1.0).copy_({x})",
    "with torch.inference_mode():\n    {x}.mul_(2.0)\n    see({x})",
    "{x}.zero_()",
]


@rule("mode", 3)
def inference(g: Gen) -> bool:
    """A block in inference mode; what is made there is used at once outside, and then no more.

    Operations on nothing but such tensors show how PyTorch's own kernels are written: the versions
    of their results count the writes inside them.
    """
    if g.block is not None:
        return False
    x = g.any(Var.is_float)
    if x is None:
        return False
    g.inference = True
    with g.under("with torch.inference_mode():", grad=False):
        g.bind(f"{x.name} * 2.0", g.fresh(x.shape, x.dtype, [], sure=contiguous(x)))
        if g.r.chance(0.5):
            some(g, 3)
    g.inference = False
    for v in g.tensors(lambda v: v.inference):
        p = g.any(lambda w, v=v: w.is_float() and w.shape == v.shape and not w.inference)
        if v.is_float() and p is not None:
            g.emit(g.r.pick(INFERENCE_SEEN).format(x=v.name, p=p.name))
        g.forget(v.name)
        g.emit(f"{v.name} = None")
    return True
