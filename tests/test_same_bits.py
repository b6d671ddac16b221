"""No result depends on tiers, threads, what is looked at, or what ran before.

`tests/same_bits.py` does the same for as many programs as one likes; `tests/test_fuzz.py` compares
the recorded ones, `tests/ops/test_tiers.py` the samples of operations.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest

import nacre
import same_bits
from nacre.base import config
from nacre.ir.node import ROOT
from nacre.runtime.run import evaluate

# way: how many programs, from which on
SHARES = {
    "hot": (50, 0),
    "default": (110, 50),
    "default_prints": (50, 0),
    "hot_prints": (30, 130),
    "hot_one_thread": (20, 160),
    "cold_prints": (40, 160),
    "fresh": (4, 60),
    "first": (8, 190),
    "again": (8, 190),
}
FIRST = 1_000_000


@pytest.fixture(scope="module")
def cold() -> Iterator[same_bits.Cold]:
    made = same_bits.Cold()
    yield made
    made.side.stop()


@pytest.fixture(scope="module")
def place(tmp_path_factory) -> str:
    return str(tmp_path_factory.mktemp("kernels"))


@pytest.fixture(scope="module")
def cold_scripts() -> dict[str, str]:
    return same_bits.scripts(same_bits.COLD, False)


def test_every_program_is_run_in_some_way() -> None:
    covered = {start + i for n, start in SHARES.values() for i in range(n)}
    assert len(covered) == 200
    assert SHARES.keys() == same_bits.WAYS.keys()


@pytest.mark.parametrize("way", SHARES)
def test_random_programs(cold: same_bits.Cold, place: str, way: str) -> None:
    count, start = SHARES[way]
    seeds = range(FIRST + start, FIRST + start + count)
    wrong = same_bits.differing(cold, way, seeds, place)
    assert not wrong, f"seeds {wrong}; the first:\n{same_bits.generate(wrong[0]).text()}"


@pytest.mark.parametrize("way", ["hot", "hot_one_thread", "default_prints", "first", "again"])
def test_scripts(cold_scripts: dict[str, str], place: str, way: str) -> None:
    env, prints, _ = same_bits.WAYS[way]
    assert same_bits.scripts(same_bits.placed(env, place), prints) == cold_scripts


# ---- which cell was written, and where it came from, is part of what is remembered ---------------
@pytest.fixture(params=[1, 3, 1 << 30])
def tier(request, monkeypatch) -> None:
    evaluate()
    ROOT.edges.clear()
    monkeypatch.setattr(config, "HOT", request.param)


def _written(first: bool) -> list:
    x = nacre.ones(3)
    a, b = x + 1, x + 2
    (a if first else b).copy_(nacre.full((3,), 7.0))
    return [a.tolist(), b.tolist()]


def _filled(first: bool) -> list:
    x = nacre.ones(3)
    a, b = x + 1, x + 2
    (a if first else b).fill_(7.0)
    return [a.tolist(), b.tolist()]


@pytest.mark.parametrize("write", [_written, _filled])
def test_the_cell_that_was_written_is_the_one_that_changes(tier, write) -> None:
    for first in (True, True, True, True, False, False, False, False, True, False):
        a, b = write(first)
        assert a == ([7.0] * 3 if first else [2.0] * 3)
        assert b == ([3.0] * 3 if first else [7.0] * 3)


def test_two_cells_that_change_places(tier) -> None:
    for k in range(8):
        x = nacre.ones(2)
        a, b, c = x * 1, x * 2, x * 3
        first, second = (a, b) if k % 2 else (b, a)
        first.copy_(c)
        second.copy_(c + 1)
        assert first.tolist() == [3.0, 3.0]
        assert second.tolist() == [4.0, 4.0]


def test_memory_whose_address_was_given_out_takes_no_part(tier) -> None:
    x = nacre.tensor([1.0, 2.0, 3.0])
    for _ in range(5):
        x.add_(1)
        x.tolist()
    pinned = nacre.tensor([1.0, 2.0, 3.0])
    address = pinned.data_ptr()
    for k in range(3):
        pinned.add_(1)
        assert pinned.tolist() == [2.0 + k, 3.0 + k, 4.0 + k]
    assert pinned.data_ptr() == address
    x.add_(1)
    assert x.tolist() == [7.0, 8.0, 9.0]
