"""Text of tensors, character for character as PyTorch prints them.

One format is chosen for the whole tensor: integers, fixed point, whole numbers with a dot, or
scientific; then every value is right-aligned to the widest. A tensor of more than `threshold`
elements shows `edgeitems` at either end of each dimension, and only those are looked at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from nacre.base import dtypes
from nacre.base.dtypes import dtype


@dataclass
class PrintOptions:
    """How tensors are printed; `sci_mode` None chooses by the values."""

    precision: int = 4
    threshold: float = 1000
    edgeitems: int = 3
    linewidth: int = 80
    sci_mode: bool | None = None


OPTIONS = PrintOptions()
Show = Callable[[Any], str]

_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": float("inf"), "edgeitems": 3, "linewidth": 80},
}


def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
) -> None:
    """Change how tensors are printed; what is None stays, but `sci_mode` is always set.

    `precision` digits after the point; more than `threshold` elements are summarised to `edgeitems`
    at either end; lines break at `linewidth`; `profile` is "default", "short" or "full".
    """
    chosen = dict(_PROFILES.get(profile, {})) if profile is not None else {}
    given = {
        "precision": precision,
        "threshold": threshold,
        "edgeitems": edgeitems,
        "linewidth": linewidth,
    }
    chosen.update((name, value) for name, value in given.items() if value is not None)
    for name, value in chosen.items():
        setattr(OPTIONS, name, value)
    OPTIONS.sci_mode = sci_mode


def get_printoptions() -> dict[str, Any]:
    """The options now in force, as `set_printoptions` takes them."""
    return asdict(OPTIONS)


@contextmanager
def printoptions(**options: Any) -> Iterator[None]:
    """Change how tensors are printed inside a `with`."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        set_printoptions(**before)


def tensor_text(
    array: np.ndarray | None,
    d: dtype,
    requires_grad: bool = False,
    grad_fn: str | None = None,
    device: object = "cpu",
    *,
    kind: str = "tensor",
    shape: tuple[int, ...] | None = None,
) -> str:
    """What `print` shows for a tensor.

    `array` holds its values (None for a tensor without any, whose `shape` is given), `grad_fn` is
    the name of its node, `kind` the word in front: "tensor", or the name of a subclass.

        >>> tensor_text(np.array([1.0, 0.5], np.float32), dtypes.float32, grad_fn="AddBackward0")
        'tensor([1.0000, 0.5000], grad_fn=<AddBackward0>)'
    """
    indent = len(kind) + 1
    suffixes = [] if str(device) == "cpu" else [f"device='{device}'"]
    sizes = tuple(array.shape if array is not None else shape or ())
    usual = d is dtypes.get_default_dtype()
    if array is None or not array.size:
        if array is None or len(sizes) != 1:
            suffixes.append(f"size={sizes}")
        body = "..." if array is None else "[]"
    else:
        if not OPTIONS.edgeitems:
            suffixes.append(f"size={sizes}")
        usual = usual or d is dtypes.int64 or d is dtypes.bool_
        body = values_text(array, d, indent)
    if not usual:
        suffixes.append(f"dtype={d}")
    if grad_fn is not None:
        suffixes.append(f"grad_fn=<{grad_fn}>")
    elif requires_grad:
        suffixes.append("requires_grad=True")
    return _with_suffixes(f"{kind}({body}", suffixes, indent)


def parameter_text(array: np.ndarray, d: dtype, requires_grad: bool = True, **named: Any) -> str:
    """What `print` shows for a parameter; the arguments are those of `tensor_text`."""
    return "Parameter containing:\n" + tensor_text(array, d, requires_grad, **named)


def values_text(array: np.ndarray, d: dtype, indent: int = 0) -> str:
    """The values alone, in brackets; lines after the first start `indent` characters in."""
    cut = (False,) * array.ndim
    if array.size > OPTIONS.threshold:
        cut = tuple(size > 2 * OPTIONS.edgeitems for size in array.shape)
        array = _edges(array, cut)
    if d.is_floating_point:
        array = array.astype(np.float64)
        show, width = _float_format(array)
    else:
        show, width = _plain_format(array)
    if array.ndim == 0:
        return show(array.item())
    per_line = max(1, int((OPTIONS.linewidth - indent - array.ndim + 1) // (width + 2)))
    return _nested(array.tolist(), cut, indent, show, per_line)


def _edges(array: np.ndarray, cut: tuple[bool, ...]) -> np.ndarray:
    """The elements that a summary shows: of each dimension cut, the ends."""
    n = OPTIONS.edgeitems
    kept = [
        [*range(n), *range(size - n, size)] if short else range(size)
        for size, short in zip(array.shape, cut, strict=True)
    ]
    return array[np.ix_(*(np.array(places, np.intp) for places in kept))]


def _nested(values: list, cut: tuple[bool, ...], indent: int, show: Show, per_line: int) -> str:
    """Lists in brackets; one that was cut has an ellipsis in its middle."""
    if len(cut) == 1:
        parts = list(map(show, values))
        between = ",\n" + " " * (indent + 1)
    else:
        parts = [_nested(inner, cut[1:], indent + 1, show, per_line) for inner in values]
        between = "," + "\n" * (len(cut) - 1) + " " * (indent + 1)
    if cut[0]:
        middle = len(parts) // 2
        parts.insert(middle, " ..." if len(cut) == 1 and middle else "...")
    if len(cut) == 1:
        starts = range(0, len(parts), per_line)
        parts = [", ".join(parts[i : i + per_line]) for i in starts]
    return f"[{between.join(parts)}]"


def _plain_format(array: np.ndarray) -> tuple[Show, int]:
    """Integers and truth values: `str`, right-aligned."""
    if not array.size:
        return str, 1
    width = max(len(str(array.max())), len(str(array.min())))
    if array.dtype == np.bool_:
        width = 4 if array.all() else 5
        return (lambda value: str(value).rjust(width)), width
    return f"%{width}d".__mod__, width


def _float_format(array: np.ndarray) -> tuple[Show, int]:
    """Fixed, whole or scientific, by the finite values that are not zero."""
    values = array[np.isfinite(array) & (array != 0)]
    if not values.size:
        return _whole(1), 1
    digits = OPTIONS.precision
    if _is_scientific(values):
        pattern = f".{digits}e"
        width = max(len(format(value, pattern)) for value in _extremes(values))
        return f"%{width}{pattern}".__mod__, width
    # The longest text belongs to the largest or the smallest value: it grows with the magnitude.
    ends = (float(values.max()), float(values.min()))
    if (values == np.ceil(values)).all():
        width = max(len(f"{value:.0f}") for value in ends) + 1
        return _whole(width), width
    width = max(len(format(value, f".{digits}f")) for value in ends)
    return f"%{width}.{digits}f".__mod__, width


def _is_scientific(values: np.ndarray) -> bool:
    if OPTIONS.sci_mode is not None:
        return OPTIONS.sci_mode
    magnitudes = np.abs(values)
    largest, smallest = magnitudes.max(), magnitudes.min()
    with np.errstate(over="ignore"):
        return bool(largest / smallest > 1000.0 or largest > 1.0e8 or smallest < 1.0e-4)


def _extremes(values: np.ndarray) -> list[float]:
    """Among them is the one with the longest exponent of either sign."""
    found = []
    for side in (values[values > 0], values[values < 0]):
        if side.size:
            found += [float(side.max()), float(side.min())]
    return found


def _whole(width: int) -> Show:
    """Whole numbers, which end in a dot; infinities and NaN do not."""
    dotted, bare = f"%{width - 1}.0f.", f"%{width}.0f"

    def show(value: float) -> str:
        return dotted % value if value - value == 0 else bare % value

    return show


def _with_suffixes(text: str, suffixes: list[str], indent: int) -> str:
    """Append what follows the values, on a new line where the last one is full."""
    parts = [text]
    used = len(text) - text.rfind("\n") + 1
    for suffix in suffixes:
        if used + len(suffix) + 2 > OPTIONS.linewidth:
            parts.append(",\n" + " " * indent + suffix)
            used = indent + len(suffix)
        else:
            parts.append(", " + suffix)
            used += len(suffix) + 2
    return "".join(parts) + ")"
