"""Deliberate breakages of nacre's sources, and whether the random programs notice each.

    python tests/fuzz/mutants.py [--only NAME] [--seconds 60]

Each mutant is a copy of src/nacre with one passage replaced. The recorded programs run on it, cold
and with NACRE_HOT=1 and prints, until one disagrees with PyTorch's record or with its own cold
bits. A mutant that survives is a hole in the tests; a pattern that is missing has to be renewed.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "fuzz"

from fuzz.agree import exactly
from fuzz.compare import Side
from fuzz.generator import generate
from fuzz.record import disagreement, read

SOURCES = Path(__file__).resolve().parents[2] / "src"


@dataclass(frozen=True)
class Mutant:
    """One breakage: in `file` (under src/nacre) the passage `old` becomes `new`."""

    name: str
    file: str
    old: str
    new: str


MUTANTS: list[Mutant] = []


def broken_copy(mutant: Mutant, folder: Path) -> bool:
    """A copy of the package with the mutant in it; false when its passage is not there."""
    shutil.copytree(SOURCES / "nacre", folder / "nacre", ignore=shutil.ignore_patterns("*.pyc"))
    path = folder / "nacre" / mutant.file
    text = path.read_text() if path.exists() else ""
    if text.count(mutant.old) != 1:
        return False
    path.write_text(text.replace(mutant.old, mutant.new))
    return True


def caught(folder: Path, seconds: float) -> str | None:
    """What noticed the breakage, or None."""
    path = {"PYTHONPATH": str(folder)}
    cold = Side(sys.executable, "nacre", {**path, "NACRE_HOT": "1000000000"})
    hot = Side(sys.executable, "nacre", {**path, "NACRE_HOT": "1"})
    end = time.monotonic() + seconds
    try:
        for count, record in enumerate(read(), 1):
            program = generate(record[0])
            observations = cold.run(program)
            why = disagreement(record, program, observations)
            if why is not None:
                return f"seed {program.seed}, program {count}, cold: {why[:120]}"
            if count % 4 == 0 and not exactly(hot.run(program, program.seed), observations):
                return f"seed {program.seed}, program {count}: hot bits differ"
            if time.monotonic() > end:
                break
    finally:
        cold.stop()
        hot.stop()
    return None


def main() -> int:
    """Try the mutants; 0 when all are caught."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--only", default="")
    p.add_argument("--seconds", type=float, default=60.0)
    a = p.parse_args()
    survivors = 0
    for mutant in MUTANTS:
        if a.only not in mutant.name:
            continue
        with tempfile.TemporaryDirectory() as folder:
            if not broken_copy(mutant, Path(folder)):
                print(f"{mutant.name}: PASSAGE MISSING in {mutant.file}", flush=True)
                survivors += 1
                continue
            why = caught(Path(folder), a.seconds)
        survivors += why is None
        print(f"{mutant.name}: {why or 'SURVIVES'}", flush=True)
    return 1 if survivors else 0


if __name__ == "__main__":
    sys.exit(main())
