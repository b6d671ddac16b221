"""A third oracle: gradients of random functions against finite differences in float64.

A function is a text `def f(x): ... return number`: smooth operations, views and in-place writes of
a tensor computed from x. It needs no PyTorch, and no record.
"""

from __future__ import annotations

import numpy as np

from .model import Rng, layout
from .rules.views import aliased, view_step
from .writer import Gen, Var

SMOOTH = [
    "{a}.tanh()",
    "{a}.sigmoid()",
    "{a}.sin()",
    "{a} * 0.5",
    "{a} * {a}",
    "1.5 - {a}",
    "{a}.cos() * {a}",
    "({a} * {a} + 0.5).log()",
    "({a} * {a} + 1.0).sqrt()",
    "{a} / ({a} * {a} + 1.0)",
    "{a}.exp() * 0.1",
    "{a}.softmax(-1)",
    "{a}.cumsum(0)",
    "{a} - {a}.mean()",
    "{a}.clone()",
    "{a} ** 3 * 0.1",
    "F.softplus({a})",
]
COMBINE = [
    "{a} + {b}",
    "{a} * {b}",
    "{a} - 0.5 * {b}",
    "{a} * {b}.tanh()",
    "{a} / ({b} * {b} + 1.0)",
]
IN_PLACE = [
    "mul_(0.5)",
    "add_(0.25)",
    "mul_({b})",
    "add_({b})",
    "copy_({b})",
    "zero_()",
    "tanh_()",
    "sigmoid_()",
    "sub_({b}, alpha=0.5)",
    "fill_(0.5)",
    "addcmul_({b}, {b}, value=0.5)",
]


class Names:
    """What view_step asks of a generator: numbers, and whether it writes a loop."""

    def __init__(self, rng: Rng) -> None:
        self.r = rng
        self.in_loop = False


def function(seed: int) -> tuple[str, tuple[int, ...]]:
    """The text of a random function and the shape of its argument."""
    r = Rng(seed + 7_000_000)
    names: Gen = Names(r)
    shape = r.pick([(3,), (2, 3), (3, 2), (2, 2, 2), (4,)])
    lines = ["def f(x):", "    a = x * 1.0"]
    n = int(np.prod(shape))
    vs = {"x": Var("x", "f64", layout(shape), 0), "a": Var("a", "f64", layout(shape), 1)}
    for k in range(r.between(3, 9)):
        kind = r.below(10)
        a = vs[r.pick(sorted(vs))]
        name = f"v{k}"
        b = r.pick([v for v in (vs[s] for s in sorted(vs)) if v.shape == a.shape])
        if kind < 3:
            text = r.pick(SMOOTH if a.ndim else SMOOTH[:8]).format(a=a.name)
            vs[name] = Var(name, "f64", layout(a.shape), k + 2, sure=False)
        elif kind < 5:
            text = r.pick(COMBINE).format(a=a.name, b=b.name)
            vs[name] = Var(name, "f64", layout(a.shape), k + 2, sure=False)
        else:
            if a.name == "x":
                a = vs["a"]
            step = view_step(names, a)
            if step is None or not step[1].size:
                continue
            if kind < 7:
                text, vs[name] = a.name + step[0], aliased(step[1], step[1].idx).renamed(name)
            else:
                lines.append(write(r, a.name + step[0], step[1], vs))
                continue
        lines.append(f"    {name} = {text}")
    weights = [r.between(-8, 8) / 4 for _ in range(n)]
    total = " + ".join(f"({v}.sin() * {v}).sum()" for v in sorted(vs))
    lines.append(f"    w = torch.tensor({weights}, dtype=torch.float64).reshape({shape})")
    lines.append(f"    return {total} + (a * w).sum()")
    return "\n".join(lines) + "\n", shape


def write(r: Rng, place: str, part: Var, vs: dict[str, Var]) -> str:
    """An in-place write through a view, reading what does not overlap."""
    others = [
        v for v in (vs[s] for s in sorted(vs)) if v.shape == part.shape and v.store != part.store
    ]
    tail = r.pick(IN_PLACE if others else [t for t in IN_PLACE if "{b}" not in t])
    return f"    {place}.{tail.format(b=r.pick(others).name if others else '')}"


def check(torch, seed: int) -> str | None:
    """Why the gradients of the function of a seed are wrong, or None."""
    text, shape = function(seed)
    space = {"torch": torch, "F": torch.nn.functional}
    exec(text, space)
    r = Rng(seed + 9_000_000)
    n = int(np.prod(shape))
    at = np.array([r.between(-300, 300) / 200 for _ in range(n)]).reshape(shape)
    along = np.array([r.between(-300, 300) / 200 for _ in range(n)]).reshape(shape)
    try:
        x = torch.tensor(at.tolist(), dtype=torch.float64, requires_grad=True)
        (first,) = torch.autograd.grad(space["f"](x), [x], create_graph=True)
        v = torch.tensor(along.tolist(), dtype=torch.float64)
        slope = (first * v).sum()
        (second,) = torch.autograd.grad(slope, [x])
    except RuntimeError as e:
        if "modified by an inplace operation" in str(e) or "view" in str(e):
            return None
        return f"{text}raises {e}"

    def value(p: np.ndarray) -> float:
        return space["f"](torch.tensor(p.tolist(), dtype=torch.float64)).item()

    def directional(p: np.ndarray) -> float:
        y = torch.tensor(p.tolist(), dtype=torch.float64, requires_grad=True)
        (g,) = torch.autograd.grad(space["f"](y), [y])
        return float((g * v).sum())

    for name, f, got in (("first", value, first), ("second", directional, second)):
        wanted = numerical(f, at)
        if not np.allclose(
            np.array(got.tolist()), wanted, rtol=1e-5, atol=1e-5 * abs(wanted).max()
        ):
            return (
                f"{text}{name} derivative at {at.tolist()}: {got.tolist()}, not {wanted.tolist()}"
            )
    return None


def numerical(f, at: np.ndarray, h: float = 1e-5) -> np.ndarray:
    """Central differences of a function of an array."""
    slopes = np.zeros(at.shape)
    for index in np.ndindex(*at.shape):
        step = np.zeros(at.shape)
        step[index] = h
        slopes[index] = (f(at + step) - f(at - step)) / (2 * h)
    return slopes
