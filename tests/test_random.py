"""Random numbers are PyTorch's, for the same seed and in the same order."""

from __future__ import annotations

import gzip
import json
import math

import pytest

import nacre
from random_cases import CASES, RECORDED, REFUSED, refusal, result

TABLE = json.loads(gzip.decompress(RECORDED.read_bytes()))


def same(ours, theirs):
    """Equal, floats to 1e-6: PyTorch's own sine and logarithm are approximate in float32."""
    if isinstance(theirs, float) and isinstance(ours, float):
        return math.isclose(ours, theirs, rel_tol=1e-6, abs_tol=1e-6) or (
            math.isnan(ours) and math.isnan(theirs)
        )
    if isinstance(theirs, list) and isinstance(ours, list):
        pairs = zip(ours, theirs, strict=False)
        return len(ours) == len(theirs) and all(same(a, b) for a, b in pairs)
    return ours == theirs and type(ours) is type(theirs)


@pytest.mark.parametrize("index", range(len(CASES)))
def test_numbers_are_pytorchs(index):
    ours = json.loads(json.dumps(result(nacre, CASES[index])))
    theirs = TABLE["results"][index]
    assert same(ours, theirs), f"{CASES[index]}\n{ours}\nPyTorch: {theirs}"


@pytest.mark.parametrize("index", range(len(REFUSED)), ids=REFUSED)
def test_refusals_are_pytorchs(index):
    ours = refusal(nacre, REFUSED[index])
    assert ours == TABLE["refusals"][index]
