"""Random programs give what PyTorch gave, and the same bits however they are run.

`tests/fuzz/compare.py` compares live, where PyTorch is at hand, and shrinks what fails.
"""

from __future__ import annotations

import importlib
import os
import sys
import zlib
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent))

from fuzz.compare import Side
from fuzz.differences import check
from fuzz.generator import Program, generate
from fuzz.record import disagreement, read

pytest.importorskip("nacre")

MODULE = os.environ.get("FUZZ_MODULE", "nacre")  # "torch" checks the records against PyTorch
BLOCK = 500
RECORDS = read()
COLD = {"NACRE_HOT": "1000000000"}


def checksum(observations: list) -> int:
    """Of every bit that a run let see."""
    return zlib.crc32(repr(observations).encode())


def shown(program: Program, why: str) -> str:
    """A failure as text."""
    return f"seed {program.seed}: {why}\n{program.text()}"


class Pair:
    """Two processes that run programs at a time, and the checksums of what they let see."""

    def __init__(self, env: dict[str, str]) -> None:
        self.sides = [Side(sys.executable, MODULE, env) for _ in range(2)]
        self.bits: dict[int, int] = {}

    def run(self, programs: list[Program], prints: bool = False) -> list[tuple[Program, list]]:
        """Each program with its observations."""

        def half(k: int) -> list[tuple[Program, list]]:
            side = self.sides[k]
            return [(p, side.run(p, p.seed if prints else None)) for p in programs[k::2]]

        with ThreadPoolExecutor(2) as pool:
            ran = [run for part in pool.map(half, range(2)) for run in part]
        self.bits.update((p.seed, checksum(observations)) for p, observations in ran)
        return ran

    def stop(self) -> None:
        """End the processes."""
        for side in self.sides:
            side.stop()


@pytest.fixture(scope="module")
def cold() -> Iterator[Pair]:
    pair = Pair(COLD)
    yield pair
    pair.stop()


@pytest.mark.parametrize("start", range(0, len(RECORDS), BLOCK))
def test_programs_see_what_pytorch_let_them_see(cold: Pair, start: int) -> None:
    records = {record[0]: record for record in RECORDS[start : start + BLOCK]}
    programs = [generate(seed) for seed in records]
    changed = [p.seed for p in programs if p.digest() != records[p.seed][1]]
    assert not changed, "the generator changed: run tests/fuzz/record.py"
    found = [(p, disagreement(records[p.seed], p, seen)) for p, seen in cold.run(programs)]
    failures = [shown(program, why) for program, why in found if why is not None]
    assert not failures, f"{len(failures)} programs disagree; the first:\n" + "\n".join(
        failures[:2]
    )


WAYS = {
    "hot": ({"NACRE_HOT": "1"}, False),
    "hot_with_prints": ({"NACRE_HOT": "1"}, True),
    "cold_with_prints": (COLD, True),
    "one_thread_usual_tiers": ({"NACRE_NUM_THREADS": "1"}, False),
}


@pytest.mark.parametrize("way", WAYS)
def test_bits_do_not_depend_on_how_a_program_is_run(cold: Pair, way: str) -> None:
    env, prints = WAYS[way]
    share = 12 if "hot" in way else 6
    programs = [generate(record[0]) for record in RECORDS[list(WAYS).index(way) :: share]]
    missing = [p for p in programs if p.seed not in cold.bits]
    if missing:
        cold.run(missing)
    pair = Pair(env)
    try:
        pair.run(programs, prints)
    finally:
        pair.stop()
    other = [p for p in programs if pair.bits[p.seed] != cold.bits[p.seed]]
    assert not other, f"{len(other)} programs differ; the first:\n" + "\n".join(
        shown(p, "other bits than cold") for p in other[:2]
    )


@pytest.mark.parametrize("start", range(0, 300, 100))
def test_gradients_agree_with_finite_differences(start: int) -> None:
    torch = importlib.import_module(MODULE)
    found = [check(torch, seed) for seed in range(start, start + 100)]
    wrong = [text for text in found if text is not None]
    assert not wrong, f"{len(wrong)} functions are wrong; the first:\n" + "\n".join(wrong[:2])
