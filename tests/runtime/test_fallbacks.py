"""Caches that are damaged and compilers that fail cost time, never an answer."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sys
import textwrap
import warnings
from pathlib import Path

import numpy as np
import pytest

import nacre
from nacre.backends.cpu import compile as compiler
from nacre.base import config
from nacre.base.errors import NacreWarning
from nacre.ir.node import ROOT
from nacre.runtime import backend, cache
from nacre.runtime.run import evaluate

SOURCE = str(Path(nacre.__file__).resolve().parents[1])
PROGRAM = """
    import json, sys, warnings
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        import nacre
        from nacre.backends.cpu import compile as compiler
        x = nacre.arange(600.0).reshape(20, 30) / 600
        for _ in range(5):
            y = (nacre.tanh(x).exp() @ x.T).log_softmax(1).sum()
            value = y.item()
    words = [str(w.message) for w in seen]
    print(json.dumps({"value": value.hex(), "warnings": words, **compiler.STATS}))
"""


def run(place: Path | str) -> dict:
    """What the program computes with the cache in this folder, in a process of its own."""
    env = os.environ | {"NACRE_CACHE_DIR": str(place), "PYTHONPATH": SOURCE}
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(PROGRAM)], env=env, capture_output=True, text=True
    )
    assert done.returncode == 0, f"{done.returncode}: {done.stderr}"
    return json.loads(done.stdout)


def sealed(name: bytes, code: bytes) -> bytes:
    """An entry whose digest is right, whatever it holds."""
    body = name + code
    return cache.MAGIC + hashlib.sha256(body).digest() + body


def taken_apart(data: bytes) -> tuple[bytes, bytes]:
    body = data[len(cache.MAGIC) + cache.DIGEST :]
    return body[: cache.DIGEST], body[cache.DIGEST :]


# What must not be used, made from an entry and another one.
DAMAGES = [
    lambda data, other: b"",
    lambda data, other: data[:-200],
    lambda data, other: data[:-100] + bytes([data[-100] ^ 1]) + data[-99:],
    lambda data, other: b"nacre0" + data[6:],
    lambda data, other: other,
    lambda data, other: sealed(taken_apart(data)[0], bytes(range(256)) * 4),
    lambda data, other: sealed(taken_apart(data)[0], b""),
    lambda data, other: sealed(taken_apart(data)[0], taken_apart(other)[1]),
    lambda data, other: sealed(bytes(cache.DIGEST), taken_apart(data)[1]),
]


@pytest.fixture(scope="module")
def filled(tmp_path_factory):
    """A folder with the program's kernels, and what it printed."""
    place = tmp_path_factory.mktemp("cache")
    report = run(place)
    assert report["warnings"] == []
    assert report["compiled"] > 3
    assert run(place) == {**report, "compiled": 0, "loaded": report["compiled"]}
    return {path.name: path.read_bytes() for path in place.glob("*.o")}, report


@pytest.mark.parametrize("first", [0, 5])
def test_bad_entries_are_rebuilt(filled, tmp_path: Path, first: int) -> None:
    entries, report = filled
    place = tmp_path / "kernels"
    place.mkdir(0o700)
    names = sorted(entries)
    for i, name in enumerate(names):
        how = DAMAGES[(first + i) % len(DAMAGES)]
        (place / name).write_bytes(how(entries[name], entries[names[i - 1]]))
    assert first or len(names) >= 5
    assert run(place) == report
    assert {path.name: path.read_bytes() for path in place.glob("*.o")} == entries


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_no_folder_no_cache_and_one_warning(filled, tmp_path: Path) -> None:
    _, report = filled
    (tmp_path / "file").write_text("")
    found = run(tmp_path / "file" / "kernels")
    assert len(found.pop("warnings")) == 1
    assert found == {k: v for k, v in report.items() if k != "warnings"}
    assert run("") == report  # none was wanted: nothing to warn of


# ---- a compiler that fails ----------------------------------------------------------------------
@pytest.fixture
def fresh(monkeypatch):
    """Nothing compiled, nothing warned of."""
    evaluate()
    ROOT.edges.clear()
    monkeypatch.setattr(config, "HOT", 1)
    monkeypatch.setattr(backend, "_WARNED", set())
    monkeypatch.setattr(backend, "_REFUSED", set())
    yield
    ROOT.edges.clear()


def net(x, w):
    return nacre.tanh(x @ w).exp().sum(0) * 0.5 + 1


def values(times: int = 4) -> list:
    x = nacre.arange(24.0).reshape(4, 6) / 24
    w = nacre.arange(18.0).reshape(6, 3) / 18
    p = nacre.zeros(3)
    found = []
    for _ in range(times):
        y = net(x, w)
        p += y
        found.append((y.tolist(), p.tolist()))
    return found


def refuse(*args):
    raise compiler.CompileError("LLVM refused a kernel: out of registers")


def test_hot_fails_and_cold_gives_the_same_bits(fresh, monkeypatch) -> None:
    want = values()
    ROOT.edges.clear()
    monkeypatch.setattr("nacre.runtime.tier.Hot", refuse)
    with pytest.warns(NacreWarning, match="out of registers") as seen:
        assert values() == want
    assert len(seen) == 1


def test_one_failure_is_of_one_stretch(fresh, monkeypatch) -> None:
    real = backend.native().ProgramBuilder.finish
    calls = []

    def fail_once(self):
        calls.append(self)
        if len(calls) == 1:
            refuse()
        return real(self)

    want = values()
    ROOT.edges.clear()
    monkeypatch.setattr(backend.native().ProgramBuilder, "finish", fail_once)
    with pytest.warns(NacreWarning) as seen:
        assert values() == want
    assert len(seen) == 1
    assert (nacre.ones(3) * 3).exp().tolist() == pytest.approx([np.exp(3.0)] * 3)
    assert len(calls) > 1


@pytest.mark.parametrize("error", [compiler.CompileError, OSError, ImportError])
def test_no_kernel_can_be_compiled_at_all(fresh, monkeypatch, error) -> None:
    """Then NumPy computes everything: the values agree, to rounding."""
    want = values()
    ROOT.edges.clear()

    def broken(*args, **kwargs):
        raise error("no LLVM today")

    builder = backend.native().ProgramBuilder
    monkeypatch.setattr(builder, "finish", broken)
    monkeypatch.setattr(builder, "run_once", broken)
    with pytest.warns(NacreWarning, match="no LLVM today") as seen:
        found = values()
    assert len(seen) == 1
    for got, wanted in zip(found, want, strict=True):
        np.testing.assert_allclose(got, wanted, rtol=1e-5)


def test_training_goes_on_without_kernels(fresh, monkeypatch) -> None:
    builder = backend.native().ProgramBuilder
    monkeypatch.setattr(builder, "finish", refuse)
    monkeypatch.setattr(builder, "run_once", refuse)
    from runtime.training import Training

    training = Training()
    x, y = training.batches[0]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        before = nacre.nn.functional.cross_entropy(training.model(x), y).item()
        for _ in range(60):
            training.step()
        after = nacre.nn.functional.cross_entropy(training.model(x), y).item()
    assert after < before * 0.9
