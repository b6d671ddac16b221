"""What has been used stays bounded: states, executables, buffers, and what is pending."""

from __future__ import annotations

import gc
import json
import os
import subprocess
import sys
import weakref
from pathlib import Path

import numpy as np
import pytest

import nacre
from nacre.base import config
from nacre.ir import node as ir
from nacre.ir.node import ROOT
from nacre.ir.trace import MOST_LOAD, TRACE
from nacre.runtime import memory
from nacre.runtime.forget import MEMORY
from nacre.runtime.interpreter import LARGE
from nacre.runtime.run import LIMIT_LOAD, evaluate
from runtime.growth import states

SCRIPT = Path(__file__).with_name("growth.py")


def run(what: str, steps: int, *more: str) -> tuple[list, list]:
    """(MiB, states) along a run of the script."""
    command = [sys.executable, str(SCRIPT), "--what", what, "--steps", str(steps), *more]
    env = os.environ | {"NACRE_VERIFY": "0"}
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=100)
    assert done.returncode == 0, done.stderr
    report = json.loads(done.stdout)
    return report["MiB"], report["states"]


@pytest.mark.parametrize("what", ["steps", "unobserved", "loops"])
def test_long_runs_are_flat(what: str) -> None:
    mib, known = run(what, 12_000 if what == "loops" else 5000)
    assert known[-1] == known[4] < 30_000
    assert mib[-1] - mib[4] < 3


def test_new_shapes_push_out_old_ones() -> None:
    for _ in range(2):  # the first time kernels may be compiled, and LLVM keeps what it used
        mib, known = run("shapes", 500, "--most", "2000")
        assert max(known) < 2000 * 1.3
    assert mib[-1] - mib[3] < 5


@pytest.fixture
def small(monkeypatch):
    """Room for a thousand states, nothing known."""
    evaluate()
    MEMORY.sweep()
    ROOT.edges.clear()
    monkeypatch.setattr(MEMORY, "most", 1000)
    yield
    evaluate()
    ROOT.edges.clear()


def shaped(n: int) -> list:
    return ((nacre.arange(float(n)) * 2 + 1).reshape(1, n) / 4).sum(0).tolist()


def test_what_is_in_use_is_kept(small) -> None:
    def known() -> bool:
        before = ir.Node.made
        shaped(5)
        return ir.Node.made == before

    shaped(5)
    assert known()
    for n in range(6, 500):
        assert shaped(n)[-1] == (2 * n - 1) / 4
        if n % 20 == 0:
            assert known(), n
    assert MEMORY.sweeps > 5
    assert states() < 1100
    before = ir.Node.made
    shaped(6)  # long ago
    assert ir.Node.made > before


def test_a_working_set_beyond_the_limit_still_computes(small) -> None:
    for _ in range(3):
        for n in range(10, 300):
            assert shaped(n)[-1] == (2 * n - 1) / 4
    assert states() < 1500


def test_states_may_go_while_a_stretch_is_recorded_on_them(small) -> None:
    for _ in range(2):
        x = nacre.arange(3.0)
        y = x * 2
        MEMORY.sweep()
        ROOT.edges.clear()
        z = y + 1
        assert z.tolist() == [1.0, 3.0, 5.0]
        assert y.tolist() == [0.0, 2.0, 4.0]


def test_executables_and_descriptions_of_shapes_die_with_their_states(small, monkeypatch) -> None:
    monkeypatch.setattr(config, "HOT", 1)
    first = len(ir._METAS)
    shaped(7)
    hot = weakref.ref(memory.POOL.rings()[0])
    for n in range(8, 400):
        shaped(n)
    gc.collect()
    MEMORY.sweep()
    assert hot() is None
    assert len(ir._METAS) < first + 1000
    assert len(memory.POOL.rings()) < 300
    assert len(memory.POOL._rings) < 1000


def test_tensors_keep_what_describes_them(small) -> None:
    kept = [nacre.zeros(n, 3) + n for n in range(1, 40)]
    evaluate()
    for n in range(40, 300):
        shaped(n)
    MEMORY.sweep()
    for n, t in enumerate(kept, 1):
        assert ir.meta_of((n, 3), t.dtype) is t._m
        assert (t + 1).tolist() == [[n + 1.0] * 3] * n


def test_buffers_not_in_use_are_let_go_of() -> None:
    pool = memory.Pool(limit=100_000)
    dtype = np.dtype(np.float32)
    rings = [pool.ring(dtype, 1000 + i) for i in range(60)]
    held = [ring.take() for ring in rings[:5]]
    for ring in rings:
        for _ in range(3):
            storage = ring.take()
            storage.array[:] = 1
            del storage
    kept = sum(len(ring.kept) for ring in rings)
    assert kept * 4000 < 150_000
    assert all(storage.array[0] == 1 or storage.array.size for storage in held)
    assert {id(s) for ring in rings for s in ring.kept} >= {id(s) for s in held}
    in_use = [rings[0].take() for _ in range(100)]
    assert len({s.address() for s in in_use}) == 100


def test_dead_values_of_a_cold_stretch_are_freed(monkeypatch) -> None:
    monkeypatch.setattr(config, "HOT", 1 << 30)
    alive = []
    peak = [0]
    empty = np.empty

    def watched(shape, *args, **kwargs):
        made = empty(shape, *args, **kwargs)
        if made.nbytes > 1 << 20:
            alive.append(weakref.ref(made))
            peak[0] = max(peak[0], sum(r() is not None for r in alive))
        return made

    n = 1 << 19
    x = nacre.ones(n)
    evaluate()
    monkeypatch.setattr("nacre.runtime.backend.np.empty", watched)
    y = x
    for _ in range(40):
        y = nacre.tanh(y) * 2
    assert TRACE.stretch.node.load > LARGE
    y.sum().item()
    assert alive
    assert peak[0] < 8


def test_pending_work_is_bounded_at_natural_boundaries_and_elsewhere() -> None:
    model = nacre.nn.Sequential(nacre.nn.Linear(3, 3))
    x = nacre.ones(2, 3)
    most = 0
    for _ in range(3000):
        model(x)
        most = max(most, TRACE.stretch.node.load)
    assert LIMIT_LOAD < most < LIMIT_LOAD * 1.1
    evaluate()
    most = 0
    for _ in range(10_000):
        x = x + 1
        most = max(most, TRACE.stretch.node.load)
    assert MOST_LOAD < most < MOST_LOAD * 1.1
    assert x.tolist() == [[10_001.0] * 3] * 2


def test_large_values_count_for_more() -> None:
    x = nacre.ones(1 << 20)
    evaluate()
    n = 0
    while n < 1000:
        x = x + 1
        n += 1
        if TRACE.stretch.node.depth < 3 and n > 3:
            break
    assert MOST_LOAD // (4 << 20) <= n <= MOST_LOAD // (4 << 20) + 3
    assert x[0].item() == n + 1
