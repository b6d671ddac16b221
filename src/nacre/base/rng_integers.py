"""Random integers, permutations, choices and counts."""

from __future__ import annotations

import math
import warnings

import numpy as np

from nacre.base import dtypes
from nacre.base.dtypes import dtype
from nacre.base.errors import fail
from nacre.base.generator import Generator
from nacre.base.rng_floats import (
    C_NAMES,
    exponential,
    narrow,
    need_float,
    not_implemented,
    scalar_name,
)
from nacre.base.typeinfo import DIGITS, LARGEST


# ---- integers -----------------------------------------------------------------------------------
def randint(g: Generator, n: int, low: int, high: int, d: dtype = dtypes.int64) -> np.ndarray:
    """`n` integers in [low, high), of type `d`."""
    return random(g, n, d, low, high)


def random(g: Generator, n: int, d: dtype, *bounds: int | None) -> np.ndarray:
    """`n` integers of type `d`: `random(g, n, d)`, `(…, to)`, `(…, from, to)` or `(…, from, None)`.

    Without bounds from 0 to the largest integer that the type holds exactly; with `to` None up to
    and with that one. RuntimeError if a bound does not fit the type or the range is empty.
    """
    if not bounds:
        return _full_range(g, n, d)
    low, high = (bounds[0] or 0, bounds[1]) if len(bounds) == 2 else (0, bounds[0])
    if high is None and low == -(1 << 63):
        return _every_int64(g, n, d)
    low, last = _range_of(d, low, high)
    if not n:
        return np.empty(0, d.np)
    width = last - low + 1
    drawn: np.ndarray
    if width >= 1 << 28:  # PyTorch takes 64 bits here, so that no value is much likelier
        drawn = g.raw64(n)
        if width < 1 << 64:
            drawn %= np.uint64(width)
    else:
        drawn = g.raw(n)
        drawn %= np.uint32(width)
    values = drawn.astype(np.int64)
    if low:
        values += np.int64(low)  # wraps as C++ does when the range is wider than 63 bits
    return narrow(values, d)


def _every_int64(g: Generator, n: int, d: dtype) -> np.ndarray:
    if not n:
        return np.empty(0, d.np)
    if d in (dtypes.bool_, dtypes.float16):
        not_implemented("random_full_64_bits_range_kernel_cpu", d)
    if d not in (dtypes.int64, dtypes.float64, dtypes.float32, dtypes.bfloat16):
        fail(
            RuntimeError,
            "random_full_64_bits_range_kernel_cpu handles only int64, double, float and bfloat16",
        )
    return narrow(g.raw64(n).view(np.int64), d)


def _full_range(g: Generator, n: int, d: dtype) -> np.ndarray:
    if d is dtypes.bool_:
        return (g.raw(n) & np.uint32(1)).astype(np.bool_)
    wide = d in (dtypes.int64, dtypes.float64)
    drawn = g.raw64(n) if wide else g.raw(n)
    drawn %= drawn.dtype.type(_last_integer(d) + 1)
    return narrow(drawn.view(np.int64 if wide else np.int32), d)


def _last_integer(d: dtype) -> int:
    if d.is_floating_point:
        return 1 << DIGITS[d.name]
    return 1 if d is dtypes.bool_ else int(np.iinfo(d.np).max)


def _range_of(d: dtype, low: int, high: int | None) -> tuple[int, int]:
    """The first and last integer to draw, moved inwards to numbers that a float type holds."""
    if high is None:
        last = _last_integer(d)
        low = _held(d, low, 1)
        if d.is_floating_point and low >= last:
            fail(
                RuntimeError,
                "random_ expects 'from' casted to dtype to be less than or equal to 'to_inc' "
                f"casted to dtype, but got from={low} > to_inc={last}",
            )
    else:
        if low >= high:
            fail(
                RuntimeError,
                f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}",
            )
        low = _held(d, low, 1)
        high = _held(d, high, -1)
        if low >= high:
            fail(
                RuntimeError,
                "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but "
                f"got from={low} >= to={high}",
            )
        last = high - 1
    _check_bounds(d, low, last)
    return low, last


def _held(d: dtype, bound: int, inwards: int) -> int:
    """`bound`, or the number a float type holds next to it if rounding would leave the range."""
    if not d.is_floating_point:
        return bound
    after = float(narrow(np.array([bound + inwards]), d)[0])
    outside = after < bound if inwards > 0 else after >= bound
    if not outside or not -(2.0**63) <= after < 2.0**63:
        return bound
    exponent = abs(bound + inwards).bit_length() - 1
    return int(after) + inwards * (1 << (exponent - DIGITS[d.name] + 1))


def _check_bounds(d: dtype, low: int, last: int) -> None:
    if d.is_floating_point:
        largest = LARGEST[d.name]
        smallest = -largest
    else:
        largest = _last_integer(d)
        smallest = 0 if d is dtypes.bool_ else int(np.iinfo(d.np).min)
    for name, bound in (("from", low), ("to - 1", last)):
        if not smallest <= bound <= largest:
            fail(RuntimeError, f"{name} is out of bounds for {C_NAMES[d.name]}")
    if not d.is_floating_point:
        return
    digits = DIGITS[d.name]
    for name, bound in (("from", low), ("to - 1", last)):
        if abs(bound) > 1 << digits:
            warnings.warn(
                f"{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision "
                f"limitations {C_NAMES[d.name]} can support discrete uniform distribution only "
                "within this range. This warning will become an error in version 1.7 release, "
                "please fix the code in advance",
                UserWarning,
                stacklevel=5,
            )


def randperm(g: Generator, n: int, d: dtype = dtypes.int64) -> np.ndarray:
    """A permutation of 0 … n - 1: for each place in turn, a swap with one not before it."""
    if n < 0:
        fail(RuntimeError, f"Trying to create tensor with negative dimension {n}: [{n}]")
    largest = LARGEST[d.name] if d.is_floating_point else _last_integer(d)
    if n > largest:
        name = "uint8_t" if d is dtypes.uint8 else f"int{8 * d.itemsize}_t"
        name = "bool" if d is dtypes.bool_ else "at::Half" if d is dtypes.float16 else name
        fail(RuntimeError, f"value cannot be converted to type {name} without overflow")
    order = list(range(n))
    if n > 1:
        partners = (g.raw(n - 1) % np.arange(n, 1, -1, dtype=np.uint32)).astype(np.int64)
        partners += np.arange(n - 1)
        for i, j in enumerate(partners.tolist()):
            order[i], order[j] = order[j], order[i]
    return narrow(np.array(order, np.int64), d)


# ---- yes or no ----------------------------------------------------------------------------------
def bernoulli(g: Generator, p: np.ndarray) -> np.ndarray:
    """True with each element's probability; a bool array of `p`'s shape.

    float64 probabilities take a float64 draw each, narrower ones a float32 draw. RuntimeError if a
    probability lies outside [0, 1].
    """
    p = np.asarray(p)
    d = dtypes.from_numpy(p.dtype)
    need_float(d, "bernoulli_tensor_cpu_p_")
    if p.size and not (p.min() >= 0 and p.max() <= 1):
        fail(
            RuntimeError,
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error message "
            "be improved?  If so, please report an enhancement request to PyTorch.)",
            "every probability must lie between 0 and 1, and none be NaN",
        )
    if d is dtypes.float64:
        return g.unit64(p.size).reshape(p.shape) < p
    return g.unit32(p.size).reshape(p.shape) < p.astype(np.float32, copy=False)


def bernoulli_scalar(g: Generator, n: int, p: float) -> np.ndarray:
    """`n` bools, each true with probability `p`: a float64 draw below it."""
    if not 0 <= p <= 1:
        fail(RuntimeError, f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")
    # The draw is k / 2**53, so k is compared instead: k < p * 2**53, which is exact.
    drawn = g.raw64(n)
    drawn &= np.uint64((1 << 53) - 1)
    return drawn < np.uint64(math.ceil(p * 2.0**53))


def dropout_mask(g: Generator, n: int, p: float) -> np.ndarray:
    """`n` bools: which elements dropout with probability `p` keeps; no draws if p is 0 or 1."""
    if p in (0, 1):
        return np.full(n, p == 0)
    return bernoulli_scalar(g, n, 1.0 - p)


# ---- choices -------------------------------------------------------------------------------------
def multinomial(g: Generator, p: np.ndarray, count: int, replacement: bool = False) -> np.ndarray:
    """`count` indices drawn with the probabilities of a vector, or of each row of a matrix.

    Returns int64 of shape (count,) or (rows, count). Without replacement the largest p / e win,
    where e is exponential; with it, each draw falls into a slot of the running sum.
    """
    p = np.asarray(p)
    d = dtypes.from_numpy(p.dtype)
    if not 1 <= p.ndim <= 2:
        fail(RuntimeError, "prob_dist must be 1 or 2 dim")
    if not d.is_floating_point:
        fail(
            RuntimeError,
            "multinomial only supports floating-point dtypes for input, got: " + scalar_name(d),
        )
    if count <= 0:
        fail(RuntimeError, "cannot sample n_sample <= 0 samples")
    if not replacement and count > p.shape[-1]:
        fail(
            RuntimeError,
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement",
            f"there are {p.shape[-1]} categories: ask for no more, or pass replacement=True",
        )
    rows = p if p.ndim == 2 else p[None]
    wide = rows if d is dtypes.float64 else rows.astype(np.float32)
    if not wide.size:
        return np.empty((*p.shape[:-1], count), np.int64)
    draw = _slots if replacement and count > 1 else _winners
    return draw(g, wide, count, d, replacement).reshape(*p.shape[:-1], count)


def _winners(g: Generator, rows, count: int, d: dtype, replacement: bool) -> np.ndarray:
    if not (rows.max() < np.inf and rows.min() >= 0):
        fail(RuntimeError, "probability tensor contains either `inf`, `nan` or element < 0")
    _check_sums(rows.sum(axis=1))
    waits = exponential(g, rows.size, 1.0, d).astype(rows.dtype, copy=False)
    with np.errstate(divide="ignore", invalid="ignore"):
        scores = rows / waits.reshape(rows.shape)
    if d.itemsize == 2:
        scores = scores.astype(d.np).astype(np.float32)
    if count == 1:
        return scores.argmax(axis=1)
    return np.argsort(-scores, axis=1, kind="stable")[:, :count]


def _slots(g: Generator, rows, count: int, d: dtype, replacement: bool) -> np.ndarray:
    if not (rows >= 0).all() and not np.isnan(rows).any():
        fail(
            RuntimeError,
            "invalid multinomial distribution (encountering probability entry < 0)",
        )
    if not np.isfinite(rows).all():
        fail(
            RuntimeError,
            "invalid multinomial distribution (encountering probability entry = infinity or NaN)",
        )
    sums = np.add.accumulate(rows, axis=1)
    _check_sums(sums[:, -1])
    sums /= sums[:, -1:]
    sums[:, -1] = 1
    falls = g.unit64(len(rows) * count).reshape(-1, count)
    return np.stack(
        [np.searchsorted(s.astype(np.float64), u) for s, u in zip(sums, falls, strict=True)]
    )


def _check_sums(sums: np.ndarray) -> None:
    if not (sums > 0).all():
        fail(RuntimeError, "invalid multinomial distribution (sum of probabilities <= 0)")


# ---- counts --------------------------------------------------------------------------------------
def poisson(g: Generator, rates: np.ndarray) -> np.ndarray:
    """Counts of events at these rates, an array like `rates`; one after another, in order."""
    rates = np.asarray(rates)
    need_float(dtypes.from_numpy(rates.dtype), "poisson_cpu")
    if rates.size and not rates.min() >= 0:
        fail(RuntimeError, "invalid Poisson rate, expected rate to be non-negative")

    def draw() -> float:
        return float(g.unit64(1)[0])

    counts = [
        _by_rejection(draw, rate) if rate >= 10 else _by_product(draw, rate)
        for rate in rates.reshape(-1).astype(np.float64).tolist()
    ]
    return np.array(counts, np.float64).reshape(rates.shape).astype(rates.dtype)


def _by_product(draw, rate: float) -> int:
    """Knuth: how many uniform numbers multiply to more than exp(-rate)."""
    if rate == 0:
        return 0
    bound = math.exp(-rate)
    product = draw()
    count = 0
    while product > bound:
        count += 1
        product *= draw()
    return count


def _by_rejection(draw, rate: float) -> int:
    """Hörmann's transformed rejection (1993), for rates of 10 and more."""
    root = math.sqrt(rate)
    b = 0.931 + 2.53 * root
    a = -0.059 + 0.02483 * b
    inverse_alpha = 1.1239 + 1.1328 / (b - 3.4)
    inside = 0.9277 - 3.6224 / (b - 2)
    while True:
        u = draw() - 0.5
        v = draw()
        distance = 0.5 - abs(u)
        if distance == 0:
            continue  # C++ divides by zero here and draws again
        count = math.floor((2 * a / distance + b) * u + rate + 0.43)
        if distance >= 0.07 and v <= inside:
            return count
        if count < 0 or (distance < 0.013 and v > distance):
            continue
        if v == 0:
            return count
        height = math.log(v) + math.log(inverse_alpha) - math.log(a / (distance * distance) + b)
        if height <= -rate + count * math.log(rate) - math.lgamma(count + 1):
            return count
