"""Recorded observations of PyTorch: what 5 000 programs let see, small enough to keep.

    python tests/fuzz/record.py --torch /path/to/python-with-torch [--count 5000]

writes tests/recorded/fuzz_programs.json.gz (programs that magnify rounding errors are left out):
for each program its seed, a checksum of its text, two
characters for every observation (a hash of all that must be equal) and for the floats of an
observation one number, their sum with small integer weights.
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import sys
import zlib
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "fuzz"

from fuzz.agree import sensitive
from fuzz.compare import Side
from fuzz.generator import Program, generate

PATH = Path(__file__).resolve().parents[1] / "recorded" / "fuzz_programs.json.gz"
LETTERS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_"
WEIGHTS = (1, -2, 3, 5, -4, 7, -3, 2)


def bones(x: object, floats: list[float]) -> object:
    """The observation with its finite floats taken out."""
    if isinstance(x, list):
        return [bones(y, floats) for y in x]
    if isinstance(x, float):
        if math.isfinite(x):
            floats.append(x)
            return "f"
        return str(x)
    return x


def entry(observation: list) -> tuple[str, float | None, float]:
    """(hash, weighted sum of the floats or None, largest magnitude) of an observation."""
    floats: list[float] = []
    if observation[0] == "E":
        observation = observation[:2]  # the message is another test's subject
    code = zlib.crc32(json.dumps(bones(observation, floats)).encode())
    text = LETTERS[code & 63] + LETTERS[code >> 6 & 63]
    if not floats:
        return text, None, 0.0
    total = math.fsum(WEIGHTS[i % len(WEIGHTS)] * v for i, v in enumerate(floats))
    return text, total, max(abs(v) for v in floats)


def compact(observations: list) -> tuple[str, list[float]]:
    """A run in its recorded form."""
    entries = [entry(x) for x in observations]
    sums = [float(f"{total:.10g}") for _, total, _ in entries if total is not None]
    return "".join(text for text, _, _ in entries), sums


def disagreement(record: list, program: Program, observations: list) -> str | None:
    """Why a run does not agree with its record, or None."""
    _, _, codes, sums = record
    loose = 1e-5 if program.world != "f64" else 1e-9
    scale, k = 1.0, 0
    for i, observation in enumerate(observations):
        text, total, largest = entry(observation)
        scale = max(scale, largest)
        if codes[2 * i : 2 * i + 2] != text:
            return f"observation {i} differs from PyTorch's: {json.dumps(observation)[:300]}"
        if total is None:
            continue
        float32 = observation[0] == "N" or "float32" in observation[:3]
        tolerance = 60 * scale * max(loose, 1e-5 if float32 else 0.0)
        if abs(total - sums[k]) > tolerance:
            return f"observation {i}: sum {total!r}, PyTorch's {sums[k]!r}: {observation}"
        k += 1
    if len(codes) != 2 * len(observations):
        return f"{len(observations)} observations, PyTorch has {len(codes) // 2}"
    return None


def read() -> list[list]:
    """The records: [seed, checksum, codes, sums] each."""
    with gzip.open(PATH, "rt") as f:
        return json.load(f)


def main() -> None:
    """Record."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--torch", required=True)
    p.add_argument("--count", type=int, default=5000)
    p.add_argument("--leave", default="", help="seeds to leave out, separated by commas")
    a = p.parse_args()
    side, records, seed = Side(a.torch, "torch", {}), [], 0
    leave = {int(s) for s in a.leave.split(",") if s}
    while len(records) < a.count:
        if seed not in leave:
            program = generate(seed)
            observations = side.run(program)
            crashed = any(x[:2] == ["E", "Crash"] for x in observations)
            if not crashed and not sensitive(program, side.run, observations):
                records.append([seed, program.digest(), *compact(observations)])
        seed += 1
    side.stop()
    text = json.dumps(records, separators=(",", ":")).encode()
    PATH.parent.mkdir(exist_ok=True)
    PATH.write_bytes(gzip.compress(text, 9, mtime=0))
    print(f"{len(records)} programs, {PATH.stat().st_size} bytes")


if __name__ == "__main__":
    main()
