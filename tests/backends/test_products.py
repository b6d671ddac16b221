"""Products: the order of accumulation, every layout and size, epilogues, batches, threads."""

import itertools
import threading
from fractions import Fraction

import numpy as np
import pytest
from kernel_harness import Table, mapped, same_bits

from nacre.backends.cpu.backend import (
    ProgramBuilder,
    call_gemm,
    call_map,
    call_reduce,
    get_num_threads,
    set_num_threads,
)
from nacre.backends.cpu.compile import STATS
from nacre.base.dtypes import bool_, float32, float64

RANDOM = np.random.RandomState(7)
BLOCKS = {np.float32: 512, np.float64: 256}


@pytest.fixture(autouse=True)
def threads():
    before = get_num_threads()
    yield
    set_num_threads(before)


def randoms(*shape, kind=np.float32):
    return RANDOM.randn(*shape).astype(kind)


def product(a, b, out=None, body=(), inputs=(), scalars=()):
    """epilogue(a @ b) as one call of the backend."""
    t = Table()
    shape = (*np.broadcast_shapes(a.shape[:-2], b.shape[:-2]), a.shape[-2], b.shape[-1])
    result = np.full(shape, np.nan, a.dtype) if out is None else out
    more = [t.array(x) for x in inputs] + [t.scalar(v, k) for v, k in scalars]
    builder = ProgramBuilder()
    builder.gemm(t.array(a), t.array(b), t.array(result), more, body)
    assert t.run(builder) == 0
    return result


def fused(a, b, c, kind):
    """a * b + c, rounded once."""
    if kind is np.float32:
        return np.float32(np.float64(a) * np.float64(b) + np.float64(c))
    return np.float64(Fraction(float(a)) * Fraction(float(b)) + Fraction(float(c)))


def chains(row, column, kind):
    """The contract: K in blocks, a block is one chain from 0 upwards, blocks are added upwards."""
    total = None
    for start in range(0, len(row), BLOCKS[kind]):
        chain = kind(0)
        end = start + BLOCKS[kind]
        for x, y in zip(row[start:end], column[start:end], strict=True):
            chain = fused(x, y, chain, kind)
        total = chain if total is None else kind(total + chain)
    return total


def expected(a, b, kind):
    return np.array([[chains(row, column, kind) for column in b.T] for row in a], kind)


@pytest.mark.parametrize("kind", [np.float32, np.float64])
@pytest.mark.parametrize("k", [1, 7, 256, 257, 512, 513, 1100])
def test_the_order_over_the_contracted_index(k, kind):
    a, b = randoms(3, k, kind=kind), randoms(k, 2, kind=kind)
    assert same_bits(product(a, b), expected(a, b, kind))


SIZES = [
    (1, 1, 5),
    (1, 300, 40),
    (300, 1, 40),
    (2, 256, 20),
    (10, 256, 70),
    (256, 10, 70),
    (13, 33, 17),
    (37, 129, 600),
    (100, 100, 100),
    (12, 32, 64),
    (130, 70, 1030),
]


def turned(x):
    return [x, np.asfortranarray(x), np.repeat(x, 2, axis=-1)[..., ::2]]


def one_by_one(a, b):
    """Each element as a product of its own."""
    return np.array([[product(r[None], c[:, None])[0, 0] for c in b.T] for r in a])


@pytest.mark.parametrize("size", SIZES)
def test_size_and_layout_do_not_change_the_bits(size):
    m, n, k = size
    a, b = randoms(m, k), randoms(k, n)
    want = product(a, b)
    assert np.allclose(want, a.astype(np.float64) @ b, rtol=1e-4, atol=1e-3)
    rows, columns = sorted({0, m // 2, m - 1}), sorted({0, n // 2, n - 1})
    some = one_by_one(a[rows], b[:, columns])
    assert same_bits(want[np.ix_(rows, columns)], some)
    for x, y in itertools.product(turned(a), turned(b)):
        assert same_bits(product(x, y), want)
        assert same_bits(product(x, y, np.full((n, m), np.nan, np.float32).T), want)
    wide = np.full((m, 2 * n), np.nan, np.float32)
    assert same_bits(product(a, b, wide[:, ::2]), want)
    assert np.isnan(wide[:, 1::2]).all()


@pytest.mark.parametrize("kind", [np.float32, np.float64])
def test_nothing_is_written_outside_the_result(kind):
    for m, n in itertools.product((1, 3, 5, 12, 23, 49), (1, 7, 16, 17, 31, 40)):
        whole = np.full((m + 2, n + 2), 7, kind)
        product(randoms(m, 30, kind=kind), randoms(30, n, kind=kind), whole[1:-1, 1:-1])
        whole[1:-1, 1:-1] = 7
        assert (whole == 7).all(), (m, n)


EPILOGUE = (("add", (0, 1), float32, ()), ("relu", (3,), float32, ()), ("mul", (4, 2), float32, ()))


@pytest.mark.parametrize("size", [(2, 256, 20), (30, 10, 20), (130, 140, 300), (300, 40, 600)])
def test_an_epilogue_gives_the_bits_of_a_map(size):
    m, n, k = size
    a, b, bias, other = randoms(m, k), randoms(k, n), randoms(n), randoms(m, n)
    plain = product(a, b)
    want = mapped(EPILOGUE, [plain, bias, other], float32)
    for x in (other, np.asfortranarray(other)):
        assert same_bits(product(a, b, None, EPILOGUE, [bias, x]), want)
    column = randoms(m, 1)
    want = mapped(EPILOGUE, [plain, column, other], float32)
    assert same_bits(product(a, b, None, EPILOGUE, [column, other]), want)
    body = (("cast", (1,), float32, ()), ("mul", (0, 2), float32, ()))
    want = plain * np.float32(0.3)
    assert same_bits(product(a, b, None, body, (), [(0.3, "f")]), want)


def test_an_epilogue_may_change_the_dtype():
    a, b = randoms(20, 30), randoms(30, 40)
    body = (("gt", (0, 1), bool_, ()),)
    limit = np.zeros((), np.float32)
    got = product(a, b, np.empty((20, 40), bool), body, [limit])
    assert (got == (product(a, b) > 0)).all()
    body = (("cast", (0,), float64, ()),)
    got = product(a, b, np.empty((20, 40)), body)
    assert (got == product(a, b)).all()


@pytest.mark.parametrize("size", [(3, 5, 7), (64, 70, 300), (1, 40, 30), (40, 1, 30)])
def test_batches_are_separate_products(size):
    m, n, k = size
    a, b = randoms(3, 2, m, k), randoms(3, 2, k, n)
    for x, y in ((a, b), (a, b[:, :1]), (a[:1], b), (a, b[0, 0]), (a[0, 0], b)):
        got = product(x, y)
        wide, high = np.broadcast_to(x, (3, 2, m, k)), np.broadcast_to(y, (3, 2, k, n))
        if got.ndim == 4:
            for i, j in itertools.product(range(3), range(2)):
                assert same_bits(got[i, j], product(wide[i, j].copy(), high[i, j].copy()))
    bias = randoms(2, 1, n)
    body = (("add", (0, 1), float32, ()),)
    assert same_bits(product(a, b, None, body, [bias]), product(a, b) + bias)


def test_an_empty_contraction_is_zero_and_an_empty_result_is_left():
    assert (product(np.empty((3, 0), np.float32), np.empty((0, 4), np.float32)) == 0).all()
    assert product(np.empty((0, 3), np.float32), randoms(3, 4)).shape == (0, 4)


def test_infinities_and_nan_stay_in_their_rows():
    a, b = randoms(40, 33), randoms(33, 50)
    want = product(a, b)
    a[7, 3], a[9, 4] = np.nan, np.inf
    got = product(a, b)
    assert np.isnan(got[7]).all()
    assert not np.isfinite(got[9]).any()
    keep = np.delete(np.arange(40), [7, 9])
    assert same_bits(got[keep], want[keep])


def test_threads_do_not_change_the_bits():
    cases = [(randoms(m, k), randoms(k, n)) for m, n, k in (*SIZES, (256, 784, 300))]
    set_num_threads(1)
    alone = [product(a, b) for a, b in cases]
    for count in (2, 3, 5):
        set_num_threads(count)
        for (a, b), want in zip(cases, alone, strict=True):
            assert same_bits(product(a, b), want)


def test_the_quick_path():
    for m in (3, 4, 5, 70):
        a, b = randoms(m, 20), randoms(30, 20)
        out = np.empty((m, 30), np.float32)
        assert call_gemm(a, b.T, out) == 0
        assert same_bits(out, product(a, b.T))
        body = (("relu", (0,), float32, ()),)
        assert call_gemm(a, b.T, out, (), body) == 0
        assert same_bits(out, np.maximum(product(a, b.T), 0))


def test_other_dtypes_are_refused():
    whole = np.ones((2, 2), np.int64)
    with pytest.raises(NotImplementedError):
        product(whole, whole, whole.copy())


def test_a_new_shape_compiles_nothing():
    body = (("relu", (0,), float32, ()),)

    def several(n):
        a, b, out = randoms(n, 20), randoms(30, 20), np.empty((n, 30), np.float32)
        call_gemm(a, b.T, out, (), body)
        call_map([out, b[0, :1]], (("add", (0, 1), float32, ()),), [(2, out)])
        call_reduce("sum", (0,), [out], (), np.empty(30, np.float32))
        call_reduce("sum", (0, 1), [out], body, np.empty((), np.float32))

    several(10)
    before = dict(STATS)
    for n in (11, 12, 37, 90):
        several(n)
    assert before == STATS


def test_several_threads_may_make_calls_on_arrays_at_once():
    set_num_threads(2)
    cases = [(randoms(m, 70), randoms(70, 90)) for m in (30, 40, 150, 333)]
    wants = [product(a, b) for a, b in cases]
    wrong = []

    def work(a, b, want):
        for _ in range(40):
            out = np.empty_like(want)
            call_gemm(a, b, out)
            if not same_bits(out, want):
                wrong.append(1)

    workers = [
        threading.Thread(target=work, args=(*c, w)) for c, w in zip(cases, wants, strict=True)
    ]
    for w in workers:
        w.start()
    for w in workers:
        w.join()
    assert not wrong
