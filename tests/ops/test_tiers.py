"""The same bits however a sample is run: one operation at a time or compiled, on 1 or 2 threads."""

from __future__ import annotations

import contextlib
import dataclasses
import warnings

import numpy as np
import pytest

import nacre
from nacre.backends.cpu.threads import get_num_threads, set_num_threads
from nacre.base import config
from nacre.ops.samples import Array, Sample
from nacre.runtime import run

from .cases import RECORDS, case, spellings
from .gradients import weights
from .outcomes import build, in_place, invoke

NEVER = 10**9
ELEMENTS = 60_000
each = pytest.mark.parametrize("record", RECORDS, ids=str)


@pytest.fixture(autouse=True)
def quiet():
    """What compiling warns of is an error here; PyTorch's own warnings are another's subject."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        warnings.simplefilter("error", nacre.base.errors.NacreWarning)
        yield


@pytest.fixture
def compiled(monkeypatch):
    """Whether each stretch that was to be compiled was."""
    made = []
    compile_it = run.compiled

    def seen(executable, s):
        made.append(compile_it(executable, s))
        return made[-1]

    monkeypatch.setattr(run, "compiled", seen)
    return made


@contextlib.contextmanager
def tier(hot, threads):
    """Stretches compiled at this sight, on this many threads."""
    before, count = config.HOT, get_num_threads()
    config.HOT = hot
    set_num_threads(threads)
    try:
        yield
    finally:
        config.HOT = before
        set_num_threads(count)


def bits(cases, hot, threads=1) -> list:
    """Of all results and gradients of the cases, recorded together and evaluated at once."""
    with tier(hot, threads):
        run.evaluate()
        pending = [_pending(c) for c in cases]
        for c, found in zip(cases, pending, strict=True):
            if isinstance(found, Exception) and not in_place(c["call"]):
                raise found
        found = [[] if isinstance(p, Exception) else [_bytes(t) for t in p] for p in pending]
    return found


def _pending(c) -> list | Exception:
    """A case's results and gradients, not evaluated; in-place forms may refuse a sample."""
    leaves: list = []
    args = build(nacre, c["args"], leaves)
    kwargs = {k: build(nacre, v, leaves) for k, v in c["kwargs"].items()}
    if in_place(c["call"]):
        args[0] = args[0].clone()
    try:
        result = invoke(nacre, c["call"], args, kwargs)
    except (RuntimeError, TypeError) as error:
        return error
    results = list(result) if isinstance(result, tuple | list) else [result]
    first = results[0]
    if leaves and first.requires_grad and type(first.grad_fn).__name__ != "NotImplemented":
        w = nacre.tensor(weights(tuple(first.shape))).to(first.dtype)
        try:
            grads = nacre.autograd.grad(first, leaves, w, allow_unused=True)
        except RuntimeError as error:
            return error
        results += [g for g in grads if g is not None]
    return results


def _bytes(t):
    """Bits of a tensor, NaNs made one: their sign and payload mean nothing."""
    a = np.ascontiguousarray(t.detach().numpy())
    if a.dtype.kind == "f":
        a = np.where(np.isnan(a), np.array(np.nan, a.dtype), a)
    return a.dtype.str, a.shape, a.tobytes()


def differences(record, given, hot_threads) -> list[str]:
    """Which samples give other bits compiled, on each number of threads."""
    cases = [case(s, call) for s, call in given]
    want = bits(cases, NEVER)
    failures = []
    for threads in hot_threads:
        got = bits(cases, 1, threads)
        for (s, call), a, b in zip(given, want, got, strict=True):
            if a != b:
                failures.append(f"{threads} threads: {call}{s.args} {s.kwargs}: {_shown(a, b)}")
    return failures


def _shown(want, got) -> str:
    for i, (a, b) in enumerate(zip(want, got, strict=True)):
        if a != b:
            x, y = (np.frombuffer(v[2], v[0]) for v in (a, b))
            k = int(np.flatnonzero(x.view(f"u{x.itemsize}") != y.view(f"u{y.itemsize}"))[0])
            return f"result {i}, element {k}: cold {x[k]!r}, hot {y[k]!r}"
    return f"{len(want)} results, {len(got)} hot"


@each
def test_compiled_samples_have_the_bits_of_single_operations(record):
    given = []
    for sample in record.samples():
        calls = spellings(record, sample)
        first = calls if sample.calls else calls[:1]
        given += [(sample, c) for c in first]
        given += [(sample, c) for c in calls if in_place(c) and c not in first]
    failures = differences(record, given, (1,))
    assert not failures, "\n" + "\n".join(failures[:20])


# ---- as large as it takes for several chunks ----------------------------------------------------
def enlarged(sample: Sample) -> Sample | None:
    """The sample with every dimension longer by one factor, or None if that means nothing."""
    arrays = [x for x in (*sample.args, *sample.kwargs.values()) if isinstance(x, Array)]
    rank = max((len(x.shape) for x in arrays), default=0)
    most = max((int(np.prod(x.shape)) for x in arrays), default=0)
    if not rank or not most or most > 64 or any(x.data for x in arrays):
        return None
    factor = int((ELEMENTS / most) ** (1 / rank))

    def grown(x):
        if not isinstance(x, Array):
            return x
        shape = tuple(n if n == 1 else n * factor for n in x.shape)
        return dataclasses.replace(x, shape=shape)

    kwargs = {k: grown(x) for k, x in sample.kwargs.items()}
    return Sample(tuple(grown(x) for x in sample.args), kwargs)


COMPOSITES = ("softmax", "log_softmax", "mse_loss", "linear", "nll_loss", "var", "mean_dim")
LARGE = [
    r
    for r in RECORDS
    if r.name in COMPOSITES
    or (r.kind in ("map", "reduce", "contract") and r.name not in ("copy", "arange"))
]


@pytest.mark.parametrize("record", LARGE, ids=str)
def test_large_samples_have_the_same_bits_on_one_and_two_threads(record, compiled):
    given = []
    for sample in record.samples():
        large = enlarged(sample)
        call = spellings(record, sample)[0]
        if large is not None and sample.smooth and not in_place(call):
            given.append((large, call))
    assert given
    compiled.clear()
    failures = differences(record, given[:6], (1, 2))
    assert not failures, "\n" + "\n".join(failures[:20])
    assert any(compiled), "nothing was compiled"
