"""When an outcome agrees with PyTorch's: structure exactly, values to a tolerance."""

from __future__ import annotations

import math

RELATIVE = {"float32": 3e-6, "float64": 1e-12}


def close(a: float, b: float, scale: float, relative: float) -> bool:
    """Whether two numbers agree; NaN agrees with NaN, and an infinity with itself alone."""
    if math.isnan(a) or math.isnan(b):
        return math.isnan(a) and math.isnan(b)
    if math.isinf(a) or math.isinf(b):
        return a == b
    return abs(a - b) <= relative * max(scale, abs(a), abs(b))


def tensors_differ(mine, theirs, exact=False, strides=True) -> str | None:
    """Why two described tensors differ, or None."""
    for k, what in ((0, "dtype"), (1, "shape"), (2, "strides")):
        if mine[k] != theirs[k] and (strides or k < 2):
            return f"{what} {mine[k]}, PyTorch's {theirs[k]}"
    relative = 0.0 if exact else RELATIVE.get(mine[0], 0.0)
    finite = [abs(v) for v in theirs[3] if isinstance(v, float) and math.isfinite(v)]
    scale = 0.0 if exact else 0.1 * max(finite, default=0.0)
    for i, (a, b) in enumerate(zip(mine[3], theirs[3], strict=True)):
        if not close(a, b, scale, relative):
            return f"element {i} is {a!r}, PyTorch's {b!r}"
    return None


def differ(mine: dict, theirs: dict, exact=False) -> str | None:
    """Why two outcomes differ, or None."""
    if "error" in mine or "error" in theirs:
        if mine.get("error") == theirs.get("error"):
            return None
        return f"{mine.get('error', 'no error')}, PyTorch's {theirs.get('error', 'no error')}"
    if len(mine["out"]) != len(theirs["out"]):
        return f"{len(mine['out'])} results, PyTorch's {len(theirs['out'])}"
    for a, b in zip(mine["out"], theirs["out"], strict=True):
        why = tensors_differ(a, b, exact)
        if why is not None:
            return why
    for key in ("grad_fn", "version"):
        if mine.get(key) != theirs.get(key):
            return f"{key} {mine.get(key)}, PyTorch's {theirs.get(key)}"
    return gradients_differ(mine.get("grads"), theirs.get("grads"))


def gradients_differ(mine, theirs) -> str | None:
    """Why two lists of gradients differ, or None; PyTorch's own failures count for nothing."""
    if theirs is None or theirs[:1] == ["error"]:
        return None
    if mine is None or mine[:1] == ["error"]:
        return f"gradients {mine}, PyTorch's {theirs}"
    for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
        if a is None or b is None:
            if a is not b:
                return f"gradient {i} is {a}, PyTorch's {b}"
            continue
        why = tensors_differ(a, b, strides=False)
        if why is not None:
            return f"gradient {i}: {why}"
    return None
