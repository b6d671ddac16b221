"""The same bits however a program is run: random programs, and scripts large enough for threads.

    python tests/same_bits.py [--count 1000] [--seed 1000000] [--only WAY,...]

Every way is a process of its own and is compared with the cold run. `again` and `first` share a
folder for compiled kernels that is empty at first; `fresh` starts a process for each program.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import io
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

import numpy as np

import nacre
from fuzz.agree import exactly
from fuzz.compare import Side
from fuzz.generator import generate
from nacre import nn
from nacre.data import DataLoader, TensorDataset
from nacre.nn import functional as F

COLD = {"NACRE_HOT": "1000000000", "NACRE_NUM_THREADS": "1"}
EMPTY = "an empty folder"
# name: (environment, whether observations are inserted, whether each program has its process)
WAYS: dict[str, tuple[dict[str, str], bool, bool]] = {
    "hot": ({"NACRE_HOT": "1", "NACRE_NUM_THREADS": "2"}, False, False),
    "hot_one_thread": ({"NACRE_HOT": "1", "NACRE_NUM_THREADS": "1"}, False, False),
    "hot_prints": ({"NACRE_HOT": "1", "NACRE_NUM_THREADS": "2"}, True, False),
    "default": ({"NACRE_NUM_THREADS": "2"}, False, False),
    "default_prints": ({"NACRE_NUM_THREADS": "2"}, True, False),
    "cold_prints": ({"NACRE_HOT": "1000000000", "NACRE_NUM_THREADS": "2"}, True, False),
    "fresh": ({}, False, True),
    "first": ({"NACRE_HOT": "1", "NACRE_CACHE_DIR": EMPTY}, False, False),
    "again": ({"NACRE_HOT": "1", "NACRE_CACHE_DIR": EMPTY}, False, False),
}


# ---- scripts ------------------------------------------------------------------------------------
Look = Callable[..., None]


def data(rows: int, columns: int, seed: int = 0):
    """Numbers that do not come from nacre's own streams."""
    random = np.random.RandomState(seed)
    return nacre.from_numpy(random.randn(rows, columns).astype(np.float32)).clone()


def labels(rows: int, classes: int, seed: int = 1):
    """Class numbers."""
    return nacre.from_numpy(np.random.RandomState(seed).randint(0, classes, rows)).clone()


def linear_regression(look: Look) -> Iterator:
    """Small batches in random order, a rate that changes."""
    nacre.manual_seed(1)
    x = nacre.randn(100, 2)
    y = x @ nacre.tensor([2.0, -3.4]) + 4.2 + nacre.randn(100) * 0.01
    net = nn.Linear(2, 1)
    opt = nacre.optim.SGD(net.parameters(), lr=0.03)
    for epoch in range(3):
        opt.param_groups[0]["lr"] = 0.03 / (epoch + 1)
        for features, targets in DataLoader(TensorDataset(x, y), 10, shuffle=True):
            loss = F.mse_loss(net(features).reshape(-1), targets)
            look(loss)
            opt.zero_grad()
            loss.backward()
            look(net.weight.grad, net.bias)
            opt.step()
        yield loss
    yield from net.parameters()


def perceptron(look: Look) -> Iterator:
    """Products large enough to be shared by threads; momentum, weight decay, dropout."""
    nacre.manual_seed(2)
    net = nn.Sequential(
        nn.Linear(300, 256),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(256, 64),
        nn.Tanh(),
        nn.Linear(64, 10),
    )
    opt = nacre.optim.SGD(net.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-3)
    x, y = data(256, 300), labels(256, 10)
    for _ in range(5):
        out = net(x)
        look(out)
        loss = F.cross_entropy(out, y)
        opt.zero_grad()
        loss.backward()
        look(loss, net[0].weight.grad)
        opt.step()
        yield loss
    yield from net.parameters()
    yield from (opt.state[p]["momentum_buffer"] for p in net.parameters())
    net.eval()
    yield net(x)


def elements(look: Look) -> Iterator:
    """Maps and reductions over a few hundred thousand elements."""
    x = data(600, 500)
    for _ in range(4):
        y = nacre.exp(nacre.tanh(x) * 0.5) / (1 + x * x)
        look(y)
        yield from (y, y.sum(), y.sum(0), y.mean(1), y.std(), y.max(1)[0], y.argmax(0))
        z = F.softmax(y, 1)
        look(z)
        yield from (z, F.log_softmax(y, 0), nacre.sigmoid(y).T.sum(1), y.cumsum(1), (y > 0.5).sum())
        x = x + 0.25


def writes(look: Look) -> Iterator:
    """Views, writes through them, gathers and scatters, Adam."""
    nacre.manual_seed(3)
    table = nacre.randn(50, 8).requires_grad_()
    scale = nacre.ones(8, requires_grad=True)
    opt = nacre.optim.Adam([table, scale], lr=0.01)
    memory = nacre.zeros(6, 8)
    for step in range(6):
        rows = nacre.tensor([step, 7, 7, 49 - step, 3])
        picked = table[rows] * scale
        picked[1:3] += 1
        look(picked)
        memory[step] = picked[0].detach()
        memory.T[2:4] *= 0.5
        loss = (picked.sigmoid() ** 2).sum() + (picked[:, ::2] * 0.1).abs().mean()
        opt.zero_grad()
        loss.backward()
        look(table.grad, memory)
        opt.step()
        yield from (loss, memory.clone(), table.grad)
    yield from (table, scale)


def recurrent(look: Look) -> Iterator:
    """A loop whose length differs from batch to batch."""
    nacre.manual_seed(4)
    u, w = (nacre.randn(20, 20) / 5 for _ in range(2))
    u.requires_grad_()
    w.requires_grad_()
    for length in (5, 9, 5, 3, 9, 5, 9):
        xs = data(length * 4, 20, length).reshape(length, 4, 20)
        h = nacre.zeros(4, 20)
        for x in xs:
            h = nacre.tanh(x @ u + h @ w)
        look(h)
        loss = (h * h).mean()
        u.grad = w.grad = None
        loss.backward()
        with nacre.no_grad():
            for p in (u, w):
                p -= 0.1 * p.grad
                look(p)
        yield from (loss, h)
    yield from (u, w)


def second_derivatives(look: Look) -> Iterator:
    """float64, gradients of gradients, accumulation."""
    x = data(40, 30).double().requires_grad_()
    for _ in range(4):
        y = (x.exp().sin() * x).sum()
        (g,) = nacre.autograd.grad(y, x, create_graph=True)
        look(g)
        (g * g).mean().backward()
        yield from (y, g, x.grad.clone())


SCRIPTS = {
    f.__name__: f
    for f in (linear_regression, perceptron, elements, writes, recurrent, second_derivatives)
}


def digests(prints: bool) -> dict[str, str]:
    """The bits of every script's results."""
    random = np.random.RandomState(5)

    def look(*tensors) -> None:
        if not prints:
            return
        for t in tensors:
            kind = random.randint(5)
            if kind == 0:
                str(t)
            elif kind == 1:
                t.detach().sum().item()
            elif kind == 2:
                t.tolist()
            elif kind == 3:
                bool((t == t).all())

    found = {}
    for name, script in SCRIPTS.items():
        digest = hashlib.blake2b(digest_size=12)
        for t in script(look):
            digest.update(f"{t.dtype}{tuple(t.shape)}".encode())
            digest.update(np.array(t.tolist()).tobytes())
        found[name] = digest.hexdigest()
    return found


def scripts(env: dict[str, str], prints: bool) -> dict[str, str]:
    """The digests in a process of its own."""
    command = [sys.executable, __file__, "--digests", *(["--prints"] if prints else [])]
    done = subprocess.run(
        command, env=os.environ | env, capture_output=True, text=True, timeout=300
    )
    if done.returncode:
        raise RuntimeError(done.stderr)
    return json.loads(done.stdout.splitlines()[-1])


# ---- random programs ----------------------------------------------------------------------------
class Cold:
    """Cold runs, kept."""

    def __init__(self):
        self.side = Side(sys.executable, "nacre", COLD)
        self.seen: dict[int, list] = {}

    def run(self, seed: int) -> list:
        """The observations of a program."""
        if seed not in self.seen:
            self.seen[seed] = self.side.run(generate(seed))
        return self.seen[seed]


def differing(cold: Cold, way: str, seeds, place: str) -> list[int]:
    """The seeds of programs that give other bits in some way; `place` is a folder for kernels."""
    env, prints, fresh = WAYS[way]
    side = Side(sys.executable, "nacre", placed(env, place))
    found = []
    try:
        for seed in seeds:
            if not exactly(cold.run(seed), side.run(generate(seed), seed if prints else None)):
                found.append(seed)
            if fresh:
                side.fresh()
    finally:
        side.stop()
    return found


def placed(env: dict[str, str], place: str) -> dict[str, str]:
    """An environment with the folder that it asks for."""
    return {k: place if v == EMPTY else v for k, v in env.items()}


def arguments() -> argparse.Namespace:
    """The command line."""
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    p.add_argument("--count", type=int, default=1000)
    p.add_argument("--seed", type=int, default=1_000_000)
    p.add_argument("--only", default=",".join(WAYS))
    p.add_argument("--digests", action="store_true", help="print the bits of the scripts")
    p.add_argument("--prints", action="store_true", help="with observations inserted")
    return p.parse_args()


def main() -> int:
    """Run every way and report."""
    a = arguments()
    if a.digests:
        with contextlib.redirect_stdout(io.StringIO()):
            found = digests(a.prints)
        print(json.dumps(found))
        return 0
    cold, bad = Cold(), 0
    want = scripts(COLD, False)
    with tempfile.TemporaryDirectory() as place:
        for way in a.only.split(","):
            start = time.perf_counter()
            env, prints, fresh = WAYS[way]
            seeds = range(a.seed, a.seed + a.count, 10 if fresh else 1)
            wrong = differing(cold, way, seeds, place)
            got = scripts(placed(env, place), prints)
            names = [name for name in want if got[name] != want[name]]
            seconds = time.perf_counter() - start
            print(
                f"{way:16} {len(seeds)} programs, {len(wrong)} differ {wrong[:10]}; "
                f"{len(want)} scripts, {len(names)} differ {names}; {seconds:.0f} s",
                flush=True,
            )
            bad += len(wrong) + len(names)
    cold.side.stop()
    return 1 if bad else 0


if __name__ == "__main__":
    sys.exit(main())
