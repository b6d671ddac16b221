"""The cache of object code: found again, refused when damaged, bounded, silent when impossible."""

import os
import stat
import subprocess
import sys
import textwrap
import warnings

import pytest

from nacre.base import config
from nacre.runtime import cache


@pytest.fixture
def place(tmp_path, monkeypatch):
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "kernels"))
    yield tmp_path / "kernels"
    cache._STATE.chosen = None


def entries(place):
    return sorted(place.glob("*.o"))


def test_what_is_stored_is_found(place):
    cache.store("key", "machine", b"code")
    assert cache.load("key", "machine") == b"code"
    assert cache.load("other key", "machine") is None
    assert cache.load("key", "other machine") is None
    assert stat.S_IMODE(place.stat().st_mode) == 0o700


@pytest.mark.parametrize(
    "damage",
    [
        lambda data: b"",
        lambda data: data[:20],
        lambda data: data[:-1],
        lambda data: data[:-1] + b"?",
        lambda data: b"x" + data[1:],
        lambda data: data + b"more",
    ],
)
def test_a_damaged_entry_is_not_used(place, damage):
    cache.store("key", "machine", b"code")
    (path,) = entries(place)
    path.write_bytes(damage(path.read_bytes()))
    assert cache.load("key", "machine") is None
    cache.store("key", "machine", b"code")
    assert cache.load("key", "machine") == b"code"


def test_an_entry_under_a_wrong_name_is_not_used(place):
    cache.store("key", "machine", b"code")
    cache.store("other", "machine", b"other code")
    first, second = entries(place)
    os.replace(first, second)
    assert {cache.load("key", "machine"), cache.load("other", "machine")} == {None}


def test_the_oldest_entries_go_first(place):
    for i in range(10):
        cache.store(f"key {i}", "machine", bytes(1000))
        path = cache._path(place, f"key {i}", "machine")
        os.utime(path, (1000 + i, 1000 + i))
    cache.prune(place, 5500)
    kept = [i for i in range(10) if cache.load(f"key {i}", "machine") is not None]
    assert kept == [5, 6, 7, 8, 9]


def test_an_unusable_folder_gives_one_warning_and_no_cache(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("")
    monkeypatch.setattr(config, "CACHE_DIR", str(tmp_path / "file" / "kernels"))
    cache._STATE.chosen = None
    with warnings.catch_warnings(record=True) as seen:
        warnings.simplefilter("always")
        for _ in range(3):
            cache.store("key", "machine", b"code")
            assert cache.load("key", "machine") is None
    assert len(seen) == 1
    assert "NACRE_CACHE_DIR" in str(seen[0].message)
    cache._STATE.chosen = None


@pytest.mark.skipif(not hasattr(os, "getuid"), reason="needs POSIX permissions")
def test_a_folder_that_others_may_write_is_refused(tmp_path, monkeypatch):
    place = tmp_path / "shared"
    place.mkdir()
    place.chmod(0o777)
    monkeypatch.setattr(config, "CACHE_DIR", str(place))
    cache._STATE.chosen = None
    with pytest.warns(RuntimeWarning, match="others may write"):
        assert cache.folder() is None
    cache._STATE.chosen = None


PROGRAM = """
    import numpy as np
    from nacre.backends.cpu import compile as compiler
    from nacre.backends.cpu.backend import Operand, ProgramBuilder, table
    from nacre.base.dtypes import float32
    import nacre.ops.elementwise
    x, y = np.arange(5, dtype=np.float32), np.empty(5, np.float32)
    words, address = table(8)
    words[4], words[5] = x.ctypes.data, y.ctypes.data
    b = ProgramBuilder()
    a, c = Operand(4, float32, (5,), (1,)), Operand(5, float32, (5,), (1,))
    b.map((5,), [a], (("exp", (0,), float32, ()),), [(1, c)])
    b.reduce("sum", (5,), (0,), [a], (), Operand(5, float32, (), ()))
    assert b.finish().run(address) == 0
    print(y[0], compiler.STATS["compiled"], compiler.STATS["loaded"])
"""


def test_a_second_process_compiles_nothing(place):
    def run():
        source = str(next(p for p in sys.path if os.path.isdir(os.path.join(p, "nacre"))))
        env = os.environ | {"NACRE_CACHE_DIR": str(place), "PYTHONPATH": source}
        code = textwrap.dedent(PROGRAM)
        done = subprocess.run(
            [sys.executable, "-c", code], env=env, capture_output=True, text=True, check=True
        )
        return done.stdout.split()

    assert run() == ["10.0", "3", "0"]
    assert run() == ["10.0", "0", "3"]
    for path in entries(place):
        path.write_bytes(path.read_bytes()[:100])
    assert run() == ["10.0", "3", "0"]
