"""Random programs give what PyTorch gave, and the same bits however they are run.

`tests/fuzz/compare.py` compares live, where PyTorch is at hand, and shrinks what fails.
"""

from __future__ import annotations

import importlib
import os
import sys
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
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


@dataclass
class Runs:
    """The cold runs so far, and the process they were made in."""

    side: Side
    bits: dict[int, int] = field(default_factory=dict)

    def cold(self, seed: int) -> int:
        """The checksum of a program's cold run."""
        if seed not in self.bits:
            self.bits[seed] = checksum(self.side.run(generate(seed)))
        return self.bits[seed]


@pytest.fixture(scope="module")
def runs() -> Iterator[Runs]:
    made = Runs(Side(sys.executable, MODULE, COLD))
    yield made
    made.side.stop()


@pytest.mark.parametrize("start", range(0, len(RECORDS), BLOCK))
def test_programs_see_what_pytorch_let_them_see(runs: Runs, start: int) -> None:
    failures = []
    for record in RECORDS[start : start + BLOCK]:
        program = generate(record[0])
        assert program.digest() == record[1], "the generator changed: run tests/fuzz/record.py"
        observations = runs.side.run(program)
        runs.bits[program.seed] = checksum(observations)
        why = disagreement(record, program, observations)
        if why is not None:
            failures.append(shown(program, why))
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
def test_bits_do_not_depend_on_how_a_program_is_run(runs: Runs, way: str) -> None:
    env, prints = WAYS[way]
    side = Side(sys.executable, MODULE, env)
    failures = []
    share = 12 if "hot" in way else 6
    try:
        for record in RECORDS[list(WAYS).index(way) :: share]:
            program = generate(record[0])
            observations = side.run(program, program.seed if prints else None)
            if checksum(observations) != runs.cold(program.seed):
                failures.append(shown(program, "other bits than cold"))
    finally:
        side.stop()
    assert not failures, f"{len(failures)} programs differ; the first:\n" + "\n".join(failures[:2])


@pytest.mark.parametrize("start", range(0, 600, 100))
def test_gradients_agree_with_finite_differences(start: int) -> None:
    torch = importlib.import_module(MODULE)
    found = [check(torch, seed) for seed in range(start, start + 100)]
    wrong = [text for text in found if text is not None]
    assert not wrong, f"{len(wrong)} functions are wrong; the first:\n" + "\n".join(wrong[:2])
