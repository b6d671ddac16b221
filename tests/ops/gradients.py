"""Derivatives by finite differences in float64, of cases in JSON."""

from __future__ import annotations

import copy

import numpy as np

import nacre

from .outcomes import build, in_place, invoke

FIRST_STEP = 1e-6
SECOND_STEP = 1e-5


def arrays(x) -> list:
    """The entries of floating tensors in a JSON form that gradients flow to, in order."""
    if isinstance(x, dict):
        if "array" in x:
            entry = x["array"]
            return [entry] if entry[0].startswith("float") and not entry[4] else []
        return [a for v in x.values() for a in arrays(v)]
    if isinstance(x, list):
        return [a for y in x for a in arrays(y)]
    return []


def doubled(case: dict) -> dict:
    """The case with its floating tensors in float64."""
    made = copy.deepcopy(case)

    def visit(x):
        if isinstance(x, dict):
            if "array" in x:
                if x["array"][0] == "float32":
                    x["array"][0] = "float64"
                return
            x = list(x.values())
        if isinstance(x, list):
            for y in x:
                visit(y)

    visit(made["args"])
    visit(made["kwargs"])
    return made


def weights(shape, first=1) -> np.ndarray:
    """Distinct numbers of both signs."""
    n = int(np.prod(shape))
    return np.cos(np.arange(first, n + first) * 1.7).reshape(shape)


def called(case: dict):
    """(first result, leaves) of a case."""
    leaves: list = []
    args = build(nacre, case["args"], leaves)
    kwargs = {k: build(nacre, v, leaves) for k, v in case["kwargs"].items()}
    if in_place(case["call"]):
        args[0] = args[0].clone()
    result = invoke(nacre, case["call"], args, kwargs)
    return (result[0] if isinstance(result, tuple | list) else result), leaves


def weighted(t, first=1):
    """The sum of a tensor's elements with weights."""
    return (t * nacre.tensor(weights(tuple(t.shape), first))).sum()


def value(case: dict) -> float:
    """The weighted sum of a case's result."""
    return weighted(called(case)[0].detach()).item()


def slope(case: dict) -> float:
    """The weighted sum of the gradients of a case's weighted sum."""
    result, leaves = called(case)
    grads = nacre.autograd.grad(weighted(result), leaves, allow_unused=True)
    parts = [weighted(g, i + 2).item() for i, g in enumerate(grads) if g is not None]
    return sum(parts)


def numeric(case: dict, function, step: float) -> list[np.ndarray]:
    """Central differences of a function of the case, by each element of its floating tensors."""
    found = []
    for entry in arrays([case["args"], list(case["kwargs"].values())]):
        data = entry[3]
        slopes = []
        for k, v in enumerate(data):
            data[k] = v + step
            above = function(case)
            data[k] = v - step
            below = function(case)
            data[k] = v
            slopes.append((above - below) / (2 * step))
        found.append(np.array(slopes))
    return found


def on_data(case: dict, grads) -> list[np.ndarray]:
    """Gradients of leaves as gradients of their data: an expanded leaf repeats its."""
    found = []
    entries = arrays([case["args"], list(case["kwargs"].values())])
    for entry, g in zip(entries, grads, strict=True):
        shape = tuple(entry[1])
        a = np.zeros(shape) if g is None else np.array(g.detach().tolist()).reshape(shape)
        found.append((a.sum(0) if entry[2] == "expanded" else a).reshape(-1))
    return found


def first(case: dict) -> tuple[list, list]:
    """(analytic, numeric) first derivatives."""
    result, leaves = called(case)
    grads = nacre.autograd.grad(weighted(result), leaves, allow_unused=True)
    return on_data(case, grads), numeric(case, value, FIRST_STEP)


def second(case: dict) -> tuple[list, list]:
    """(analytic, numeric) derivatives of the weighted sum of the first derivatives."""
    result, leaves = called(case)
    grads = nacre.autograd.grad(weighted(result), leaves, create_graph=True, allow_unused=True)
    parts = [weighted(g, i + 2) for i, g in enumerate(grads) if g is not None]
    total = sum(parts[1:], parts[0]) if parts else nacre.zeros(())
    twice = [None] * len(leaves)
    if total.requires_grad:
        twice = nacre.autograd.grad(total, leaves, allow_unused=True)
    return on_data(case, twice), numeric(case, slope, SECOND_STEP)


def worst(mine, theirs, tolerance: float) -> str | None:
    """The first element that differs by more than a tolerance, or None."""
    for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        scale = 1 + np.abs(b).max(initial=0.0)
        bad = np.flatnonzero(~(np.abs(a - b) <= tolerance * scale))
        if bad.size:
            k = int(bad[0])
            return f"argument {i}, element {k}: {a[k]!r}, by finite differences {b[k]!r}"
    return None
