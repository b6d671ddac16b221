"""What a case found, in the plain form that is recorded, and how two outcomes are compared."""

from __future__ import annotations

import math
import warnings

TOLERANCE = {"float16": 2e-3, "bfloat16": 2e-2, "float32": 2e-5, "float64": 1e-12}


def run(case, torch):
    """All that a case yields, as lists, texts and numbers."""
    return [plain(found, torch) for found in case(torch)]


def plain(found, torch):
    if isinstance(found, torch.Tensor):
        flat = found.detach().reshape(-1).tolist()
        return {
            "dtype": str(found.dtype).removeprefix("torch."),
            "shape": list(found.shape),
            "values": [word(v) for v in flat],
        }
    if isinstance(found, BaseException):
        return {"error": type(found).__name__, "words": str(found)}
    if isinstance(found, dict):
        return {"pairs": [[plain(k, torch), plain(v, torch)] for k, v in found.items()]}
    if isinstance(found, list | tuple):
        return [plain(x, torch) for x in found]
    if isinstance(found, float):
        return {"number": word(found)}
    if found is None or isinstance(found, bool | int | str):
        return found
    return repr(found)


def word(value):
    """JSON has no infinities."""
    return str(value) if isinstance(value, float) and not math.isfinite(value) else value


def refused(action, *args, **kwargs):
    """The error that an action raises; a text if it raises none."""
    try:
        action(*args, **kwargs)
    except Exception as error:
        return error
    return "no error"


def warned(action, *args, **kwargs):
    """The warnings of an action: kinds and texts."""
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        action(*args, **kwargs)
    return [[w.category.__name__, str(w.message)] for w in seen]


def differences(mine, theirs, place=""):
    """Where two recorded outcomes disagree."""
    if isinstance(theirs, dict) and isinstance(mine, dict) and "values" in theirs:
        return _tensors(mine, theirs, place)
    if isinstance(theirs, dict) and isinstance(mine, dict) and theirs.keys() == mine.keys():
        if "number" in theirs:
            ok = close(mine["number"], theirs["number"], 1e-6)
            return [] if ok else [f"{place}: {mine['number']} instead of {theirs['number']}"]
        found = []
        for key in theirs:
            found += differences(mine[key], theirs[key], f"{place}.{key}")
        return found
    if isinstance(theirs, list) and isinstance(mine, list) and len(theirs) == len(mine):
        found = []
        for i, (a, b) in enumerate(zip(mine, theirs, strict=True)):
            found += differences(a, b, f"{place}[{i}]")
        return found
    return [] if mine == theirs else [f"{place}: {mine!r} instead of {theirs!r}"]


def _tensors(mine, theirs, place):
    for key in ("dtype", "shape"):
        if mine.get(key) != theirs[key]:
            return [f"{place}: {key} {mine.get(key)} instead of {theirs[key]}"]
    tolerance = TOLERANCE.get(theirs["dtype"], 0)
    return [
        f"{place}: element {i} is {a} instead of {b}"
        for i, (a, b) in enumerate(zip(mine["values"], theirs["values"], strict=True))
        if not close(a, b, tolerance)
    ]


def close(a, b, tolerance):
    if isinstance(a, str) or isinstance(b, str) or a == b:
        return a == b
    return abs(a - b) <= tolerance * (abs(b) + 0.05)
