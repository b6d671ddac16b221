"""Random floating-point numbers: uniform, normal, and what is made of them."""

from __future__ import annotations

import math

import numpy as np

from nacre.base import dtypes
from nacre.base.dtypes import dtype
from nacre.base.errors import fail
from nacre.base.generator import Generator
from nacre.base.typeinfo import LARGEST

C_NAMES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
}
_BLOCK = 16  # the normal numbers that PyTorch makes at a time
_TWO_PI = 2.0 * math.pi


def fma(x: np.ndarray, y: float, z: float) -> np.ndarray:
    """x · y + z in float64 with one rounding, as PyTorch's build computes it.

    The product's rounding error is found by splitting factors in halves (Dekker), the sum's by
    subtracting back (Knuth); both are added at the end.
    """
    product = x * y
    total = product + z
    if z == 0 or not x.size:
        return total
    splitter = 134217729.0  # 2**27 + 1
    high = x * splitter
    high = high - (high - x)
    low = x - high
    top = y * splitter
    top = top - (top - y)
    rest = y - top
    lost = ((high * top - product) + high * rest + low * top) + low * rest
    back = total - product
    lost += (product - (total - back)) + (z - back)
    fused = total + lost
    return np.where(np.isfinite(fused), fused, total)


def narrow(values: np.ndarray, d: dtype) -> np.ndarray:
    """Convert as C++ does: to the half types by way of float32."""
    if d.is_floating_point and d.itemsize == 2:
        values = values.astype(np.float32, copy=False)
    with np.errstate(over="ignore", invalid="ignore"):
        return values.astype(d.np, copy=False)


def scalar_name(d: dtype) -> str:
    """PyTorch's name of a type in its kernels' messages."""
    return d.legacy.removesuffix("Tensor")


def need_float(d: dtype, kernel: str) -> None:
    """Refuse a type that is not a floating one."""
    if not d.is_floating_point:
        not_implemented(kernel, d)


def not_implemented(kernel: str, d: dtype) -> None:
    """Say that a kernel does not know a type."""
    fail(
        NotImplementedError,
        f"\"{kernel}\" not implemented for '{scalar_name(d)}'",
        "use a floating-point dtype, such as torch.float32",
    )


# ---- uniform -------------------------------------------------------------------------------------
def uniform(g: Generator, n: int, d: dtype, low: float = 0.0, high: float = 1.0) -> np.ndarray:
    """`n` numbers of type `d`, uniform in [low, high).

    RuntimeError if low > high or a bound does not fit the type.
    """
    need_float(d, "check_uniform_bounds")
    low, high = float(low), float(high)
    if (low, high) != (0.0, 1.0):
        _check_uniform(d, low, high)
    if d is dtypes.float64:
        values = g.unit64(n)
        if (low, high) == (0.0, 1.0):
            return values
        values = fma(values, high - low, low)
    else:
        values = g.unit32(n)
        if (low, high) != (0.0, 1.0):
            first = np.float32(low)
            wide = values.astype(np.float64)
            wide *= np.float32(high) - first
            wide += first
            values = wide.astype(np.float32)
        elif d is dtypes.float32:
            return values
    values = values.astype(d.np, copy=False)
    values[values == d.np.type(high)] = d.np.type(low)
    return values


def _check_uniform(d: dtype, low: float, high: float) -> None:
    largest = LARGEST[d.name]
    for name, bound in (("from", low), ("to", high)):
        if not -largest <= bound <= largest:
            fail(RuntimeError, f"{name} is out of bounds for {C_NAMES[d.name]}")
    if low > high:
        fail(
            RuntimeError,
            f"uniform_ expects to return a [from, to) range, but found from={low:g} > to={high:g}",
        )
    if high - low > largest:
        fail(
            RuntimeError,
            f"uniform_ expects to-from <= std::numeric_limits<{scalar_name(d)}>::max(), but found "
            f"to={high:g} and from={low:g} which result in to-from to exceed the limit",
        )


# ---- normal -------------------------------------------------------------------------------------
def normal(
    g: Generator,
    n: int,
    d: dtype,
    mean: float = 0.0,
    std: float = 1.0,
    contiguous: bool = True,
) -> np.ndarray:
    """`n` normal numbers of type `d`.

    Fewer than 16, or for a tensor that is not contiguous, they come in pairs of which the second
    may wait in the generator; otherwise in blocks of 16, and if `n` is no multiple of 16 the last
    16 are made anew.
    """
    mean, std = float(mean), float(std)
    if not std >= 0:
        fail(RuntimeError, f"normal expects std >= 0.0, but found std {std:g}")
    if not n:
        return np.empty(0, d.np)
    need_float(d, "normal_kernel_cpu")
    if n < _BLOCK or not contiguous:
        return narrow(_in_pairs(g, n, mean, std), d)
    drawn = g.unit64 if d is dtypes.float64 else g.unit32
    whole = n - n % _BLOCK
    # PyTorch draws the half types block by block, the others all before the first block.
    values = drawn(n if d.itemsize >= 4 else whole)
    made = _blocks(values[:whole], mean, std)
    if whole == n:
        return made.astype(d.np, copy=False)
    result = np.empty(n, d.np)
    result[:whole] = made
    result[n - _BLOCK :] = _blocks(drawn(_BLOCK), mean, std)
    return result


def _blocks(values: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Box and Muller's transform: in each 16, the first 8 give radii and the last 8 angles."""
    kind = values.dtype.type
    pairs = values.reshape(-1, 2, _BLOCK // 2)
    radius = np.log(kind(1) - pairs[:, 0])
    radius *= kind(-2)
    np.sqrt(radius, out=radius)
    angle = pairs[:, 1] * kind(_TWO_PI)
    made = np.empty_like(pairs)
    np.multiply(radius, np.cos(angle), out=made[:, 0])
    np.multiply(radius, np.sin(angle), out=made[:, 1])
    flat = made.reshape(-1)
    if (mean, std) == (0.0, 1.0):
        return flat
    if kind is np.float64:
        return fma(flat, std, mean)
    wide = flat.astype(np.float64)  # a fused multiply-add of float32: exact product, one rounding
    wide *= np.float32(std)
    wide += np.float32(mean)
    return wide.astype(np.float32)


def _in_pairs(g: Generator, n: int, mean: float, std: float) -> np.ndarray:
    """`n` float64 numbers, the generator's kept one first; an odd one out is kept."""
    try:
        before = [g.kept.pop()]
    except IndexError:
        before = []
    pairs = (n - len(before) + 1) // 2
    if pairs < 1:
        values = np.array(before)
    elif pairs <= _BLOCK:
        values = np.array(before + _few_pairs(g.unit64(2 * pairs).tolist()))
    else:
        drawn = g.unit64(2 * pairs).reshape(-1, 2)
        radius = np.sqrt(-2.0 * np.log1p(-drawn[:, 1]))
        angle = _TWO_PI * drawn[:, 0]
        made = np.stack([radius * np.cos(angle), radius * np.sin(angle)], axis=1)
        values = np.concatenate([before, made.reshape(-1)])
    if len(values) > n:
        g.kept.append(float(values[n]))
        values = values[:n]
    return values if (mean, std) == (0.0, 1.0) else fma(values, std, mean)


def _few_pairs(drawn: list[float]) -> list[float]:
    values = []
    for first, second in zip(drawn[0::2], drawn[1::2], strict=True):
        radius = math.sqrt(-2.0 * math.log1p(-second))
        values.append(radius * math.cos(_TWO_PI * first))
        values.append(radius * math.sin(_TWO_PI * first))
    return values


# ---- by inversion --------------------------------------------------------------------------------
def exponential(g: Generator, n: int, rate: float = 1.0, d: dtype = dtypes.float64) -> np.ndarray:
    """`n` numbers of density rate · exp(-rate · x): -log(1 - u) / rate."""
    if not d.is_floating_point:
        fail(
            RuntimeError,
            "Exponential distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {scalar_name(d)}",
        )
    if not rate > 0:
        fail(RuntimeError, f"exponential_ expects lambda > 0.0, but found lambda={rate:g}")
    values = np.log1p(-g.unit64(n))
    values *= -1.0 / rate
    return narrow(values, d)


def geometric(g: Generator, n: int, p: float, d: dtype = dtypes.float64) -> np.ndarray:
    """`n` counts of trials up to the first success: the ceiling of log(u) / log(1 - p)."""
    if not 0 < p < 1:
        fail(RuntimeError, f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    if d is dtypes.bool_:
        not_implemented("geometric_cpu", d)
    with np.errstate(divide="ignore"):
        return narrow(np.ceil(np.log(g.unit64(n)) / math.log1p(-p)), d)


def log_normal(
    g: Generator, n: int, mean: float = 1.0, std: float = 2.0, d: dtype = dtypes.float64
) -> np.ndarray:
    """`n` exponentials of normal numbers, which always come in pairs here."""
    if not std > 0:
        fail(RuntimeError, f"log_normal_ expects std > 0.0, but found std={std:g}")
    need_float(d, "log_normal_cpu")
    with np.errstate(over="ignore"):
        return narrow(np.exp(_in_pairs(g, n, float(mean), float(std))), d)


def cauchy(
    g: Generator, n: int, median: float = 0.0, sigma: float = 1.0, d: dtype = dtypes.float64
) -> np.ndarray:
    """`n` numbers median + sigma · tan(π (u - ½))."""
    if not d.is_floating_point:
        fail(
            RuntimeError,
            "Cauchy distribution is a continuous probability distribution. dtype must be a "
            f"floating point but you specified {C_NAMES[d.name]}",
        )
    if not sigma > 0:
        fail(RuntimeError, f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    values = np.tan(math.pi * (g.unit64(n) - 0.5))
    return narrow(fma(values, float(sigma), float(median)), d)
