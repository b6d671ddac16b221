"""Samples of the registry as cases in JSON, and the table of what PyTorch makes of them."""

from __future__ import annotations

import gzip
import json
import subprocess
import zlib
from pathlib import Path

import nacre  # noqa: F401  (registers every operation)
from nacre.base.dtypes import dtype
from nacre.ops.record import REGISTRY
from nacre.ops.samples import Array

from .outcomes import in_place

TABLE = Path(__file__).resolve().parents[1] / "recorded" / "ops.json.gz"
RECORDS = [r for r in REGISTRY.values() if not r.internal]


# ---- JSON forms ---------------------------------------------------------------------------------
class Encoder:
    """Turns arguments into JSON forms; each tensor gets values of its own."""

    def __init__(self):
        self.which = 0

    def __call__(self, x):
        if isinstance(x, Array):
            self.which += 1
            data = x.values(self.which - 1)
            return {"array": [x.dtype, list(x.shape), x.layout, data, x.fixed]}
        if isinstance(x, dtype):
            return {"dtype": x.name}
        if isinstance(x, tuple):
            return {"tuple": [self(y) for y in x]}
        if isinstance(x, list):
            return [self(y) for y in x]
        if isinstance(x, slice):
            return {"slice": [x.start, x.stop, x.step]}
        if x is ...:
            return {"ellipsis": True}
        return x


def case(sample, call) -> dict:
    """A sample called by a spelling."""
    encode = Encoder()
    args = [encode(x) for x in sample.args]
    kwargs = {k: encode(v) for k, v in sample.kwargs.items()}
    return {"call": call, "args": args, "kwargs": kwargs}


def digest(cased: dict) -> str:
    """A short name of a case, by which the table knows it."""
    return f"{zlib.crc32(json.dumps(cased).encode()):08x}"


# ---- spellings ----------------------------------------------------------------------------------
def spellings(record, sample) -> list[str]:
    """How a sample of a record is called, the first of them the one that others are held to."""
    if sample.calls:
        return list(sample.calls)
    own = {c for s in record.samples() if s.apart for c in s.calls}
    general = [c for c in record.torch if c not in own and not c.startswith("nn.")]
    return sorted(general or record.torch, key=in_place)


def samples(record) -> list:
    """All samples of a record, refused ones included."""
    return [*record.samples(), *(record.errors() if record.errors else ())]


def judged(record, sample) -> list[str]:
    """The spellings whose outcome is recorded: the first, in-place forms, and named ones."""
    calls = spellings(record, sample)
    if sample.calls:
        return calls
    return [calls[0], *[c for c in calls[1:] if in_place(c) and not c.endswith("__")]]


def every_case() -> dict:
    """All cases that the table holds, by digest."""
    found = {}
    for record in RECORDS:
        for sample in samples(record):
            for call in judged(record, sample):
                made = case(sample, call)
                found[digest(made)] = made
    return found


# ---- the table ----------------------------------------------------------------------------------
def read() -> dict:
    """PyTorch's outcomes by digest."""
    with gzip.open(TABLE, "rt") as f:
        return json.load(f)


def ask(python: str, cases: dict) -> dict:
    """Outcomes of cases in an interpreter that has PyTorch."""
    script = Path(__file__).resolve().parent / "outcomes.py"
    text = "".join(json.dumps(c) + "\n" for c in cases.values())
    done = subprocess.run([python, script], input=text, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    answers = [json.loads(line) for line in done.stdout.splitlines()]
    return dict(zip(cases, answers, strict=True))
