"""Batches, their order and their types are PyTorch's, and so is what is refused."""

from __future__ import annotations

import gzip
import json

import pytest

import nacre
from data.programs import CASES, RECORDED, REFUSED, refusal, result

TABLE = json.loads(gzip.decompress(RECORDED.read_bytes()))


@pytest.mark.parametrize("index", range(len(CASES)))
def test_batches_are_pytorchs(index):
    ours = json.loads(json.dumps(result(nacre, nacre.utils.data, CASES[index])))
    assert ours == TABLE["results"][index], CASES[index]


@pytest.mark.parametrize("index", range(len(REFUSED)), ids=REFUSED)
def test_refusals_are_pytorchs(index):
    assert refusal(nacre, nacre.utils.data, REFUSED[index]) == TABLE["refusals"][index]


def test_an_iterable_dataset_must_have_an_iterator():
    with pytest.raises(TypeError, match="__iter__"):
        nacre.utils.data.IterableDataset()
