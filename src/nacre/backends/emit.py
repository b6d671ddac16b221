"""Code for one element of any type, on one lane or on a vector of lanes, with the same bits.

An operation's `scalar` field is a callable over an Emitter: `lambda e, x, y: e.add(x, y)`. Values
know their dtype. float16 and bfloat16 are held as float32 and rounded after each operation; bool
is an i1. Nothing is contracted or reassociated: what is written is what runs.
"""

from __future__ import annotations

import math
import struct

from nacre.backends import half
from nacre.backends.elementary import Elementary
from nacre.base.dtypes import bfloat16, bool_, dtype, float16, float32, float64, int32, int64, uint8

REGISTER = {
    "f32": "float",
    "f64": "double",
    "f16": "float",
    "bf16": "float",
    "b1": "i1",
    "u8": "i8",
    "i8": "i8",
    "i16": "i16",
    "i32": "i32",
    "i64": "i64",
}
MEMORY = REGISTER | {"f16": "i16", "bf16": "i16", "b1": "i8"}
MANGLED = {"float": "f32", "double": "f64", "half": "f16"}


class Val:
    """A value under construction: its name in the IR and its dtype."""

    __slots__ = ("dtype", "ref")

    def __init__(self, ref: str, kind: dtype):
        self.ref = ref
        self.dtype = kind


def hex_float(value: float) -> str:
    """A float or double constant as LLVM writes it: the bits of the double."""
    return f"0x{struct.unpack('<Q', struct.pack('<d', value))[0]:016X}"


def rounded(value: float, kind: dtype) -> float:
    """A Python number rounded to a floating type."""
    try:
        return float(kind.np.type(value)) if kind is not float64 else float(value)
    except OverflowError:
        return math.copysign(math.inf, value)


class Emitter(Elementary):
    """Writes code into `function` for `lanes` elements at a time (1: plain scalars)."""

    def __init__(self, function, lanes: int, host):
        self.f = function
        self.lanes = lanes
        self.host = host

    # ---- types ----
    def vector(self, scalar: str) -> str:
        """The IR type of `lanes` values of a scalar IR type."""
        return scalar if self.lanes == 1 else f"<{self.lanes} x {scalar}>"

    def type(self, kind: dtype) -> str:
        """The IR type of a value of this dtype."""
        return self.vector(REGISTER[kind.short])

    def constant(self, scalar: str, value) -> str:
        """A constant of a scalar IR type, in every lane."""
        if scalar in MANGLED:
            value = hex_float(value)
        return f"{value}" if self.lanes == 1 else f"splat ({scalar} {value})"

    def const(self, value, like) -> Val:
        """A number as a value of dtype `like` (a dtype or another value)."""
        kind = like if isinstance(like, dtype) else like.dtype
        scalar = REGISTER[kind.short]
        if kind.is_floating_point:
            return Val(self.constant(scalar, rounded(value, kind)), kind)
        if kind is bool_:
            return Val(self.constant(scalar, "true" if value else "false"), kind)
        bits = 8 * kind.itemsize
        value = int(value) & ((1 << bits) - 1)
        if value >> (bits - 1):
            value -= 1 << bits
        return Val(self.constant(scalar, value), kind)

    def splat(self, scalar: str, ref: str) -> str:
        """One scalar in every lane."""
        if self.lanes == 1:
            return ref
        vector = self.vector(scalar)
        one = self.f.value(f"insertelement {vector} poison, {scalar} {ref}, i64 0")
        return self.f.value(
            f"shufflevector {vector} {one}, {vector} poison, <{self.lanes} x i32> zeroinitializer"
        )

    # ---- raw instructions on IR types (used by the elementary functions) ----
    def mangled(self, scalar: str) -> str:
        """How a type is spelled in the names of intrinsics."""
        name = MANGLED.get(scalar, scalar)
        return name if self.lanes == 1 else f"v{self.lanes}{name}"

    def intrinsic(self, name: str, scalar: str, *refs: str) -> str:
        """An LLVM intrinsic whose operands and result have one type."""
        vector = self.vector(scalar)
        arguments = [(vector, ref) for ref in refs]
        return self.f.call(vector, f"llvm.{name}.{self.mangled(scalar)}", arguments)

    def binary(self, op: str, scalar: str, a: str, b: str) -> str:
        """`op` on two values of a scalar IR type."""
        return self.f.value(f"{op} {self.vector(scalar)} {a}, {b}")

    def convert(self, op: str, a: str, source: str, target: str) -> str:
        """A conversion instruction such as `sitofp`."""
        return self.f.value(f"{op} {self.vector(source)} {a} to {self.vector(target)}")

    def pick(self, condition: str, scalar: str, a: str, b: str) -> str:
        """Select between two values of a scalar IR type."""
        vector = self.vector(scalar)
        return self.f.value(f"select {self.vector('i1')} {condition}, {vector} {a}, {vector} {b}")

    # ---- memory ----
    def load(self, pointer: str, kind: dtype, mask: str | None = None) -> Val:
        """Consecutive elements; where `mask` is given, 0 in lanes that it switches off."""
        scalar = MEMORY[kind.short]
        vector = self.vector(scalar)
        if mask is None:
            return self._from_memory(self.f.load(vector, pointer, kind.itemsize), kind)
        zero = "zeroinitializer"
        name = f"llvm.masked.load.{self.mangled(scalar)}.p0"
        arguments = [("ptr", pointer), (self.vector("i1"), mask), (vector, zero)]
        return self._from_memory(self._masked(name, vector, arguments, kind.itemsize), kind)

    def _masked(self, name, returns, arguments, align):
        kinds = ", ".join([k for k, _ in arguments])
        self.f.module.declare(name, f"{returns} @{name}({kinds})")
        written = [f"{k} align {align} {v}" if "ptr" in k else f"{k} {v}" for k, v in arguments]
        call = f"call {returns} @{name}({', '.join(written)})"
        return self.f.do(call) if returns == "void" else self.f.value(call)

    def load_one(self, pointer: str, kind: dtype) -> Val:
        """One element in every lane."""
        scalar = MEMORY[kind.short]
        one = self.f.load(scalar, pointer, kind.itemsize)
        return self._from_memory(self.splat(scalar, one), kind)

    def gather(self, pointer: str, stride: str, kind: dtype) -> Val:
        """Elements `stride` elements apart."""
        scalar = MEMORY[kind.short]
        if self.lanes == 1:
            return self._from_memory(self.f.load(scalar, pointer, kind.itemsize), kind)
        vector = self.vector(scalar)
        pointers = self._spread(pointer, stride, scalar)
        name = f"llvm.masked.gather.{self.mangled(scalar)}.v{self.lanes}p0"
        on = self.constant("i1", "true")
        arguments = [(self.vector("ptr"), pointers), (self.vector("i1"), on), (vector, "poison")]
        return self._from_memory(self._masked(name, vector, arguments, kind.itemsize), kind)

    def _spread(self, pointer, stride, scalar):
        ramp = "<" + ", ".join([f"i64 {i}" for i in range(self.lanes)]) + ">"
        steps = self.binary("mul", "i64", ramp, self.splat("i64", stride))
        return self.f.value(f"getelementptr {scalar}, ptr {pointer}, {self.vector('i64')} {steps}")

    def store(self, pointer: str, x: Val, mask: str | None = None) -> None:
        """Write consecutive elements, those that `mask` leaves on."""
        scalar = MEMORY[x.dtype.short]
        vector = self.vector(scalar)
        ref = self._to_memory(x)
        if mask is None:
            self.f.store(vector, ref, pointer, x.dtype.itemsize)
            return
        name = f"llvm.masked.store.{self.mangled(scalar)}.p0"
        arguments = [(vector, ref), ("ptr", pointer), (self.vector("i1"), mask)]
        self._masked(name, "void", arguments, x.dtype.itemsize)

    def scatter(self, pointer: str, stride: str, x: Val) -> None:
        """Write elements `stride` elements apart."""
        scalar = MEMORY[x.dtype.short]
        if self.lanes == 1:
            self.store(pointer, x)
            return
        vector = self.vector(scalar)
        ref = self._to_memory(x)
        pointers = self._spread(pointer, stride, scalar)
        name = f"llvm.masked.scatter.{self.mangled(scalar)}.v{self.lanes}p0"
        on = self.constant("i1", "true")
        arguments = [(vector, ref), (self.vector("ptr"), pointers), (self.vector("i1"), on)]
        self._masked(name, "void", arguments, x.dtype.itemsize)

    def _from_memory(self, ref: str, kind: dtype) -> Val:
        if kind is bool_:
            ref = self.f.value(f"icmp ne {self.vector('i8')} {ref}, {self.constant('i8', 0)}")
        elif kind is bfloat16:
            wide = self.convert("zext", ref, "i16", "i32")
            wide = self.binary("shl", "i32", wide, self.constant("i32", 16))
            ref = self.convert("bitcast", wide, "i32", "float")
        elif kind is float16:
            ref = self._widen_half(ref) if self.host.half else half.widened(self, ref)
        return Val(ref, kind)

    def _to_memory(self, x: Val) -> str:
        if x.dtype is bool_:
            return self.convert("zext", x.ref, "i1", "i8")
        if x.dtype is bfloat16:
            bits = self.convert("bitcast", x.ref, "float", "i32")
            bits = self.binary("lshr", "i32", bits, self.constant("i32", 16))
            return self.convert("trunc", bits, "i32", "i16")
        if x.dtype is float16:
            return self._narrow_half(x.ref) if self.host.half else half.packed(self, x.ref)
        return x.ref

    def _widen_half(self, ref: str) -> str:
        ref = self.convert("bitcast", ref, "i16", "half")
        return self.convert("fpext", ref, "half", "float")

    def _narrow_half(self, ref: str) -> str:
        ref = self.convert("fptrunc", ref, "float", "half")
        return self.convert("bitcast", ref, "half", "i16")

    # ---- rounding of the short floating types ----
    def narrow(self, x: Val, kind: dtype) -> Val:
        """A float32 rounded to float16 or bfloat16 (still held as float32)."""
        if kind is float16:
            if self.host.half:
                return Val(self._widen_half(self._narrow_half(x.ref)), kind)
            return Val(half.rounded(self, x.ref), kind)
        if kind is not bfloat16:
            return x
        bits = self.convert("bitcast", x.ref, "float", "i32")
        odd = self.binary("lshr", "i32", bits, self.constant("i32", 16))
        odd = self.binary("and", "i32", odd, self.constant("i32", 1))
        up = self.binary("add", "i32", odd, self.constant("i32", 0x7FFF))
        bits = self.binary("add", "i32", bits, up)
        bits = self.binary("and", "i32", bits, self.constant("i32", -65536))
        ref = self.convert("bitcast", bits, "i32", "float")
        nan = self.f.value(f"fcmp uno {self.vector('float')} {x.ref}, {x.ref}")
        return Val(self.pick(nan, "float", self.constant("float", math.nan), ref), kind)

    # ---- arithmetic ----
    def _arithmetic(self, name: str, a: Val, b: Val) -> Val:
        kind = a.dtype
        scalar = REGISTER[kind.short]
        op = "f" + name if kind.is_floating_point else name
        return self.narrow(Val(self.binary(op, scalar, a.ref, b.ref), kind), kind)

    def add(self, a: Val, b: Val) -> Val:
        """a + b; wraps for integers, is `or` for bool."""
        if a.dtype is bool_:
            return self.or_(a, b)
        return self._arithmetic("add", a, b)

    def sub(self, a: Val, b: Val) -> Val:
        """a - b; wraps for integers."""
        return self._arithmetic("sub", a, b)

    def mul(self, a: Val, b: Val) -> Val:
        """a * b; wraps for integers."""
        return self._arithmetic("mul", a, b)

    def div(self, a: Val, b: Val) -> Val:
        """a / b; integers are divided towards zero, by zero gives 0."""
        if a.dtype.is_floating_point:
            return self._arithmetic("div", a, b)
        return self._integer_division("div", a, b)

    def _integer_division(self, name: str, a: Val, b: Val) -> Val:
        """The processor traps at 0 and at the smallest number by -1: both are kept from it."""
        kind = a.dtype
        scalar = REGISTER[kind.short]
        none = self.const(0, b)
        zero = self.eq(b, none)
        safe = self.select(zero, self.const(1, b), b)
        if kind in (uint8, bool_):
            result = Val(self.binary("u" + name, scalar, a.ref, safe.ref), kind)
        else:
            minus = self.eq(safe, self.const(-1, b))
            safe = self.select(minus, self.const(1, b), safe)
            result = Val(self.binary("s" + name, scalar, a.ref, safe.ref), kind)
            result = self.select(minus, self.neg(result) if name == "div" else none, result)
        return self.select(zero, none, result) if name == "div" else result

    def neg(self, a: Val) -> Val:
        """-a."""
        if not a.dtype.is_floating_point:
            return self.sub(self.const(0, a), a)
        kind = self.type(a.dtype)
        return Val(self.f.value(f"fneg {kind} {a.ref}"), a.dtype)

    def abs(self, a: Val) -> Val:
        """|a|."""
        if a.dtype in (bool_, uint8):
            return a
        if not a.dtype.is_floating_point:
            return self.select(self.lt(a, self.const(0, a)), self.neg(a), a)
        return self._same(a, "fabs")

    def _same(self, a: Val, name: str, *more: Val) -> Val:
        scalar = REGISTER[a.dtype.short]
        ref = self.intrinsic(name, scalar, a.ref, *[m.ref for m in more])
        return self.narrow(Val(ref, a.dtype), a.dtype)

    def sqrt(self, a: Val) -> Val:
        """The correctly rounded square root."""
        return self._same(a, "sqrt")

    def fma(self, a: Val, b: Val, c: Val) -> Val:
        """a * b + c, rounded once."""
        return self._same(a, "fma", b, c)

    def copysign(self, a: Val, b: Val) -> Val:
        """|a| with the sign of b."""
        return self._same(a, "copysign", b)

    def floor(self, a: Val) -> Val:
        """The largest whole number <= a."""
        return self._same(a, "floor") if a.dtype.is_floating_point else a

    def ceil(self, a: Val) -> Val:
        """The smallest whole number >= a."""
        return self._same(a, "ceil") if a.dtype.is_floating_point else a

    def trunc(self, a: Val) -> Val:
        """a without its fraction."""
        return self._same(a, "trunc") if a.dtype.is_floating_point else a

    def round(self, a: Val) -> Val:
        """The nearest whole number, halves to the even one."""
        return self._same(a, "roundeven") if a.dtype.is_floating_point else a

    def reciprocal(self, a: Val) -> Val:
        """1 / a."""
        return self.div(self.const(1, a), a)

    def rsqrt(self, a: Val) -> Val:
        """1 / sqrt(a)."""
        return self.div(self.const(1, a), self.sqrt(a))

    # ---- comparison, choice, bits ----
    def _compare(self, how: str, a: Val, b: Val) -> Val:
        kind = self.type(a.dtype)
        if a.dtype.is_floating_point:
            prefix = "une" if how == "ne" else "o" + how
            return Val(self.f.value(f"fcmp {prefix} {kind} {a.ref}, {b.ref}"), bool_)
        if how not in ("eq", "ne"):
            how = ("u" if a.dtype in (uint8, bool_) else "s") + how
        return Val(self.f.value(f"icmp {how} {kind} {a.ref}, {b.ref}"), bool_)

    def lt(self, a: Val, b: Val) -> Val:
        """a < b."""
        return self._compare("lt", a, b)

    def le(self, a: Val, b: Val) -> Val:
        """a <= b."""
        return self._compare("le", a, b)

    def gt(self, a: Val, b: Val) -> Val:
        """a > b."""
        return self._compare("gt", a, b)

    def ge(self, a: Val, b: Val) -> Val:
        """a >= b."""
        return self._compare("ge", a, b)

    def eq(self, a: Val, b: Val) -> Val:
        """a == b."""
        return self._compare("eq", a, b)

    def ne(self, a: Val, b: Val) -> Val:
        """a != b; true for NaN."""
        return self._compare("ne", a, b)

    def isnan(self, a: Val) -> Val:
        """Whether a is not a number."""
        return self.ne(a, a)

    def select(self, condition: Val, a: Val, b: Val) -> Val:
        """a where the condition holds, else b."""
        scalar = REGISTER[a.dtype.short]
        return Val(self.pick(condition.ref, scalar, a.ref, b.ref), a.dtype)

    def maximum(self, a: Val, b: Val) -> Val:
        """The larger one; NaN if either is."""
        larger = self.gt(a, b)
        if a.dtype.is_floating_point:
            larger = self.or_(larger, self.ne(a, a))
        return self.select(larger, a, b)

    def minimum(self, a: Val, b: Val) -> Val:
        """The smaller one; NaN if either is."""
        smaller = self.lt(a, b)
        if a.dtype.is_floating_point:
            smaller = self.or_(smaller, self.ne(a, a))
        return self.select(smaller, a, b)

    def _bits(self, op: str, a: Val, b: Val) -> Val:
        return Val(self.binary(op, REGISTER[a.dtype.short], a.ref, b.ref), a.dtype)

    def and_(self, a: Val, b: Val) -> Val:
        """Bitwise (logical for bool) and."""
        return self._bits("and", a, b)

    def or_(self, a: Val, b: Val) -> Val:
        """Bitwise (logical for bool) or."""
        return self._bits("or", a, b)

    def xor(self, a: Val, b: Val) -> Val:
        """Bitwise (logical for bool) exclusive or."""
        return self._bits("xor", a, b)

    def not_(self, a: Val) -> Val:
        """Bitwise (logical for bool) complement."""
        return self.xor(a, self.const(1 if a.dtype is bool_ else -1, a))

    def shl(self, a: Val, b: Val) -> Val:
        """a << b; 0 when b is not in [0, bits)."""
        return self._shift("shl", a, b)

    def shr(self, a: Val, b: Val) -> Val:
        """a >> b, keeping the sign; counts beyond the width shift everything out."""
        return self._shift("lshr" if a.dtype is uint8 else "ashr", a, b)

    def _shift(self, op: str, a: Val, b: Val) -> Val:
        last = self.const(8 * a.dtype.itemsize - 1, b)
        inside = self.and_(self.le(b, last), self.ge(b, self.const(0, b)))
        count = self.select(inside, b, last if op == "ashr" else self.const(0, b))
        shifted = self._bits(op, a, count)
        return shifted if op == "ashr" else self.select(inside, shifted, self.const(0, a))

    # ---- whole division by Python's rules ----
    def fmod(self, a: Val, b: Val) -> Val:
        """The remainder with the sign of a."""
        if not a.dtype.is_floating_point:
            return self._integer_division("rem", a, b)
        ref = self.binary("frem", REGISTER[a.dtype.short], a.ref, b.ref)
        return self.narrow(Val(ref, a.dtype), a.dtype)

    def remainder(self, a: Val, b: Val) -> Val:
        """The remainder with the sign of b."""
        rest = self.fmod(a, b)
        if a.dtype in (uint8, bool_):
            return rest
        zero = self.const(0, a)
        differ = self.xor(self.lt(rest, zero), self.lt(b, zero))
        move = self.and_(self.ne(rest, zero), differ)
        return self.select(move, self.add(rest, b), rest)

    def floor_div(self, a: Val, b: Val) -> Val:
        """a / b rounded down, computed as PyTorch computes it."""
        zero = self.const(0, a)
        if a.dtype in (uint8, bool_):
            return self.div(a, b)
        rest = self.fmod(a, b)
        differ = self.xor(self.lt(rest, zero), self.lt(b, zero))
        move = self.and_(self.ne(rest, zero), differ)
        one = self.const(1, a)
        if not a.dtype.is_floating_point:
            whole = self.div(a, b)
            return self.select(move, self.sub(whole, one), whole)
        whole = self.div(self.sub(a, rest), b)
        whole = self.select(move, self.sub(whole, one), whole)
        low = self.floor(whole)
        up = self.gt(self.sub(whole, low), self.const(0.5, a))
        low = self.select(up, self.add(low, one), low)
        exact = self.div(a, b)
        result = self.select(self.ne(whole, zero), low, self.copysign(zero, exact))
        return self.select(self.eq(b, zero), exact, result)

    # ---- casts ----
    def cast(self, x: Val, kind: dtype) -> Val:
        """x as another dtype, by C's rules as NumPy and PyTorch apply them on x86."""
        source = x.dtype
        if source is kind:
            return x
        if kind is bool_:
            return self.ne(x, self.const(0, x))
        if source.is_floating_point:
            return self._from_float(x, kind)
        if kind.is_floating_point:
            op = "uitofp" if source in (uint8, bool_) else "sitofp"
            target = REGISTER[kind.short]
            ref = self.convert(op, x.ref, REGISTER[source.short], target)
            return self.narrow(Val(ref, kind), kind)
        return self._resize(x, kind)

    def _resize(self, x: Val, kind: dtype) -> Val:
        bits = 1 if x.dtype is bool_ else 8 * x.dtype.itemsize
        wanted = 8 * kind.itemsize
        if bits == wanted:
            return Val(x.ref, kind)
        op = "trunc" if wanted < bits else "zext" if x.dtype in (uint8, bool_) else "sext"
        return Val(self.convert(op, x.ref, REGISTER[x.dtype.short], REGISTER[kind.short]), kind)

    def _from_float(self, x: Val, kind: dtype) -> Val:
        source, target = REGISTER[x.dtype.short], REGISTER[kind.short]
        if kind.is_floating_point:
            if source == target:
                return self.narrow(Val(x.ref, kind), kind)
            op = "fpext" if source == "float" else "fptrunc"
            return self.narrow(Val(self.convert(op, x.ref, source, target), kind), kind)
        middle = kind if kind in (int32, int64) else int32
        bits = 8 * middle.itemsize
        wide = Val(x.ref, float32 if source == "float" else float64)
        edge = self.const(2.0 ** (bits - 1), wide)
        inside = self.and_(self.lt(wide, edge), self.ge(wide, self.neg(edge)))
        safe = self.select(inside, wide, self.const(0, wide))
        whole = Val(self.convert("fptosi", safe.ref, source, REGISTER[middle.short]), middle)
        whole = self.select(inside, whole, self.const(-(2 ** (bits - 1)), middle))
        return whole if middle is kind else self._resize(whole, kind)
