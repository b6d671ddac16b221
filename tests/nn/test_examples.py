"""The examples in docstrings of nn print what they say."""

from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import nacre
import nacre.nn

NAMES = ["nacre.nn"] + [
    m.name for m in pkgutil.walk_packages(nacre.nn.__path__, prefix="nacre.nn.")
]


@pytest.mark.parametrize("name", NAMES)
def test_examples(name):
    module = importlib.import_module(name)
    nacre.manual_seed(0)
    found = doctest.testmod(module, extraglobs={"nacre": nacre})
    assert not found.failed
