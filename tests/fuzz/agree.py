"""Whether two lists of observations agree: everything exactly, floats to a tolerance."""

from __future__ import annotations

import json
import math
import re
from dataclasses import dataclass, replace
from itertools import cycle

FIELDS = ("dtype", "shape", "stride", "offset", "version", "is_leaf", "requires_grad", "grad_fn")
TOLERANCE = {"float64": 1e-10, "float32": 1e-5}


@dataclass(frozen=True)
class Difference:
    """The first place where two runs part."""

    index: int
    what: str  # a field, 'values', 'note', 'error', 'aliases' or 'order'
    expected: object
    got: object

    def kind(self) -> str:
        """What groups this failure with others like it."""
        if self.what == "error":
            return f"error: {brief(self.expected)} -> {brief(self.got)}"
        if self.what == "grad_fn":
            return f"grad_fn: {self.expected} -> {self.got}"
        return self.what


def brief(entry: object) -> str:
    """An error's type and message without its numbers, or the kind of another observation."""
    if isinstance(entry, list) and entry and entry[0] == "E":
        message = "".join("#" if c.isdigit() else c for c in entry[2])
        return f"{entry[1]}: {message[:90]}"
    return "no error"


class Tolerant:
    """Compares values; remembers the largest seen, which rounding errors are measured by.

    `strict` divides the tolerance.
    """

    def __init__(self, world: str, strict: float = 1.0) -> None:
        self.loose = world != "f64"
        self.strict = strict
        self.scale = 1.0

    def close(self, a, b, dtype: str) -> bool:
        """Equality of Python values, floats to the tolerance of the dtype."""
        if isinstance(a, list) and isinstance(b, list):
            self.grow(a)
            return len(a) == len(b) and all(
                self.close(x, y, dtype) for x, y in zip(a, b, strict=True)
            )
        if isinstance(a, float) and isinstance(b, float):
            if math.isnan(a) or math.isnan(b):
                return math.isnan(a) and math.isnan(b)
            if math.isinf(a) or math.isinf(b):
                return a == b
            relative = 1e-5 if self.loose else TOLERANCE.get(dtype, 1e-10)
            return abs(a - b) * self.strict <= relative * max(self.scale, abs(a), abs(b))
        return type(a) is type(b) and a == b

    def grow(self, values: list) -> None:
        """Take the values' magnitude into account."""
        for x in values:
            if isinstance(x, float) and math.isfinite(x):
                self.scale = max(self.scale, abs(x))


def difference(
    expected: list,
    got: list,
    world: str,
    lenient: frozenset[str] = frozenset(),
    messages: bool = False,
    strict: float = 1.0,
) -> Difference | None:
    """The first difference between two lists of observations, or None."""
    tolerant = Tolerant(world, strict)
    for i, (a, b) in enumerate(zip(expected, got, strict=False)):
        what = entry_difference(tolerant, a, b, lenient, messages)
        if what is not None:
            return Difference(i, *what)
    if len(expected) != len(got):
        i = min(len(expected), len(got))
        a = expected[i] if i < len(expected) else None
        b = got[i] if i < len(got) else None
        what = "error" if "E" in (a and a[0], b and b[0]) else "order"
        return Difference(i, what, a, b)
    return None


def entry_difference(tolerant, a: list, b: list, lenient, messages: bool):
    """(what, expected, got) for two observations, or None."""
    if a[0] != b[0]:
        return ("error" if "E" in (a[0], b[0]) else "order"), a, b
    if a[0] == "E":
        same = a[1] == b[1] and (not messages or a[2] == b[2])
        return None if same else ("error", a, b)
    if a[0] == "A":
        if "aliases" in lenient or a == b:
            return None
        return "aliases", a[1], b[1]
    if a[0] == "V":
        if len(a) == 2 or len(b) == 2 or a[1:4] != b[1:4]:
            return None if a == b else ("gradient", a, b)
        return None if tolerant.close(a[4], b[4], a[1]) else ("values", a[4], b[4])
    if a[0] == "N":
        return None if tolerant.close(a[1:], b[1:], "float32") else ("note", a[1:], b[1:])
    for k, field in enumerate(FIELDS, 1):
        if field not in lenient and a[k] != b[k]:
            return field, a[k], b[k]
    if a[0] == "T" and not tolerant.close(a[9], b[9], a[1]):
        return "values", a[9], b[9]
    return None


LITERAL = re.compile(r"(?<![\w.])\d+\.\d+(?![\w.])")


def shaken(program, size: float):
    """The program with every float literal a little off, now up, now down."""
    signs = cycle((1, -1, -1, 1, -1, 1, 1))

    def moved(match: re.Match) -> str:
        return repr(float(match.group()) * (1.0 + size * next(signs)))

    def text(chunks):
        return tuple([LITERAL.sub(moved, chunk) for chunk in chunks])

    return replace(program, setup=text(program.setup), body=text(program.body))


def runs_away(program, observations: list) -> bool:
    """Whether values come near the end of their type's range, or past it from large ones."""
    limit = 1e150 if program.world == "f64" else 1e20
    scale, past = 0.0, False
    left = list(observations)
    while left:
        x = left.pop()
        if isinstance(x, list):
            left += x
        elif isinstance(x, float):
            past = past or not math.isfinite(x)
            scale = max(scale, abs(x)) if math.isfinite(x) else scale
    return scale > (1e8 if past else limit)


def sensitive(program, run, expected: list, strict: float = 20.0) -> bool:
    """Whether rounding errors in the literals move PyTorch's own values noticeably.

    A training that runs away, or turns at a kink, makes any two implementations part.
    """
    if runs_away(program, expected):
        return True
    size = 1e-15 if program.world == "f64" else 3e-7
    for factor in (1.0, -1.0):
        d = difference(expected, run(shaken(program, factor * size)), program.world, strict=strict)
        if d is not None and d.what in ("values", "note"):
            return True
    return False


def exactly(a: list, b: list) -> bool:
    """The same bits: floats by their shortest decimal form, NaN equal to NaN."""
    return json.dumps(a) == json.dumps(b)
