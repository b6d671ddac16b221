"""Ctrl-C at random moments of a training loop; each must leave a whole number of steps.

    python tests/runtime/interrupts.py --count 1000 [--seed 0] [--how timer|signals]

`timer` raises in this process; with `signals` another process sends SIGINT. Prints a line of JSON.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "runtime"

import numpy as np

import nacre
from nacre.ir.node import ROOT
from runtime.training import Training, states

STEPS = 60  # a training starts anew after so many
FORGET = 25  # the recorder forgets all it knows after so many interrupts


class Timer:
    """Interrupts this process after a random time, once for each `start`."""

    def __init__(self, rng: random.Random):
        self.rng = rng
        signal.signal(signal.SIGALRM, signal.default_int_handler)

    def start(self, longest: float) -> None:
        """Interrupt at some moment of the next `longest` seconds."""
        signal.setitimer(signal.ITIMER_REAL, self.rng.uniform(2e-5, longest))

    def stop(self) -> None:
        """No interrupt from here on."""
        signal.setitimer(signal.ITIMER_REAL, 0)


SENDER = """
import os, signal, sys, time
for line in sys.stdin:
    time.sleep(float(line))
    os.kill(os.getppid(), signal.SIGINT)
"""


class Signals:
    """Another process that sends SIGINT after a random time, once for each `start`."""

    def __init__(self, rng: random.Random):
        # What a shell runs in the background ignores SIGINT.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        self.rng = rng
        self.sender = subprocess.Popen(
            [sys.executable, "-c", SENDER], stdin=subprocess.PIPE, text=True
        )

    def start(self, longest: float) -> None:
        """Ask for an interrupt in the next `longest` seconds."""
        self.sender.stdin.write(f"{self.rng.uniform(0, longest)}\n")
        self.sender.stdin.flush()

    def stop(self) -> None:
        """The one that was asked for has come: nothing to do."""


class Report:
    """What the interrupts did."""

    def __init__(self):
        self.hits = self.before = self.after = self.first_sights = 0
        self.wrong: list[str] = []

    def check(self, known: list, k: int, state, what: str) -> int:
        """The number of whole steps that a state stands for: k or one more."""
        self.hits += 1
        if state == known[k]:
            self.before += 1
            return k
        if state == known[k + 1]:
            self.after += 1
            return k + 1
        self.wrong.append(f"{what}: neither as after {k} steps nor after {k + 1}")
        return k


def train(report: Report, source, count: int, rng: random.Random) -> None:
    """Interrupt the training of an MLP `count` times."""
    known = states(STEPS + 2)
    took = _seconds(Training().step)
    goal = report.hits + count
    training = Training()
    while report.hits < goal:
        if training.steps >= STEPS - 20 or rng.random() < 0.02:
            training = Training()
        if rng.random() < 1 / FORGET:
            ROOT.edges.clear()  # what comes now is recorded, checked and compiled anew
            report.first_sights += 1
        observe = rng.random() < 0.3
        longest = took * rng.choice((2, 8))
        if _interrupted(lambda t=training, o=observe: _steps(t, o), source, longest):
            training.steps = report.check(known, training.steps, training.state(), "training")
            if report.wrong:
                return
        elif training.state() != known[training.steps]:
            report.wrong.append(f"training went wrong at step {training.steps}")
            return


def _steps(training: Training, observe: bool) -> None:
    while training.steps < STEPS:
        training.step(observe)


def _seconds(f) -> float:
    for _ in range(5):
        f()
    start = time.perf_counter()
    for _ in range(10):
        f()
    return (time.perf_counter() - start) / 10


def update(report: Report, source, count: int, rng: random.Random) -> None:
    """Interrupt `p -= lr * g`, computed in p's own memory, `count` times."""
    start = np.linspace(-1, 1, 5000).astype(np.float32)
    g = nacre.tensor(np.cos(start))
    known = []
    p = nacre.tensor(start)
    for k in range(400):
        known.append(p.numpy().tobytes())
        _descend(p, g, k)
    goal = report.hits + count
    p, k = nacre.tensor(start), 0
    while report.hits < goal:
        if k > 300:
            p, k = nacre.tensor(start), 0
        place = [k]

        def work(p=p, place=place):
            while place[0] < 390:
                _descend(p, g, place[0])
                sum(p.tolist()[:2])
                place[0] += 1

        if _interrupted(work, source, 8e-4):
            k = report.check(known, place[0], np.array(p.tolist(), np.float32).tobytes(), "update")
            if report.wrong:
                return
        else:
            k = place[0]


def _descend(p, g, k: int) -> None:
    p -= (0.01 + k * 1e-4) * g


def _interrupted(work, source, longest: float) -> bool:
    """Whether the interrupt that is due came through while `work` ran."""
    try:
        source.start(longest)
        work()
        time.sleep(longest)
    except KeyboardInterrupt:
        return True
    finally:
        source.stop()
    return False


def main() -> int:
    """Run and report."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--count", type=int, default=1000)
    p.add_argument("--seed", type=int, default=0)
    p.add_argument("--how", choices=("timer", "signals"), default="timer")
    a = p.parse_args()
    rng = random.Random(a.seed)
    source = Timer(rng) if a.how == "timer" else Signals(rng)
    report = Report()
    start = time.perf_counter()
    # an interrupt that comes inside a finaliser is printed and dropped by Python
    sys.unraisablehook = lambda found: None
    train(report, source, a.count // 2, rng)
    if not report.wrong:
        update(report, source, a.count - a.count // 2, rng)
    seconds = round(time.perf_counter() - start, 1)
    print(json.dumps({**vars(report), "seconds": seconds}))
    if a.how == "signals":
        source.sender.stdin.close()
        with contextlib.suppress(KeyboardInterrupt):
            source.sender.wait()
    sys.stdout.flush()
    os._exit(1 if report.wrong else 0)


if __name__ == "__main__":
    sys.exit(main())
