"""Writes random PyTorch programs as text, the same text for the same seed.

A program is a list of statements done once, and a list repeated 1 to 5 times with other data. The
runner executes each statement in turn and notes what it raises; a name whose assignment raised is
deleted, so that what the generator believes about a name that exists stays true.
"""

from __future__ import annotations

import sys
import zlib
from dataclasses import dataclass
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "fuzz"

from fuzz.rules import finish, setup
from fuzz.writer import Gen

PROFILES: dict[str, dict[str, int]] = {
    "mixed": dict(
        create=8,
        value=14,
        reduce=5,
        matmul=4,
        view=14,
        alias=5,
        inplace=14,
        write=10,
        read=4,
        setdata=2,
        grad=10,
        hook=3,
        mode=4,
        array=6,
        refs=4,
        see=12,
        flow=4,
        error=2,
    ),
    "views": dict(
        create=6,
        value=8,
        reduce=3,
        matmul=1,
        view=24,
        alias=6,
        inplace=18,
        write=20,
        read=6,
        setdata=2,
        grad=3,
        mode=2,
        array=3,
        refs=5,
        see=10,
        flow=2,
        error=2,
    ),
    "tiny": dict(
        create=6,
        value=14,
        view=6,
        alias=9,
        inplace=18,
        write=5,
        setdata=3,
        grad=3,
        mode=1,
        array=4,
        refs=10,
        see=16,
        flow=3,
    ),
    "grad": dict(
        create=7,
        value=18,
        reduce=5,
        matmul=5,
        view=12,
        alias=3,
        inplace=10,
        write=6,
        read=3,
        setdata=2,
        grad=24,
        hook=8,
        mode=4,
        refs=2,
        see=8,
        flow=2,
        error=1,
    ),
    "array": dict(
        create=5,
        value=10,
        reduce=3,
        view=10,
        alias=3,
        inplace=12,
        write=8,
        read=2,
        setdata=2,
        grad=2,
        array=26,
        refs=6,
        see=10,
        flow=2,
    ),
    "train": dict(
        create=3,
        value=4,
        reduce=2,
        view=3,
        alias=2,
        inplace=3,
        write=2,
        train=22,
        grad=3,
        hook=3,
        mode=1,
        array=2,
        refs=1,
        see=5,
        flow=1,
    ),
}
SIZES = {"mixed": 30, "views": 12, "tiny": 18, "grad": 20, "array": 10, "train": 10}


@dataclass(frozen=True)
class Program:
    """One random program."""

    seed: int
    profile: str
    world: str  # f64, f32 or both: the float types its literals have
    loops: int
    setup: tuple[str, ...]
    body: tuple[str, ...]

    def digest(self) -> int:
        """A checksum of the text, so that records notice a changed generator."""
        return zlib.crc32("\0".join((*self.setup, "|", *self.body, str(self.loops))).encode())

    def text(self) -> str:
        """The program as one plain source file (without the runner's catching of exceptions)."""
        lines = ["import copy, threading", "import numpy as np", "import torch"]
        lines += ["from torch import nn", "from torch.nn import functional as F"]
        lines += ["see = meta = note = val = print", *self.setup]
        if self.loops == 1:
            return "\n".join([*lines, "it = 0", *self.body]) + "\n"
        lines.append(f"for it in range({self.loops}):")
        lines += ["    " + line for chunk in self.body for line in chunk.split("\n")]
        return "\n".join(lines) + "\n"


def generate(seed: int) -> Program:
    """The program of a seed."""
    return generate_with_model(seed)[0]


def generate_with_model(seed: int) -> tuple[Program, Gen]:
    """The program of a seed, and what the generator believes of its state at the end of a round."""
    g = Gen(seed, SIZES)
    setup(g)
    before = g.take()
    g.in_loop = True
    size = g.r.weighted([4, 8, 14, 24, 40], [2, 6, 6, 4, 1])
    g.fill(size, PROFILES[g.profile])
    finish(g)
    loops = g.r.weighted([1, 2, 3, 4, 5], [4, 2, 3, 2, 2])
    return Program(seed, g.profile, g.world, loops, before, g.take()), g


if __name__ == "__main__":
    print(generate(int(sys.argv[1])).text())
