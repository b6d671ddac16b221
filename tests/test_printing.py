"""Tensors print character for character as PyTorch's."""

from __future__ import annotations

import gzip
import json

import pytest

import nacre
from nacre.tensor import printing
from printing_cases import CASES, FORMATS, RECORDED, formatted, text

TABLE = json.loads(gzip.decompress(RECORDED.read_bytes()))


@pytest.mark.parametrize("index", range(len(CASES)), ids=CASES)
def test_text_is_pytorchs(index):
    assert text(nacre, CASES[index]) == TABLE["texts"][index]


@pytest.mark.parametrize("index", range(len(FORMATS)), ids=FORMATS)
def test_format_is_pytorchs(index):
    assert formatted(nacre, FORMATS[index]) == TABLE["formats"][index]


def test_options_come_back_after_a_with_statement():
    before = printing.get_printoptions()
    with printing.printoptions(precision=1, sci_mode=True):
        assert str(nacre.tensor(1.25)) == "tensor(1.2e+00)"
    assert printing.get_printoptions() == before


def test_a_default_type_changes_what_is_named():
    nacre.set_default_dtype(nacre.float64)
    try:
        assert str(nacre.tensor([1.5])) == "tensor([1.5000])"
        assert str(nacre.ones(1, dtype=nacre.float32)) == "tensor([1.], dtype=torch.float32)"
    finally:
        nacre.set_default_dtype(nacre.float32)


def test_only_the_ends_of_a_long_tensor_are_looked_at():
    text = str(nacre.zeros(1 << 20))
    assert text == "tensor([0., 0., 0.,  ..., 0., 0., 0.])"
