"""Live comparison of PyTorch and nacre on random programs, with shrinking.

    python tests/fuzz/compare.py --torch /path/to/python-with-torch --seed 0 --count 1000
        [--hot N] [--threads N] [--prints] [--lenient stride,grad_fn] [--messages] [--shrink 5]

Both interpreters stay up and exchange JSON lines. `--hot N` also runs nacre with NACRE_HOT=N, and
`--prints` also with observations inserted; both must give nacre's cold bits exactly. With
`--module torch` PyTorch is compared with itself: a check of the generator and the runner.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import select
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "fuzz"

from fuzz.agree import Difference, difference, exactly, runs_away, sensitive
from fuzz.generator import Program, generate

RUNNER = Path(__file__).with_name("runner.py")
PATIENCE = 30.0


class Side:
    """A long-lived interpreter that runs programs; it is started again after a crash."""

    def __init__(self, python: str, module: str, env: dict[str, str]) -> None:
        self.command = [python, str(RUNNER), module]
        self.env = {**os.environ, **env}
        self.process: subprocess.Popen | None = None

    def start(self) -> subprocess.Popen:
        """The interpreter, started if need be."""
        if self.process is None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=self.env, text=True
            )
        return self.process

    def run(self, program: Program, prints: int | None = None) -> list:
        """The program's observations; a crash or a hang is one observation."""
        process = self.start()
        message = {"setup": program.setup, "body": program.body, "loops": program.loops}
        if prints is not None:
            message["prints"] = prints
        try:
            process.stdin.write(json.dumps(message) + "\n")
            process.stdin.flush()
            ready, _, _ = select.select([process.stdout], [], [], PATIENCE)
            line = process.stdout.readline() if ready else "hang"
        except BrokenPipeError:
            line = ""
        if line in ("", "hang"):
            code = self.stop()
            return [["E", "Hang" if line else "Crash", f"exit code {code}"]]
        return json.loads(line)["obs"]

    def stop(self) -> int | None:
        """End the interpreter."""
        process, self.process = self.process, None
        if process is None:
            return None
        process.kill()
        code = process.wait()
        for pipe in (process.stdin, process.stdout):
            with contextlib.suppress(BrokenPipeError):
                pipe.close()
        return code

    def fresh(self) -> None:
        """Forget everything earlier programs left in the process."""
        self.stop()


def smaller(program: Program):
    """Programs with something removed, largest pieces first."""
    if program.loops > 1:
        yield replace(program, loops=1)
        yield replace(program, loops=program.loops - 1)
    for part in ("body", "setup"):
        chunks = getattr(program, part)
        size = len(chunks) // 2
        while size:
            for i in range(0, len(chunks), size):
                yield replace(program, **{part: chunks[:i] + chunks[i + size :]})
            size //= 2
        for i, chunk in enumerate(chunks):
            for lines in thinner(chunk.split("\n")):
                yield replace(program, **{part: (*chunks[:i], "\n".join(lines), *chunks[i + 1 :])})


def thinner(lines: list[str]):
    """A compound statement without one of its lines, or without its head."""
    if len(lines) < 2:
        return
    for j in range(len(lines)):
        rest = lines[:j] + lines[j + 1 :]
        yield rest
    if lines[0].endswith(":") and all(line.startswith("    ") for line in lines[1:]):
        yield [line[4:] for line in lines[1:]]


def compiles(program: Program) -> bool:
    """Whether every statement still stands."""
    try:
        for text in (*program.setup, *program.body):
            compile(text, "<program>", "exec")
    except SyntaxError:
        return False
    return True


def shrink(program: Program, fails: Callable[[Program], bool], seconds: float) -> Program:
    """The smallest program found that still fails."""
    end = time.monotonic() + seconds
    progress = True
    while progress and time.monotonic() < end:
        progress = False
        for candidate in smaller(program):
            if time.monotonic() > end:
                break
            if compiles(candidate) and fails(candidate):
                program, progress = candidate, True
                break
    return program


@dataclass
class Failure:
    """A program on which the sides part."""

    program: Program
    mode: str
    kind: str
    expected: object
    got: object


@dataclass
class Campaign:
    """PyTorch on one side, nacre in several ways on the other."""

    torch: Side
    sides: dict[str, Side]
    lenient: frozenset[str]
    messages: bool
    prints: bool
    found: dict[str, list[Failure]] = field(default_factory=dict)
    ill: int = 0

    def failure(self, program: Program) -> Failure | None:
        """The first way in which the program goes wrong."""
        expected = self.torch.run(program)
        cold = self.sides["cold"].run(program)
        d = difference(expected, cold, program.world, self.lenient, self.messages)
        if d is not None and not self.excused(program, d, expected, cold):
            return Failure(program, "cold", d.kind(), d.expected, d.got)
        return self.bits(program, cold)

    def excused(self, program: Program, d: Difference, expected: list, got: list) -> bool:
        """Whether values differ because the program magnifies rounding errors."""
        if d.what not in ("values", "note"):
            return False
        found = runs_away(program, got) or sensitive(program, self.torch.run, expected)
        self.ill += found
        return found

    def bits(self, program: Program, cold: list) -> Failure | None:
        """Whether another way of running gives other bits than the cold run."""
        for mode, side in self.sides.items():
            for prints in (None, program.seed) if self.prints else (None,):
                if mode == "cold" and prints is None:
                    continue
                got = side.run(program, prints)
                if not exactly(cold, got):
                    name = mode + (", prints" if prints is not None else "")
                    d = difference(cold, got, program.world)
                    if d is None:
                        return Failure(program, name, "bits", cold, got)
                    return Failure(program, name, f"{name}: {d.kind()}", d.expected, d.got)
        return None

    def same_failure(self, kind: str) -> Callable[[Program], bool]:
        """A test for shrinking."""

        def fails(program: Program) -> bool:
            failure = self.failure(program)
            return failure is not None and failure.kind == kind

        return fails

    def report(self, limit: int, seconds: float, fresh: bool) -> None:
        """Print every kind of failure with one shrunk program."""
        ordered = sorted(self.found.items(), key=lambda item: -len(item[1]))
        for kind, failures in ordered[:limit]:
            smallest = min(failures, key=lambda f: len(f.program.body) * f.program.loops)
            if fresh:
                for side in self.sides.values():
                    side.fresh()
            program, alone = smallest.program, self.same_failure(kind)(smallest.program)
            if alone:
                program = shrink(program, self.same_failure(kind), seconds)
            last = (self.failure(program) if alone else None) or smallest
            print(f"\n=== {len(failures)} x {kind}   (seed {program.seed}, {last.mode})")
            print("" if alone else "(not reproduced alone)\n", program.text(), sep="")
            print(f"expected {short(last.expected)}\ngot      {short(last.got)}", flush=True)
        for kind, failures in ordered[limit:]:
            print(f"{len(failures)} x {kind}   (seed {failures[0].program.seed})")


def short(x: object) -> str:
    """An observation on one line."""
    text = json.dumps(x)
    return text if len(text) < 600 else text[:600] + "…"


def arguments() -> argparse.Namespace:
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--torch", required=True, help="a Python that has PyTorch")
    p.add_argument("--nacre", default=sys.executable, help="a Python that has nacre")
    p.add_argument("--module", default="nacre")
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--count", type=int, default=1000)
    p.add_argument("--hot", type=int)
    p.add_argument("--threads", type=int)
    p.add_argument("--prints", action="store_true")
    p.add_argument("--messages", action="store_true", help="first lines of messages too")
    p.add_argument("--lenient", default="", help="fields that need not agree")
    p.add_argument("--shrink", type=int, default=10, help="how many kinds of failure to shrink")
    p.add_argument("--seconds", type=float, default=20.0, help="time for each shrinking")
    p.add_argument("--only", default="", help="only programs of this profile")
    p.add_argument("--stop", type=int, default=10**9, help="stop after so many failures")
    p.add_argument("--fresh", action="store_true", help="restart nacre before each shrinking")
    return p.parse_args()


def main() -> int:
    """Run a campaign."""
    a = arguments()
    threads = {} if a.threads is None else {"NACRE_NUM_THREADS": str(a.threads)}
    sides = {"cold": Side(a.nacre, a.module, {"NACRE_HOT": "1000000000", **threads})}
    if a.hot is not None:
        sides[f"hot {a.hot}"] = Side(a.nacre, a.module, {"NACRE_HOT": str(a.hot), **threads})
    lenient = frozenset(a.lenient.split(",")) - {""}
    campaign = Campaign(Side(a.torch, "torch", {}), sides, lenient, a.messages, a.prints)
    start, ran, bad = time.monotonic(), 0, 0
    for seed in range(a.seed, a.seed + a.count):
        program = generate(seed)
        if a.only and program.profile != a.only:
            continue
        ran += 1
        failure = campaign.failure(program)
        if failure is not None:
            bad += 1
            campaign.found.setdefault(failure.kind, []).append(failure)
            if bad >= a.stop:
                break
    seconds = time.monotonic() - start
    print(
        f"{ran} programs, {bad} disagree, {len(campaign.found)} kinds, {campaign.ill} excused for "
        f"magnifying rounding errors, {seconds:.1f} s",
        flush=True,
    )
    campaign.report(a.shrink, a.seconds, a.fresh)
    for side in (campaign.torch, *sides.values()):
        side.stop()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
