"""Whether long runs leave memory flat.

    python tests/runtime/growth.py [--steps 100000] [--what steps|unobserved|shapes|loops]

Prints a line of JSON: resident memory in MiB and the number of states, along the way.
"""

from __future__ import annotations

import argparse
import gc
import json
import sys
import time
from pathlib import Path

if __package__ in (None, ""):
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    __package__ = "runtime"

import numpy as np

import nacre
from nacre import nn
from nacre.data import DataLoader, TensorDataset
from nacre.ir.node import ROOT, Node
from nacre.runtime.forget import MEMORY
from runtime.training import Training


def resident() -> float:
    """MiB of this process in memory."""
    try:
        pages = int(Path("/proc/self/statm").read_text().split()[1])
        return pages * 4096 / (1 << 20)
    except OSError:
        import resource

        return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def states() -> int:
    """How many states can be reached from ROOT."""
    found = [ROOT]
    for node in found:
        for after in node.edges.values():
            if type(after) is Node and after.parent is node:
                found.append(after)
    return len(found)


class Log:
    """Memory and states, taken `times` times in equal distances."""

    def __init__(self, steps: int, times: int = 10):
        self.every = max(1, steps // times)
        self.resident: list[float] = []
        self.states: list[int] = []

    def at(self, i: int) -> None:
        """Note what there is, if it is time."""
        if (i + 1) % self.every == 0:
            gc.collect()
            self.resident.append(round(resident(), 1))
            self.states.append(states())


def steps(n: int) -> Log:
    """Training as usual: one loss in a hundred is looked at, the rate changes all the time."""
    log = Log(n)
    training = Training()
    for i in range(n):
        training.step(observe=i % 100 == 0)
        log.at(i)
    return log


def unobserved(n: int) -> Log:
    """Batches through a model whose results nobody looks at, and no step ends anything."""
    log = Log(n)
    model = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 4))
    data = TensorDataset(nacre.zeros(64, 12))
    i = 0
    while i < n:
        for (x,) in DataLoader(data, batch_size=4):
            y = model(x).sum()
            log.at(i)
            i += 1
    y.item()
    return log


def loops(n: int) -> Log:
    """The same without blocks and batches: there is no natural boundary."""
    log = Log(n)
    x = nacre.ones(300)
    total = nacre.zeros(300)
    w = nacre.ones(300, requires_grad=True)
    for i in range(n):
        x = x * 1.0000001
        total += x
        y = nacre.softmax(total, 0)
        if i % 4 == 0:
            (w * y).sum().backward()
        log.at(i)
    assert w.grad.sum().item() > 0
    return log


def shapes(n: int) -> Log:
    """A new shape in every step, some of them several times."""
    log = Log(n)
    model = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 1))
    opt = nacre.optim.SGD(model.parameters(), lr=0.01)
    random = np.random.RandomState(0)
    for i in range(n):
        rows = i + 1 if i % 3 else 1 + random.randint(n)
        for _ in range(1 + 3 * (i % 7 == 0)):
            y = model(nacre.ones(rows, 6))
            loss = (y * y).mean()
            opt.zero_grad()
            loss.backward()
            opt.step()
        log.at(i)
    assert np.isfinite(loss.item())
    return log


def main() -> int:
    """Run and report."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--steps", type=int, default=100_000)
    p.add_argument("--what", choices=("steps", "unobserved", "shapes", "loops"), default="steps")
    p.add_argument("--most", type=int, help="how many states may be remembered")
    a = p.parse_args()
    if a.most:
        MEMORY.most = a.most
    start = time.perf_counter()
    log = globals()[a.what](a.steps)
    seconds = round(time.perf_counter() - start, 1)
    print(json.dumps({"MiB": log.resident, "states": log.states, "seconds": seconds}))
    return 0


if __name__ == "__main__":
    sys.exit(main())
