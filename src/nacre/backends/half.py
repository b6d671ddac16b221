"""float16 in integer arithmetic, for processors that cannot convert it themselves.

A float16 is held as the float32 of the same value; these are the three conversions that takes.
Without them LLVM would call functions of a run-time library that is not there.
"""

from __future__ import annotations

import math

SIGN = -(2**31)
LARGEST = 65520.0
LEAST_NORMAL = 2.0**-14


def rounded(e, ref: str) -> str:
    """A float rounded to the nearest float16 value, ties to even."""
    magnitude = e.intrinsic("fabs", "float", ref)
    bits = e.convert("bitcast", magnitude, "float", "i32")
    odd = e.binary("lshr", "i32", bits, e.constant("i32", 13))
    odd = e.binary("and", "i32", odd, e.constant("i32", 1))
    up = e.binary("add", "i32", odd, e.constant("i32", 0xFFF))
    bits = e.binary("add", "i32", bits, up)
    bits = e.binary("and", "i32", bits, e.constant("i32", -8192))
    normal = e.convert("bitcast", bits, "i32", "float")
    # Adding 1/2 leaves multiples of 2^-24, the distance of denormal float16.
    half = e.constant("float", 0.5)
    denormal = e.binary("fsub", "float", e.binary("fadd", "float", magnitude, half), half)
    result = e.pick(_compare(e, "olt", magnitude, LEAST_NORMAL), "float", denormal, normal)
    infinite = e.constant("float", math.inf)
    result = e.pick(_compare(e, "oge", magnitude, LARGEST), "float", infinite, result)
    nan = e.f.value(f"fcmp uno {e.vector('float')} {ref}, {ref}")
    return e.pick(nan, "float", ref, e.intrinsic("copysign", "float", result, ref))


def packed(e, ref: str) -> str:
    """The 16 bits (an i16) of a float that has a float16's value."""
    bits = e.convert("bitcast", ref, "float", "i32")
    sign = e.binary("lshr", "i32", bits, e.constant("i32", 16))
    sign = e.binary("and", "i32", sign, e.constant("i32", 0x8000))
    magnitude = e.intrinsic("fabs", "float", ref)
    plain = e.convert("bitcast", magnitude, "float", "i32")
    normal = e.binary("lshr", "i32", plain, e.constant("i32", 13))
    normal = e.binary("sub", "i32", normal, e.constant("i32", 112 << 10))
    small = _compare(e, "olt", magnitude, LEAST_NORMAL)
    safe = e.pick(small, "float", magnitude, e.constant("float", 0.0))
    scaled = e.binary("fmul", "float", safe, e.constant("float", 2.0**24))
    result = e.pick(small, "i32", e.convert("fptosi", scaled, "float", "i32"), normal)
    huge = _compare(e, "oge", magnitude, LARGEST)
    result = e.pick(huge, "i32", e.constant("i32", 0x7C00), result)
    nan = e.f.value(f"fcmp uno {e.vector('float')} {ref}, {ref}")
    result = e.pick(nan, "i32", e.constant("i32", 0x7E00), result)
    return e.convert("trunc", e.binary("or", "i32", result, sign), "i32", "i16")


def widened(e, ref: str) -> str:
    """The float of a float16's 16 bits (an i16)."""
    wide = e.convert("zext", ref, "i16", "i32")
    sign = e.binary("shl", "i32", wide, e.constant("i32", 16))
    sign = e.binary("and", "i32", sign, e.constant("i32", SIGN))
    plain = e.binary("and", "i32", wide, e.constant("i32", 0x7FFF))
    shifted = e.binary("shl", "i32", plain, e.constant("i32", 13))
    value = e.convert("bitcast", shifted, "i32", "float")
    value = e.binary("fmul", "float", value, e.constant("float", 2.0**112))
    finite = e.convert("bitcast", value, "float", "i32")
    odd = e.binary("or", "i32", shifted, e.constant("i32", 0x7F800000))
    edge = e.constant("i32", 0x7C00)
    beyond = e.f.value(f"icmp uge {e.vector('i32')} {plain}, {edge}")
    result = e.binary("or", "i32", e.pick(beyond, "i32", odd, finite), sign)
    return e.convert("bitcast", result, "i32", "float")


def _compare(e, how: str, ref: str, number: float) -> str:
    bound = e.constant("float", number)
    return e.f.value(f"fcmp {how} {e.vector('float')} {ref}, {bound}")
