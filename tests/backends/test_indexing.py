"""Gather and scatter against NumPy, and what happens at a bad index."""

import numpy as np
import pytest
from kernel_harness import Table

from nacre.backends.cpu.backend import ProgramBuilder

RANDOM = np.random.RandomState(3)


def gathered(source, index, dim, out=None):
    t = Table()
    out = np.empty(index.shape, source.dtype) if out is None else out
    b = ProgramBuilder()
    b.gather(index.shape, t.array(source), t.array(index), dim, t.array(out))
    return t.run(b), out, t


@pytest.mark.parametrize("kind", [np.float32, np.float16, np.int64, np.bool_])
@pytest.mark.parametrize("dim", [0, 1, 2])
def test_gather_is_take_along_axis(kind, dim):
    source = RANDOM.randint(0, 9, (5, 6, 7)).astype(kind)
    shape = [5, 6, 7]
    shape[dim] = 11
    index = RANDOM.randint(0, source.shape[dim], shape)
    status, out, _ = gathered(source, index, dim)
    assert status == 0
    assert (out == np.take_along_axis(source, index, dim)).all()


def test_rows_of_a_table():
    weights = RANDOM.randn(50, 70).astype(np.float32)
    which = RANDOM.randint(0, 50, 33)
    index = np.broadcast_to(which[:, None], (33, 70))
    for table in (weights, np.asfortranarray(weights)):
        status, out, _ = gathered(table, index, 0)
        assert status == 0
        assert (out == weights[which]).all()


@pytest.mark.parametrize("bad", [-1, 50, 2**40])
def test_a_bad_index_is_reported_and_writes_nothing_outside(bad):
    weights = RANDOM.randn(50, 4).astype(np.float32)
    for shape, dim in (((9, 4), 0), ((9,), 0)):
        source = weights if len(shape) == 2 else weights[:, 0].copy()
        index = RANDOM.randint(0, 50, 9)
        index[5] = bad
        index = np.broadcast_to(index[:, None], shape) if len(shape) == 2 else index
        status, _, t = gathered(source, index, dim)
        assert status == 1
        assert t.words[1] == bad


def test_the_calls_after_a_failed_one_do_not_run():
    t = Table()
    source, index = np.zeros(3, np.float32), np.array([7])
    out, later = np.zeros(1, np.float32), np.zeros(1, np.float32)
    b = ProgramBuilder()
    b.fill(t.array(out), 1.0)
    b.gather((1,), t.array(source), t.array(index), 0, t.array(out))
    b.fill(t.array(later), 1.0)
    assert t.run(b) == 2
    assert later[0] == 0


def scattered(mode, index, value, dim, out):
    t = Table()
    b = ProgramBuilder()
    b.scatter(mode, t.array(index), t.array(value), dim, t.array(out))
    assert t.run(b) == 0
    return out


@pytest.mark.parametrize("kind", [np.float32, np.int64, np.float16])
@pytest.mark.parametrize("dim", [0, 1])
def test_scatter_sets_and_adds_in_index_order(kind, dim):
    index = RANDOM.randint(0, 5, (12, 13))
    value = RANDOM.randint(0, 9, (12, 13)).astype(kind)
    shape = (5, 13) if dim == 0 else (12, 5)
    start = RANDOM.randint(0, 9, shape).astype(kind)
    want_set, want_add = start.copy(), start.copy()
    for i in range(12):
        for j in range(13):
            to = (index[i, j], j) if dim == 0 else (i, index[i, j])
            want_set[to] = value[i, j]
            want_add[to] += value[i, j]
    assert (scattered("set", index, value, dim, start.copy()) == want_set).all()
    assert (scattered("add", index, value, dim, start.copy()) == want_add).all()


def test_rows_are_added_where_the_index_says():
    which = RANDOM.randint(0, 7, 100)
    value = RANDOM.randn(100, 1500).astype(np.float32)
    out = np.zeros((7, 1500), np.float32)
    want = out.copy()
    for r, w in enumerate(which):
        want[w] += value[r]
    index = np.broadcast_to(which[:, None], value.shape)
    assert (scattered("add", index, value, 0, out) == want).all()
