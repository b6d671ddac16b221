"""The width of the vector registers changes no bit."""

import numpy as np
import pytest
from kernel_harness import mapped, one, reduced, same_bits

from nacre.backends import calls
from nacre.backends.cpu import compile as compiler
from nacre.backends.cpu import target
from nacre.backends.cpu.backend import call_gemm
from nacre.base import config
from nacre.base.dtypes import float32

RANDOM = np.random.RandomState(9)
X = RANDOM.randn(2, 18000).astype(np.float32) * 3
NAMES = ("exp", "tanh", "sigmoid", "log1p", "sin", "erf", "expm1", "log2")
WIDTHS = {"sse": ("x86-64", set()), "avx2": ("haswell", {"avx2", "fma", "f16c"})}


def products():
    for m, n, k in ((1, 40, 30), (3, 17, 20), (30, 50, 600), (13, 5, 9)):
        for turned in (False, True):
            a, b = X.ravel()[: m * k].reshape(m, k), X.ravel()[-k * n :].reshape(k, n)
            out = np.empty((m, n), np.float32)
            call_gemm(a, b.T.copy().T if turned else b, out)
            yield out


def results():
    body = (("exp", (0,), float32, ()), ("mul", (1, 0), float32, ()))
    found = [one(name, np.abs(X)) for name in NAMES]
    found += [one(name, X[:, :77].astype(np.float16)) for name in ("exp", "neg", "abs")]
    found += [one(name, X[:, :77].astype(np.float64)) for name in ("exp", "log1p", "tanh")]
    found += products()
    found += [reduced("sum", X, dims, body=body) for dims in ((0,), (1,), (0, 1))]
    return [*found, mapped(body, [X.T], float32)]


@pytest.mark.parametrize("name", sorted(WIDTHS))
def test_other_registers_give_the_same_bits(name, monkeypatch):
    here = target.host()
    if not here.x86 or here.vector_bytes < 32:
        pytest.skip("needs AVX2")
    want = results()
    cpu, features = WIDTHS[name]
    monkeypatch.setattr(target, "_HOST", target.describe(here.triple, cpu, "", features))
    monkeypatch.setattr(compiler, "_ADDRESSES", {})
    monkeypatch.setattr(calls, "_KERNELS", {})
    monkeypatch.setattr(config, "CACHE_DIR", "")
    assert all(same_bits(a, b) for a, b in zip(want, results(), strict=True))
