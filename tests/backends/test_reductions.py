"""Reductions: the order of accumulation, every layout, NaN and ties, the empty ones."""

import itertools

import numpy as np
import pytest
from kernel_harness import one, reduced, same_bits

from nacre.base import dtypes as D
from nacre.base.dtypes import bool_, float16, float32, int64

RANDOM = np.random.RandomState(2)
NAN = np.nan


def last_sum(row):
    """The contract: 32 interleaved sums in chunks of 4096, a fixed tree, chunks ascending."""
    total = None
    for start in range(0, len(row), 4096):
        chunk = row[start : start + 4096]
        lanes = np.zeros(32, row.dtype)
        for i in range(0, len(chunk), 32):
            part = chunk[i : i + 32]
            lanes[: len(part)] += part
        while len(lanes) > 1:
            half = len(lanes) // 2
            lanes = lanes[:half] + lanes[half:]
        total = lanes[0] if total is None else total + lanes[0]
    return total


def middle_sum(rows):
    """The contract: rows in 4 interleaved chains in chunks of 1024."""
    total = None
    for start in range(0, len(rows), 1024):
        chunk = rows[start : start + 1024]
        chains = np.zeros((4, *rows.shape[1:]), rows.dtype)
        for r, row in enumerate(chunk):
            chains[r % 4] += row
        part = (chains[0] + chains[1]) + (chains[2] + chains[3])
        total = part if total is None else total + part
    return total


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("n", [1, 5, 31, 32, 33, 100, 4095, 4096, 4097, 10_000])
def test_the_order_over_the_last_dimension(n, kind):
    x = RANDOM.randn(3, n).astype(kind)
    want = np.array([last_sum(row) for row in x])
    assert same_bits(reduced("sum", x, (1,)), want)
    assert same_bits(reduced("sum", np.asfortranarray(x), (1,)), want)
    assert same_bits(reduced("sum", x[1], (0,)), want[1])


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("shape", [(1, 3), (5, 1000), (1023, 7), (1025, 40), (3000, 2)])
def test_the_order_over_another_dimension(shape, kind):
    x = RANDOM.randn(*shape).astype(kind)
    want = middle_sum(x) if shape[0] > 1 else x[0]
    assert same_bits(reduced("sum", x, (0,)), want)
    assert same_bits(reduced("sum", np.asfortranarray(x), (0,)), want)
    assert same_bits(reduced("sum", x[:, :, None], (0, 2)), want)


def test_groups_go_from_the_last_to_the_first():
    x = RANDOM.randn(6, 5, 7, 8).astype(np.float32)
    inner = np.array([[last_sum(x[i, j].ravel()) for j in range(5)] for i in range(6)])
    assert same_bits(reduced("sum", x, (0, 2, 3)), middle_sum(inner))


FUNCTIONS = {
    "sum": np.sum,
    "prod": np.prod,
    "max": np.max,
    "min": np.min,
    "any": np.any,
    "all": np.all,
}


@pytest.mark.parametrize("kind", sorted(FUNCTIONS))
@pytest.mark.parametrize("shape", [(4, 5, 6), (2, 70, 3), (1, 7, 1)])
def test_every_set_of_dimensions_in_every_layout(kind, shape):
    base = RANDOM.randint(-3, 4, shape)
    for a in (base.astype(np.float32), base, base.astype(np.float32).T.copy().T):
        out = bool_ if kind in ("any", "all") else None
        for k in range(1, 4):
            for dims in itertools.combinations(range(3), k):
                want = FUNCTIONS[kind](a, axis=dims)
                assert np.allclose(reduced(kind, a, dims, out), want, rtol=1e-5), dims


def test_a_fused_body_gives_the_bits_of_separate_calls():
    x = RANDOM.randn(300, 50).astype(np.float32)
    row = RANDOM.randn(50).astype(np.float32)
    body = (("tanh", (0,), float32, ()), ("mul", (2, 1), float32, ()))
    apart = one("tanh", x) * row
    for dims in ((0,), (1,), (0, 1)):
        want = reduced("sum", apart, dims)
        assert same_bits(reduced("sum", x, dims, body=body, more=(row,)), want)
        turned = np.asfortranarray(x)
        assert same_bits(reduced("sum", turned, dims, body=body, more=(row,)), want)


def test_casts_inside_and_after():
    x = RANDOM.randn(2000).astype(np.float16)
    want = np.float16(last_sum(x.astype(np.float32)))
    assert same_bits(reduced("sum", x, (0,), float16), want)
    flags = RANDOM.rand(40, 30) < 0.5
    body = (("cast", (0,), int64, ()),)
    assert (reduced("sum", flags, (1,), int64, body) == flags.sum(1)).all()


@pytest.mark.parametrize("kind", ["max", "min"])
def test_nan_wins(kind):
    x = RANDOM.randn(9, 100).astype(np.float32)
    x[3, 50] = NAN
    got = reduced(kind, x, (1,))
    assert np.isnan(got[3])
    assert np.isfinite(np.delete(got, 3)).all()
    assert np.isnan(reduced(kind, x, (0,))[50])


@pytest.mark.parametrize("name", ["argmax", "argmin"])
def test_the_first_extreme_and_the_first_nan_are_found(name):
    function = getattr(np, name)
    for x in (
        RANDOM.randint(0, 3, (40, 70)).astype(np.float32),
        RANDOM.randint(0, 3, (40, 70)),
        RANDOM.randint(0, 2, (40, 70)).astype(np.uint8),
        np.full((3, 40), -np.inf, np.float32),
        np.full((3, 40), np.inf, np.float32),
    ):
        for axis in (0, 1):
            assert (reduced(name, x, (axis,), int64) == function(x, axis=axis)).all()
        assert reduced(name, x, (0, 1), int64) == function(x)
    x = RANDOM.randn(5, 90).astype(np.float32)
    x[2, [40, 41, 80]] = NAN
    assert (reduced(name, x, (1,), int64) == function(x, axis=1)).all()
    assert (reduced(name, x, (0,), int64) == function(x, axis=0)).all()


def test_empty_reductions_give_the_identity():
    x = np.empty((3, 0), np.float32)
    assert reduced("sum", x, (1,)).tolist() == [0, 0, 0]
    assert reduced("prod", x, (1,)).tolist() == [1, 1, 1]
    assert reduced("any", x, (1,), bool_).tolist() == [False] * 3
    assert reduced("all", x, (1,), bool_).tolist() == [True] * 3
    assert reduced("sum", x, (0,)).shape == (0,)


@pytest.mark.parametrize("kind", D.ALL, ids=repr)
def test_every_dtype_has_extremes(kind):
    x = RANDOM.randint(0, 2 if kind is bool_ else 100, (6, 37)).astype(kind.np)
    for dims in ((0,), (1,)):
        assert (reduced("max", x, dims) == x.max(dims[0])).all()
        assert (reduced("min", x, dims) == x.min(dims[0])).all()
