"""The elementary functions: error bounds against wider arithmetic, and their special values."""

import math

import numpy as np
import pytest
from kernel_harness import one, same_bits

from nacre.base import dtypes

INF, NAN = np.inf, np.nan
RANDOM = np.random.RandomState(7)
LIMIT = 4.0

RANGES = {
    "exp": (-103.0, 88.7),
    "exp2": (-149.0, 127.9),
    "expm1": (-20.0, 88.7),
    "log": (1e-38, 1e38),
    "log2": (1e-38, 1e38),
    "log10": (1e-38, 1e38),
    "log1p": (-0.9999, 1e30),
    "sin": (-1e4, 1e4),
    "cos": (-1e4, 1e4),
    "tan": (-1e3, 1e3),
    "tanh": (-12.0, 12.0),
    "sigmoid": (-85.0, 80.0),
    "erf": (-5.0, 5.0),
}
WIDE = {
    "sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "erf": np.vectorize(math.erf, otypes=[np.float64]),
}


def arguments(name, kind):
    low, high = RANGES[name]
    if kind is dtypes.float64 and name.startswith("exp"):
        low, high = low * 7, high * 7.9
    n = 20_000
    parts = [RANDOM.uniform(low, high, n), RANDOM.uniform(max(low, -1.5), min(high, 1.5), n)]
    small = 10.0 ** RANDOM.uniform(-12, 0, n)
    parts.append(small * (1 if low > 0 else RANDOM.choice([-1, 1], n) * 0.9))
    if name.startswith("log") and name != "log1p":
        parts.append(1 + RANDOM.uniform(-1e-2, 1e-2, n))
        parts.append(10.0 ** RANDOM.uniform(-40, 38, n))
    x = np.concatenate(parts).astype(kind.np)
    return x[x > 0] if low > 0 else x


def ulps(got, want, kind):
    want_here = np.abs(want).astype(kind.np)
    normal = (want_here >= np.finfo(kind.np).tiny) & np.isfinite(want_here)
    error = np.abs(got.astype(want.dtype) - want)[normal]
    return float((error / np.spacing(want_here)[normal]).max())


@pytest.mark.parametrize("name", sorted(RANGES))
def test_float32_error_is_at_most_4_ulp(name):
    x = arguments(name, dtypes.float32)
    with np.errstate(all="ignore"):
        want = WIDE.get(name, getattr(np, name, None))(x.astype(np.float64))
    assert ulps(one(name, x), want, dtypes.float32) <= LIMIT


@pytest.mark.parametrize("name", sorted(set(RANGES) - {"erf"}))
def test_float64_error_is_at_most_4_ulp(name):
    x = arguments(name, dtypes.float64)
    wide = np.longdouble if np.finfo(np.longdouble).nmant > 60 else np.float64
    with np.errstate(all="ignore"):
        want = WIDE.get(name, getattr(np, name, None))(x.astype(wide))
    assert ulps(one(name, x), want, dtypes.float64) <= LIMIT


def test_float64_erf_agrees_with_the_c_library():
    x = arguments("erf", dtypes.float64)
    assert ulps(one("erf", x), WIDE["erf"](x), dtypes.float64) <= LIMIT


SPECIAL = {
    "exp": ([0.0, -0.0, INF, -INF, NAN, 89.0, -104.0, 1e30], [1, 1, INF, 0, NAN, INF, 0, INF]),
    "exp2": ([0.0, INF, -INF, NAN, 3.0, -149.0], [1, INF, 0, NAN, 8, 2.0**-149]),
    "expm1": ([0.0, -0.0, INF, -INF, NAN, 1e-42], [0.0, -0.0, INF, -1, NAN, 1e-42]),
    "log": ([0.0, -0.0, 1.0, INF, -1.0, -INF, NAN], [-INF, -INF, 0, INF, NAN, NAN, NAN]),
    "log2": ([0.0, 1.0, INF, -1.0, NAN, 8.0, 2.0**-140], [-INF, 0, INF, NAN, NAN, 3, -140]),
    "log10": ([0.0, 1.0, INF, -1.0, NAN], [-INF, 0, INF, NAN, NAN]),
    "log1p": ([0.0, -0.0, -1.0, INF, -2.0, NAN, 1e-42], [0.0, -0.0, -INF, INF, NAN, NAN, 1e-42]),
    "sin": ([0.0, -0.0, INF, -INF, NAN, 1e-42], [0.0, -0.0, NAN, NAN, NAN, 1e-42]),
    "cos": ([0.0, -0.0, INF, NAN], [1, 1, NAN, NAN]),
    "tan": ([0.0, -0.0, INF, NAN], [0.0, -0.0, NAN, NAN]),
    "tanh": ([0.0, -0.0, INF, -INF, NAN, 1e-42], [0.0, -0.0, 1, -1, NAN, 1e-42]),
    "sigmoid": ([0.0, INF, -INF, NAN, 800.0, -800.0], [0.5, 1, 0, NAN, 1, 0]),
    "erf": ([0.0, -0.0, INF, -INF, NAN, 30.0], [0.0, -0.0, 1, -1, NAN, 1]),
    "sqrt": ([0.0, -0.0, INF, -1.0, NAN], [0.0, -0.0, INF, NAN, NAN]),
}


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("name", sorted(SPECIAL))
def test_special_values(name, kind):
    x, want = (np.array(v, kind) for v in SPECIAL[name])
    if kind is np.float64 and name == "exp":
        x[5:7] = 710.0, -746.0
    assert same_bits(one(name, x), want), one(name, x)


@pytest.mark.parametrize("name", ["sin", "cos", "tan"])
def test_enormous_angles_are_reduced_exactly(name):
    x = np.float32([1e8, -3.2e9, 1e20, 3.4e38, 2.5, 1e30])
    want = getattr(np, name)(x.astype(np.float64))
    assert ulps(one(name, x), want, dtypes.float32) <= LIMIT


def test_denormal_results_of_exp():
    x = np.float32(np.linspace(-103.5, -87.5, 1000))
    want = np.exp(x.astype(np.float64))
    assert np.abs(one("exp", x) - want).max() <= 2.0**-149 * 1.01


def test_power_of_random_numbers():
    n = 30_000
    x = (10.0 ** RANDOM.uniform(-10, 10, n)).astype(np.float32)
    y = RANDOM.uniform(-3.5, 3.5, n).astype(np.float32)
    want = np.power(x.astype(np.float64), y.astype(np.float64))
    assert ulps(one("pow", x, y), want, dtypes.float32) <= 1.0
    x64, y64 = x.astype(np.float64), y.astype(np.float64)
    assert ulps(one("pow", x64, y64), np.power(x64, y64), dtypes.float64) <= LIMIT


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_power_of_special_values_is_that_of_c(kind):
    values = np.array([0.0, -0.0, 1, -1, 2, -2, 0.5, -0.5, 3, -3, INF, -INF, NAN, 2.5], kind)
    x, y = (v.ravel() for v in np.meshgrid(values, values))
    x, y = x.copy(), y.copy()
    with np.errstate(all="ignore"):
        want = np.power(x.astype(np.float64), y.astype(np.float64)).astype(kind)
    got = one("pow", x, y)
    finite = np.isfinite(want) & (want != 0)
    assert same_bits(got[~finite], want[~finite])
    assert np.allclose(got[finite], want[finite], rtol=3e-7)


def test_short_floats_round_the_float32_result_once():
    import ml_dtypes

    x = RANDOM.uniform(-4, 4, 5000)
    for short in (np.float16, ml_dtypes.bfloat16):
        a = x.astype(short)
        for name in ("exp", "tanh", "sin", "sigmoid"):
            assert same_bits(one(name, a), one(name, a.astype(np.float32)).astype(short)), name
