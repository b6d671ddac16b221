"""The elementary functions in vector arithmetic: exp, log, tanh, sin, erf, pow and their kin.

Each is a short polynomial after a reduction of the argument (Cephes and fdlibm describe the
methods), in float32 or float64; the short types go through float32 and round once. Errors stay
below 4 ulp and NaN, infinities, -0 and denormals come out as PyTorch has them;
tests/backends/test_elementary.py measures. A rounding to the nearest integer n is done by adding
MAGIC = 1.5 * 2^mantissa, which leaves n in the low bits, where shifting makes 2^n of it.
"""

from __future__ import annotations

import math
from math import factorial

from nacre.base.dtypes import bool_, float32, float64, int32, int64

INF, NAN = math.inf, math.nan
LOG2_E = 1.0 / math.log(2.0)
LN2_64 = (float.fromhex("0x1.62e42fef00000p-1"), float.fromhex("0x1.473de6af278edp-34"))
LN2_32 = (0.693359375, -2.12194440e-4)
LOG10_2_64 = (float.fromhex("0x1.3441350900000p-2"), float.fromhex("0x1.ef3fde623e256p-35"))
LOG10_2_32 = (float.fromhex("0x1.34p-2"), float.fromhex("0x1.04d427de7fbccp-12"))
HALF_PI = (
    float.fromhex("0x1.921fb54442d18p+0"),
    float.fromhex("0x1.1a62633145c07p-54"),
    float.fromhex("-0x1.f1976b8p-110"),
)

# (e^r - 1 - r) / r^2 on |r| <= ln(2) / 2, highest power first.
EXP_32 = (
    1.9875691500e-4,
    1.3981999507e-3,
    8.3334519073e-3,
    4.1665795894e-2,
    1.6666665459e-1,
    5.0000001201e-1,
)
EXP_64 = tuple(1.0 / factorial(k) for k in range(13, 1, -1))
# (log(1 + f) - f + f^2 / 2) / f^3 on sqrt(1/2) - 1 <= f <= sqrt(2) - 1.
LOG_32 = (
    7.0376836292e-2,
    -1.1514610310e-1,
    1.1676998740e-1,
    -1.2420140846e-1,
    1.4249322787e-1,
    -1.6668057665e-1,
    2.0000714765e-1,
    -2.4999993993e-1,
    3.3333331174e-1,
)
# 2 atanh(s) / s - 2 in s^2, divided by s^2.
LOG_64 = tuple(2.0 / (2 * k + 1) for k in range(11, 0, -1))
# (tanh(x) - x) / x^3 in x^2, |x| < 0.625.
TANH_32 = (
    -5.70498872745e-3,
    2.06390887954e-2,
    -5.37397155531e-2,
    1.33314422036e-1,
    -3.33332819422e-1,
)
SIN_64 = tuple((-1) ** k / factorial(2 * k + 1) for k in range(8, 0, -1))
COS_64 = tuple((-1) ** k / factorial(2 * k) for k in range(9, 1, -1))
SIN_SHORT = SIN_64[3:]
COS_SHORT = COS_64[3:]
# erf(x) / x - 1 in x^2, |x| <= 1 (Chebyshev nodes), and erfc(x) e^(x^2) in t = (x - k) / (x + k).
ERF_32 = (
    7.875875062685488e-05,
    -0.000801686428716587,
    0.005189087423433974,
    -0.026854212010626412,
    0.11283594715160218,
    -0.37612626666720334,
    0.12837916584835093,
)
ERF_64 = (
    5.957176147748911e-11,
    -1.1372848856791674e-09,
    1.4659775274047436e-08,
    -1.6350312701054695e-07,
    1.6461000484121368e-06,
    -1.4925595266831182e-05,
    0.0001205533111164271,
    -0.000854832698083379,
    0.0052239776248180145,
    -0.026866170645076792,
    0.11283791670954879,
    -0.3761263890318375,
    0.1283791670955126,
)
ERFC_32 = (
    4.9876741933444445e-05,
    -0.0009395269021825955,
    -0.0008476555786712168,
    0.006993954025083926,
    0.0037329080273491746,
    -0.07897847314706918,
    0.24165819411285702,
    -0.42718584831165,
    0.25539567631050575,
)
ERFC_64 = (
    3.3657006736237105e-07,
    1.2966926825389417e-07,
    -1.79706306540687e-06,
    -2.3140931150942177e-06,
    7.5513017799442535e-06,
    1.8617072081910595e-05,
    -3.4182063549802165e-05,
    -0.00012887741536369735,
    0.00022838036598153182,
    0.0008759154630794508,
    -0.002642365963784453,
    -0.003993701166223159,
    0.039922539075574935,
    -0.1250330523788247,
    0.2517131932174494,
    -0.3717367339489734,
    0.2108063640611436,
)


def through_wide(method):
    """Let a function written for float32 and float64 serve float16 and bfloat16 too."""

    def function(e, x, *more):
        kind = x.dtype
        if kind.itemsize != 2:
            return method(e, x, *more)
        wide = [e.relabel(v, float32) for v in (x, *more)]
        return e.narrow(method(e, *wide), kind)

    function.__name__ = method.__name__
    function.__doc__ = method.__doc__
    return function


class Elementary:
    """Mixed into the Emitter, whose add, mul, fma, select it is written in."""

    def relabel(self, x, kind):
        """The same register under another dtype."""
        return type(x)(x.ref, kind)

    def polynomial(self, x, coefficients):
        """Horner's scheme in fused multiply-adds, highest power first."""
        result = self.const(coefficients[0], x)
        for c in coefficients[1:]:
            result = self.fma(result, x, self.const(c, x))
        return result

    def _clamp(self, x, low, high):
        """x kept in [low, high]; NaN stays."""
        if low is not None:
            bound = self.const(low, x)
            x = self.select(self.lt(x, bound), bound, x)
        if high is not None:
            bound = self.const(high, x)
            x = self.select(self.gt(x, bound), bound, x)
        return x

    def bits(self, x):
        """The bits of a floating value as an integer of the same width."""
        kind = int32 if x.dtype is float32 else int64
        names = ("float", "i32") if x.dtype is float32 else ("double", "i64")
        return type(x)(self.convert("bitcast", x.ref, *names), kind)

    def from_bits(self, i):
        """The floating value with these bits."""
        kind = float32 if i.dtype is int32 else float64
        names = ("i32", "float") if i.dtype is int32 else ("i64", "double")
        return type(i)(self.convert("bitcast", i.ref, *names), kind)

    def _integer(self, op, a, b):
        return type(a)(self.binary(op, f"i{8 * a.dtype.itemsize}", a.ref, b.ref), a.dtype)

    def _nearest(self, x, factor):
        """(n as a float, MAGIC + n) for n the integer nearest to x * factor."""
        magic = self.const(1.5 * 2.0 ** (23 if x.dtype is float32 else 52), x)
        shifted = self.fma(x, self.const(factor, x), magic)
        return self.sub(shifted, magic), shifted

    def _scale(self, x, shifted):
        """x * 2^n for n in the low bits of `shifted`, in two steps so that no power overflows."""
        mantissa = 23 if x.dtype is float32 else 52
        bias = 0x4B400000 if x.dtype is float32 else 0x4338000000000000
        whole = self.bits(shifted)
        n = self.sub(whole, self.const(bias, whole))
        half = self._integer("ashr", n, self.const(1, n))
        up = self.const(mantissa, n)
        one = self.const(127 << 23 if x.dtype is float32 else 1023 << 52, n)
        first = self.from_bits(self.add(self._integer("shl", half, up), one))
        rest = self._integer("shl", self.sub(n, half), up)
        return self.mul(self.from_bits(self.add(self.bits(x), rest)), first)

    def _power_of_two(self, shifted, less=0):
        """2^(n - less) for n in the low bits of `shifted`."""
        single = shifted.dtype is float32
        whole = self.bits(shifted)
        power = self._integer("shl", whole, self.const(23 if single else 52, whole))
        one = (127 - less) << 23 if single else (1023 - less) << 52
        return self.from_bits(self.add(power, self.const(one, power)))

    def _reduced(self, x):
        """(r, shifted) with x = n ln 2 + r."""
        n, shifted = self._nearest(x, LOG2_E)
        high, low = LN2_32 if x.dtype is float32 else LN2_64
        r = self.fma(n, self.const(-high, x), x)
        return self.fma(n, self.const(-low, x), r), shifted

    def _exp_tail(self, r):
        """e^r - 1 for small r."""
        p = self.polynomial(r, EXP_32 if r.dtype is float32 else EXP_64)
        return self.fma(p, self.mul(r, r), r)

    # ---- exponentials ----
    @through_wide
    def exp(self, x):
        """e^x."""
        x = self._clamp(x, *((-104.0, 89.0) if x.dtype is float32 else (-746.0, 710.0)))
        r, shifted = self._reduced(x)
        return self._scale(self.add(self._exp_tail(r), self.const(1, r)), shifted)

    @through_wide
    def exp2(self, x):
        """2^x."""
        x = self._clamp(x, *((-151.0, 129.0) if x.dtype is float32 else (-1076.0, 1025.0)))
        n, shifted = self._nearest(x, 1.0)
        r = self.mul(self.sub(x, n), self.const(math.log(2.0), x))
        return self._scale(self.add(self._exp_tail(r), self.const(1, r)), shifted)

    @through_wide
    def expm1(self, x):
        """e^x - 1, accurate near 0."""
        return self._expm1(self._clamp(x, -50.0, 89.0 if x.dtype is float32 else 710.0), x)

    def _expm1(self, clamped, x):
        r, shifted = self._reduced(clamped)
        p = self._exp_tail(r)
        power = self._power_of_two(shifted, 1)
        total = self.fma(power, p, self.sub(power, self.const(0.5, x)))
        total = self.add(total, total)
        tiny = self.lt(self.abs(x), self.const(2.0 ** (-25 if x.dtype is float32 else -54), x))
        return self.select(tiny, x, total)

    @through_wide
    def sigmoid(self, x):
        """1 / (1 + e^-x)."""
        one = self.const(1, x)
        return self.div(one, self.add(self.exp(self.neg(x)), one))

    @through_wide
    def tanh(self, x):
        """The hyperbolic tangent."""
        a = self._clamp(self.abs(x), None, 20.0)
        two = self.const(2, x)
        if x.dtype is float64:
            t = self._expm1(self.add(a, a), self.add(a, a))
            return self.copysign(self.div(t, self.add(t, two)), x)
        z = self.mul(x, x)
        small = self.fma(self.mul(self.polynomial(z, TANH_32), z), a, a)
        r, shifted = self._reduced(self.add(a, a))
        power = self.mul(self.add(self._exp_tail(r), self.const(1, r)), self._power_of_two(shifted))
        one = self.const(1, x)
        large = self.sub(one, self.div(two, self.add(power, one)))
        return self.copysign(self.select(self.lt(a, self.const(0.625, a)), small, large), x)

    # ---- logarithms ----
    def _split(self, x):
        """(e, f) with x = 2^e (1 + f), f in [sqrt(1/2) - 1, sqrt(2) - 1], x positive and finite."""
        single = x.dtype is float32
        mantissa = 23 if single else 52
        least = self.const(2.0 ** (-126 if single else -1022), x)
        denormal = self.lt(x, least)
        x = self.select(denormal, self.mul(x, self.const(2.0**mantissa, x)), x)
        i = self.bits(x)
        root = self.const(0x3F3504F3 if single else 0x3FE6A09E667F3BCD, i)
        count = self.const(mantissa, i)
        e = self._integer("ashr", self.sub(i, root), count)
        f = self.from_bits(self.sub(i, self._integer("shl", e, count)))
        f = self.sub(f, self.const(1, f))
        exponent = self.cast(self.cast(e, int32), x.dtype)
        moved = self.sub(exponent, self.const(float(mantissa), x))
        return self.select(denormal, moved, exponent), f

    def _log_parts(self, f):
        """log(1 + f) - f."""
        if f.dtype is float32:
            z = self.mul(f, f)
            y = self.mul(self.mul(self.polynomial(f, LOG_32), f), z)
            return self.fma(self.const(-0.5, f), z, y)
        s = self.div(f, self.add(self.const(2, f), f))
        z = self.mul(s, s)
        half = self.mul(self.mul(f, f), self.const(0.5, f))
        r = self.mul(self.polynomial(z, LOG_64), z)
        return self.sub(self.mul(s, self.add(half, r)), half)

    def _log_positive(self, x):
        """The natural logarithm of positive finite numbers."""
        e, f = self._split(x)
        high, low = LN2_32 if x.dtype is float32 else LN2_64
        y = self.fma(e, self.const(low, x), self._log_parts(f))
        return self.fma(e, self.const(high, x), self.add(f, y))

    def _log_edges(self, x, result):
        """-inf at 0, NaN below, inf at inf."""
        infinite = self.const(INF, x)
        zero = self.const(0, x)
        odd = self.select(self.eq(x, zero), self.const(-INF, x), x)
        odd = self.select(self.lt(x, zero), self.const(NAN, x), odd)
        inside = self.and_(self.gt(x, zero), self.lt(x, infinite))
        return self.select(inside, result, odd)

    @through_wide
    def log(self, x):
        """The natural logarithm."""
        return self._log_edges(x, self._log_positive(x))

    @through_wide
    def log1p(self, x):
        """log(1 + x), accurate near 0."""
        one = self.const(1, x)
        u = self.add(x, one)
        lost = self.div(self.sub(x, self.sub(u, one)), u)
        result = self._log_edges(u, self.add(self._log_positive(u), lost))
        return self.select(self.eq(u, one), x, result)

    @through_wide
    def log2(self, x):
        """The logarithm to base 2."""
        e, f = self._split(x)
        y = self.add(f, self._log_parts(f))
        return self._log_edges(x, self.fma(y, self.const(LOG2_E, x), e))

    @through_wide
    def log10(self, x):
        """The logarithm to base 10."""
        e, f = self._split(x)
        y = self.add(f, self._log_parts(f))
        high, low = LOG10_2_32 if x.dtype is float32 else LOG10_2_64
        y = self.fma(y, self.const(1.0 / math.log(10.0), x), self.mul(e, self.const(low, x)))
        return self._log_edges(x, self.fma(e, self.const(high, x), y))

    # ---- circular functions ----
    def _quadrant(self, x):
        """(r, tail, n's bits) with x = n pi/2 + r + tail, in float64."""
        n, shifted = self._nearest(x, 2.0 / math.pi)
        first, second, third = (self.const(-c, x) for c in HALF_PI)
        r1 = self.fma(n, first, x)
        r = self.fma(n, second, r1)
        tail = self.fma(n, second, self.sub(r1, r))
        return r, self.fma(n, third, tail), self.bits(shifted)

    def _sin_cos(self, x, short):
        """sin and cos of r + tail, and the quadrant's bits."""
        r, tail, quadrant = self._quadrant(x)
        z = self.mul(r, r)
        sines = self.polynomial(z, SIN_SHORT if short else SIN_64)
        cosines = self.polynomial(z, COS_SHORT if short else COS_64)
        cube = self.mul(z, r)
        sine = self.add(self.fma(cube, sines, tail), r)
        one = self.const(1, x)
        half = self.mul(z, self.const(0.5, x))
        w = self.sub(one, half)
        rest = self.sub(self.sub(one, w), half)
        rest = self.add(rest, self.fma(self.mul(z, z), cosines, self.neg(self.mul(r, tail))))
        return sine, self.add(w, rest), quadrant

    def _bit(self, i, which):
        one = self._integer("and", i, self.const(which, i))
        return self.ne(one, self.const(0, i))

    def _circular(self, name, x):
        """sin, cos or tan, the library's own where |x| is enormous."""
        short = x.dtype is float32
        wide = self.cast(x, float64)
        sine, cosine, quadrant = self._sin_cos(wide, short)
        odd = self._bit(quadrant, 1)
        if name == "tan":
            top = self.select(odd, cosine, sine)
            bottom = self.select(odd, self.neg(sine), cosine)
            result = self.div(top, bottom)
        else:
            if name == "cos":
                quadrant = self.add(quadrant, self.const(1, quadrant))
                odd = self._bit(quadrant, 1)
            result = self.select(odd, cosine, sine)
            result = self.select(self._bit(quadrant, 2), self.neg(result), result)
        far = self.gt(self.abs(wide), self.const(2.0**26, wide))
        result = self.cast(self._library(name, far, wide, result), x.dtype)
        if name == "cos":
            return result
        limit = self.const(2.0 ** (-13 if short else -27), x)
        return self.select(self.lt(self.abs(x), limit), x, result)

    def _library(self, name, condition, x, result):
        """`result`, but where the condition holds the C library's function of x (float64)."""
        f = self.f
        vector = self.vector("double")
        inputs, outputs = f.alloca(vector, 64), f.alloca(vector, 64)
        f.store(vector, result.ref, outputs, 8)
        if self.lanes == 1:
            some = condition.ref
        else:
            mask = self.vector("i1")
            reduce = f"llvm.vector.reduce.or.v{self.lanes}i1"
            some = f.call("i1", reduce, [(mask, condition.ref)])
        with f.when(some):
            f.store(vector, self.select(condition, x, self.const(0, x)).ref, inputs, 8)
            with f.loop(0, self.lanes) as i:
                one = f.load("double", f.at(inputs, i, "double"), 8)
                made = f.call("double", name, [("double", one)])
                f.store("double", made, f.at(outputs, i, "double"), 8)
            made = type(x)(f.load(vector, outputs, 8), float64)
            f.store(vector, self.select(condition, made, result).ref, outputs, 8)
        return type(x)(f.load(vector, outputs, 8), float64)

    @through_wide
    def sin(self, x):
        """The sine of x radians."""
        return self._circular("sin", x)

    @through_wide
    def cos(self, x):
        """The cosine of x radians."""
        return self._circular("cos", x)

    @through_wide
    def tan(self, x):
        """The tangent of x radians."""
        return self._circular("tan", x)

    # ---- erf and powers ----
    @through_wide
    def erf(self, x):
        """The error function, 2/sqrt(pi) times the integral of e^(-t^2) from 0 to x."""
        single = x.dtype is float32
        a = self._clamp(self.abs(x), None, 4.0 if single else 6.0)
        square = self.mul(a, a)
        small = self.fma(a, self.polynomial(square, ERF_32 if single else ERF_64), a)
        middle = self.const(2.0 if single else 2.5, a)
        t = self.div(self.sub(a, middle), self.add(a, middle))
        tail = self.polynomial(t, ERFC_32 if single else ERFC_64)
        one = self.const(1, a)
        r, shifted = self._reduced(self.neg(square))
        power = self.mul(self.add(self._exp_tail(r), one), self._power_of_two(shifted))
        large = self.sub(one, self.mul(power, tail))
        return self.copysign(self.select(self.lt(a, one), small, large), x)

    def pow(self, x, y):
        """x to the power y, by C's rules for the special values; integers multiply and wrap."""
        kind = x.dtype
        if not kind.is_floating_point:
            return self._integer_power(x, y)
        if kind is float64:
            return self._same(x, "pow", y)
        narrow = self._float_power(self.relabel(x, float32), self.relabel(y, float32))
        return self.narrow(narrow, kind)

    def _float_power(self, x, y):
        wide, power = self.cast(x, float64), self.cast(y, float64)
        zero, one = self.const(0, wide), self.const(1, wide)
        a = self.abs(wide)
        e, f = self._split(a)
        base = self.fma(self.add(f, self._log_parts(f)), self.const(LOG2_E, wide), e)
        base = self._log_edges(a, base)
        result = self.exp2(self.mul(base, power))
        whole = self.eq(self.trunc(power), power)
        half = self.mul(power, self.const(0.5, power))
        odd = self.and_(whole, self.ne(self.trunc(half), half))
        negative = self.lt(self.copysign(one, wide), zero)
        below = self.and_(self.lt(wide, zero), self.ne(a, self.const(INF, a)))
        finite = self.ne(self.abs(power), self.const(INF, a))
        result = self.select(self.and_(negative, odd), self.neg(result), result)
        unreal = self.and_(self.and_(below, self.not_(whole)), finite)
        result = self.select(unreal, self.const(NAN, a), result)
        unit = self.and_(self.eq(a, one), self.not_(finite))
        unit = self.or_(unit, self.or_(self.eq(power, zero), self.eq(wide, one)))
        return self.cast(self.select(unit, one, result), float32)

    def _integer_power(self, x, y):
        """Binary exponentiation; a negative exponent leaves only 1 and -1."""
        if x.dtype is bool_:
            return self.or_(x, self.not_(y))
        bits = 8 * x.dtype.itemsize
        one, zero = self.const(1, x), self.const(0, x)
        result, square, left = one, x, y
        shift = self.const(1, y)
        for k in range(bits if x.dtype.is_signed is False else bits - 1):
            bit = self.ne(self._integer("and", left, shift), zero)
            result = self.select(bit, self.mul(result, square), result)
            left = self._integer("lshr", left, shift)
            if k < bits - 2:
                square = self.mul(square, square)
        if not x.dtype.is_signed:
            return result
        odd = self.ne(self._integer("and", y, shift), zero)
        minus = self.eq(x, self.const(-1, x))
        inverse = self.select(self.eq(x, one), one, zero)
        inverse = self.select(minus, self.select(odd, x, one), inverse)
        return self.select(self.lt(y, zero), inverse, result)
