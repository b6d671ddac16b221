"""Maps: every layout, length and dtype gives the bits of one element at a time."""

import itertools

import ml_dtypes
import numpy as np
import pytest
from kernel_harness import Table, mapped, one, same_bits

from nacre.backends.calls import Operand, Scalar
from nacre.backends.cpu.backend import ProgramBuilder, call_map
from nacre.base import dtypes as D
from nacre.base.dtypes import bool_, float32, float64, int32, int64, uint8
from nacre.ops.record import REGISTRY

RANDOM = np.random.RandomState(11)
F = float32
INF, NAN = np.inf, np.nan


def randoms(*shape):
    return RANDOM.randn(*shape).astype(np.float32)


HEAVY = (("exp", (0,), F, ()), ("mul", (1, 2), F, ()), ("tanh", (3,), F, ()))


@pytest.mark.parametrize("n", [*range(1, 20), 31, 32, 33, 63, 64, 65, 100, 1000])
def test_every_length_gives_the_bits_of_its_elements(n):
    x, y = randoms(n), randoms(n)
    whole = mapped(HEAVY, [x, y], F)
    single = [mapped(HEAVY, [x[i : i + 1], y[i : i + 1]], F)[0] for i in range(n)]
    assert same_bits(whole, np.array(single))


def layouts(shape):
    base = randoms(*shape)
    yield base
    yield np.asfortranarray(base)
    yield np.repeat(base, 2, axis=-1)[..., ::2]
    yield base[::-1].copy()[::-1]
    yield np.broadcast_to(base[:1], shape)
    yield np.broadcast_to(base[..., :1], shape)
    yield np.broadcast_to(base.ravel()[:1], shape)


@pytest.mark.parametrize("shape", [(7, 33), (3, 4, 5), (1, 9), (9, 1), (2, 3, 1, 40)])
def test_layouts_do_not_change_the_bits(shape):
    for a in layouts(shape):
        for b in layouts(shape):
            want = mapped(HEAVY, [a.copy(order="C"), b.copy(order="C")], F)
            assert same_bits(mapped(HEAVY, [a, b], F), want)


def test_outputs_of_any_layout():
    x = randoms(12, 17)
    wide = np.zeros((12, 40), np.float32)
    for goal in (np.zeros((17, 12), np.float32).T, wide[:, 3:37:2], wide[:, :17][::-1][::-1]):
        t = Table()
        b = ProgramBuilder()
        b.map((12, 17), [t.array(x)], (("neg", (0,), F, ()),), [(1, t.array(goal))])
        assert t.run(b) == 0
        assert (goal == -x).all()
    assert (wide[:, 37:] == 0).all()


@pytest.mark.parametrize("shape", [(100, 130), (130, 100), (3, 70, 5), (2, 3, 90), (1, 200, 2)])
def test_turned_operands_of_many_shapes(shape):
    x = randoms(*shape)
    for axes in itertools.permutations(range(len(shape))):
        turned = x.transpose(axes)
        assert (mapped((), [turned], F) == turned).all()
        goal = np.empty_like(x)
        t = Table()
        b = ProgramBuilder()
        b.copy(t.array(turned.copy()), t.array(goal.transpose(axes)))
        assert t.run(b) == 0
        assert (goal == x).all()


def test_several_outputs_and_in_place():
    x, y = randoms(1001), randoms(1001)
    want = x + y, (x + y) * y
    total = np.empty_like(x)
    t = Table()
    a, c = t.array(x), t.array(y)
    b = ProgramBuilder()
    body = (("add", (0, 1), F, ()), ("mul", (2, 1), F, ()))
    b.map((1001,), [a, c], body, [(2, t.array(total)), (3, a)])
    assert t.run(b) == 0
    assert (total == want[0]).all()
    assert (x == want[1]).all()


@pytest.mark.parametrize("shape", [(), (0,), (3, 0), (1,), (1, 1)])
def test_scalars_and_empty_shapes(shape):
    x = np.full(shape, 2.0, np.float32)
    assert (mapped((("mul", (0, 0), F, ()),), [x], F) == 4).all()


def test_numbers_are_inputs():
    x = randoms(50)
    body = (("cast", (1,), F, ()), ("mul", (0, 4), F, ()), ("where", (3, 5, 0), F, ()))
    for on in (True, False):
        got = mapped(body, [x], F, [(0.1, "f"), (3, "i"), (on, "b")])
        assert same_bits(got, x * np.float32(0.1) if on else x)


def test_large_integers_survive_as_scalars():
    x = np.array([1, 2], np.int64)
    got = mapped((("add", (0, 1), int64, ()),), [x], int64, [(2**62 + 1, "i")])
    assert got.tolist() == [2**62 + 2, 2**62 + 3]


ODD = [0.0, -0.0, 1.5, -1.5, 2.5, 0.5, INF, -INF, NAN, 1e-42, 3e38, -7.0, 3.0, 1e10, 255.9, -0.9]


@pytest.mark.parametrize("kind", D.ALL, ids=repr)
@pytest.mark.parametrize("source", D.ALL, ids=repr)
def test_casts_are_those_of_numpy(source, kind):
    with np.errstate(all="ignore"):
        x = np.array(ODD).astype(source.np)
        if kind.category < D.FLOATING and source.is_floating_point:
            x = x[np.isfinite(x.astype(np.float64)) & (np.abs(x.astype(np.float64)) < 120)]
        want = x.astype(kind.np)
    assert same_bits(mapped((("cast", (0,), kind, ()),), [x], kind), want)


BINARY = ["add", "sub", "mul", "maximum", "minimum", "eq", "ne", "lt", "le", "gt", "ge"]


@pytest.mark.parametrize("kind", [np.float32, np.float64, np.float16, ml_dtypes.bfloat16])
@pytest.mark.parametrize("name", [*BINARY, "div", "remainder", "floor_divide"])
def test_floating_arithmetic_is_that_of_numpy(name, kind):
    if name in ("remainder", "floor_divide") and kind not in (np.float32, np.float64):
        pytest.skip("NumPy computes these otherwise")
    with np.errstate(all="ignore"):
        values = np.array(ODD).astype(kind)
    x, y = (v.ravel().copy() for v in np.meshgrid(values, values))
    op = REGISTRY[name]
    with np.errstate(all="ignore"):
        want = op.numpy(None, None, x, y)
    if name in ("remainder", "floor_divide"):
        keep = np.isfinite(x) & np.isfinite(y) & (y != 0)
        x, y, want = x[keep], y[keep], want[keep]
        assert np.array_equal(one(name, x, y), want)
        return
    if name in ("maximum", "minimum"):
        keep = ~((x == 0) & (y == 0))
        x, y, want = x[keep], y[keep], want[keep]
    assert same_bits(one(name, x, y, out=bool_ if want.dtype == bool else None), want)


@pytest.mark.parametrize("kind", [np.int64, np.int32, np.int16, np.int8, np.uint8])
@pytest.mark.parametrize(
    "name", [*BINARY, "remainder", "floor_divide", "bitwise_and", "bitwise_or", "bitwise_xor"]
)
def test_integer_arithmetic_is_that_of_numpy(name, kind):
    info = np.iinfo(kind)
    values = np.array([0, 1, 2, 3, 7, info.max, info.min, info.max - 1, -1 & info.max], kind)
    x, y = (v.ravel().copy() for v in np.meshgrid(values, values))
    if name in ("remainder", "floor_divide"):
        x, y = x[y != 0], y[y != 0]
    with np.errstate(all="ignore"):
        want = REGISTRY[name].numpy(None, None, x, y)
    assert same_bits(one(name, x, y, out=bool_ if want.dtype == bool else None), want)


def test_division_by_integer_zero_does_not_end_the_process():
    x = np.array([1, -5, -(2**31)], np.int32)
    assert one("floor_divide", x, np.zeros(3, np.int32)).tolist() == [0, 0, 0]
    assert one("remainder", x, np.array([0, 0, -1], np.int32)).tolist() == [0, 0, 0]


def test_integer_powers():
    x = np.array([0, 1, -1, 2, -3, 10], np.int64)
    for exponent in (0, 1, 2, 5, 13):
        assert same_bits(one("pow", x, np.full(6, exponent, np.int64)), x**exponent)


@pytest.mark.parametrize("name", ["floor", "ceil", "trunc", "round", "abs", "neg", "sqrt"])
def test_exact_functions_of_one_value(name):
    for kind in (np.float32, np.float64):
        x = np.array([*ODD, 2.5, 3.5, -2.5, 4503599627370497.5], kind)
        with np.errstate(all="ignore"):
            want = REGISTRY[name].numpy(None, None, x)
        assert same_bits(one(name, x), want)


def test_bools_are_bytes_of_0_and_1():
    x, y = np.array([True, True, False, False] * 9), np.array([True, False] * 18)
    for name, want in (("logical_and", x & y), ("logical_or", x | y), ("logical_xor", x ^ y)):
        got = one(name, x, y)
        assert got.dtype == bool
        assert (got.view(np.uint8) == want.view(np.uint8)).all()


def test_copy_casts_and_fill_fills():
    x = randoms(5, 6)
    for kind in (float64, int32, uint8, float32):
        goal = np.full((6, 5), 9, kind.np).T
        t = Table()
        b = ProgramBuilder()
        b.copy(t.array(np.abs(x)), t.array(goal))
        assert t.run(b) == 0
        assert (goal == np.abs(x).astype(kind.np)).all()
        b = ProgramBuilder()
        b.fill(t.array(goal), 3)
        assert t.run(b) == 0
        assert (goal == 3).all()


def test_the_quick_path():
    x = randoms(40)
    out = np.empty_like(x)
    body = (("cast", (1,), F, ()), ("mul", (0, 2), F, ()))
    for number in (2.0, 5.0):
        assert call_map([x, number], body, [(3, out)]) == 0
        assert (out == x * np.float32(number)).all()


def test_operands_are_values():
    assert Operand(4, F, (2,), (1,)) == Operand(4, F, (2,), (1,), 0)
    assert Scalar(4, "f") != Scalar(4, "i")


def test_constants_that_compare_equal_are_not_confused():
    goal = np.ones(3, np.float32)
    t = Table()
    where = t.array(goal)
    for value in (0.0, -0.0):
        b = ProgramBuilder()
        b.fill(where, value)
        assert t.run(b) == 0
        assert (np.signbit(goal) == np.signbit(value)).all()
