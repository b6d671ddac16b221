"""Whole trajectories, state dicts, texts and errors are PyTorch's."""

from __future__ import annotations

import gzip
import json
import math
from pathlib import Path

import pytest

import nacre
from optim import programs

RECORDED = json.loads(
    gzip.decompress((Path(__file__).parent.parent / "recorded" / "optim.json.gz").read_bytes())
)["results"]


@pytest.fixture(scope="module")
def found():
    """All programs run once by nacre, as JSON would give them."""
    return json.loads(json.dumps(programs.everything(nacre)))


def differences(ours, theirs, place=""):
    """The first place where two results differ, numbers to 2e-4 of their size."""
    if isinstance(theirs, float) and isinstance(ours, float):
        close = math.isclose(ours, theirs, rel_tol=2e-4, abs_tol=2e-5)
        return None if close else f"{place}: {ours} against {theirs}"
    if isinstance(theirs, list) and isinstance(ours, list):
        if len(ours) != len(theirs):
            return f"{place}: {len(ours)} entries against {len(theirs)}"
        pairs = enumerate(zip(ours, theirs, strict=True))
        return next(filter(None, (differences(a, b, f"{place}/{i}") for i, (a, b) in pairs)), None)
    if isinstance(theirs, dict) and isinstance(ours, dict):
        if ours.keys() != theirs.keys():
            return f"{place}: {sorted(ours)} against {sorted(theirs)}"
        each = (differences(ours[k], theirs[k], f"{place}/{k}") for k in theirs)
        return next(filter(None, each), None)
    same = ours == theirs and type(ours) is type(theirs)
    return None if same else f"{place}: {ours!r} against {theirs!r}"


@pytest.mark.parametrize("name", sorted(RECORDED))
def test_result_is_pytorchs(found, name):
    assert differences(found[name], RECORDED[name]) is None
