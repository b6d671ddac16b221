"""A small writer of LLVM IR text: names, loops, branches, address arithmetic, declarations."""

from __future__ import annotations

from contextlib import contextmanager


class Module:
    """The text of one LLVM module: functions, and each intrinsic they use declared once."""

    def __init__(self):
        self.parts: list[str] = []
        self.declared: dict[str, str] = {}

    def declare(self, name: str, signature: str) -> None:
        """Note an external function; `signature` is the whole `declare` line's tail."""
        self.declared.setdefault(name, f"declare {signature}")

    def text(self) -> str:
        """The module as llvmlite parses it."""
        return "\n".join([*self.declared.values(), *self.parts])


class Function:
    """One function under construction; values are names such as `%t3` or integer literals.

    Loops keep their counters in stack slots, which the `sroa` pass turns into registers, so no code
    here needs to build phi nodes.
    """

    def __init__(self, module: Module, name: str, args, returns="void", attributes="nounwind"):
        self.module = module
        self.name = name
        self.args = args
        self.returns = returns
        self.attributes = attributes
        self.allocas: list[str] = []
        self.lines: list[str] = []
        self.count = 0
        self.block = "entry"

    # ---- lines ----
    def fresh(self, prefix: str = "t") -> str:
        """A name not used before in this function, without its `%`."""
        self.count += 1
        return f"{prefix}{self.count}"

    def value(self, expression: str) -> str:
        """Write `%t = expression`; returns `%t`."""
        self.count += 1
        name = f"%t{self.count}"
        self.lines.append(f" {name} = {expression}")
        return name

    def do(self, line: str) -> None:
        """Write an instruction without a result."""
        self.lines.append(" " + line)

    def begin(self, label: str) -> None:
        """Start the basic block `label`."""
        self.lines.append(label + ":")
        self.block = label

    def jump(self, label: str) -> None:
        """Go to `label`."""
        self.do(f"br label %{label}")

    def branch(self, condition: str, yes: str, no: str) -> None:
        """Go to one of two labels."""
        self.do(f"br i1 {condition}, label %{yes}, label %{no}")

    def alloca(self, kind: str, align: int = 0) -> str:
        """A stack slot, made in the entry block."""
        self.count += 1
        name = f"%a{self.count}"
        self.allocas.append(f" {name} = alloca {kind}" + (f", align {align}" if align else ""))
        return name

    def call(self, returns: str, name: str, args, attributes: str = "") -> str | None:
        """Call an external function or intrinsic, declaring it; args are (type, value) pairs."""
        kinds = ", ".join([kind for kind, _ in args])
        self.module.declare(name, f"{returns} @{name}({kinds}){attributes}")
        values = ", ".join([f"{kind} {value}" for kind, value in args])
        if returns == "void":
            self.do(f"call void @{name}({values})")
            return None
        return self.value(f"call {returns} @{name}({values})")

    # ---- integers of 64 bits ----
    def add(self, a, b):
        """a + b, folded when it can be."""
        if type(a) is int and type(b) is int:
            return a + b
        if b == 0:
            return a
        if a == 0:
            return b
        return self.value(f"add nsw i64 {a}, {b}")

    def sub(self, a, b):
        """a - b."""
        if type(a) is int and type(b) is int:
            return a - b
        return a if b == 0 else self.value(f"sub nsw i64 {a}, {b}")

    def mul(self, a, b):
        """a * b."""
        if type(a) is int and type(b) is int:
            return a * b
        if a == 0 or b == 0:
            return 0
        if b == 1:
            return a
        if a == 1:
            return b
        return self.value(f"mul nsw i64 {a}, {b}")

    def div(self, a, b):
        """a / b of numbers that are not negative."""
        return self.value(f"udiv i64 {a}, {b}")

    def rem(self, a, b):
        """a % b of numbers that are not negative."""
        return self.value(f"urem i64 {a}, {b}")

    def compare(self, how: str, a, b) -> str:
        """An i1; `how` is eq, ne, slt, sle, sgt, sge, ult..."""
        return self.value(f"icmp {how} i64 {a}, {b}")

    def minimum(self, a, b):
        """The smaller of two signed numbers."""
        return self.value(f"select i1 {self.compare('slt', a, b)}, i64 {a}, i64 {b}")

    # ---- memory ----
    def at(self, pointer: str, index, kind: str = "i64") -> str:
        """The address of element `index` of an array of `kind`."""
        if index == 0:
            return pointer
        return self.value(f"getelementptr {kind}, ptr {pointer}, i64 {index}")

    def load(self, kind: str, pointer: str, align: int = 0) -> str:
        """Read a value."""
        tail = f", align {align}" if align else ""
        return self.value(f"load {kind}, ptr {pointer}{tail}")

    def store(self, kind: str, value, pointer: str, align: int = 0) -> None:
        """Write a value."""
        tail = f", align {align}" if align else ""
        self.do(f"store {kind} {value}, ptr {pointer}{tail}")

    def word(self, array: str, index) -> str:
        """Element `index` of an array of i64."""
        return self.load("i64", self.at(array, index), 8)

    def pointer(self, array: str, index) -> str:
        """Element `index` of an array of i64, as an address."""
        return self.load("ptr", self.at(array, index), 8)

    # ---- control ----
    @contextmanager
    def loop(self, low, high, step=1):
        """`for i in range(low, high, step)`; yields i."""
        slot = self.alloca("i64")
        self.store("i64", low, slot)
        head, body, done = self.fresh("head"), self.fresh("body"), self.fresh("done")
        self.jump(head)
        self.begin(head)
        i = self.load("i64", slot)
        self.branch(self.compare("slt", i, high), body, done)
        self.begin(body)
        yield i
        self.store("i64", self.add(i, step), slot)
        self.jump(head)
        self.begin(done)

    @contextmanager
    def when(self, condition: str):
        """`if condition:`."""
        yes, done = self.fresh("yes"), self.fresh("done")
        self.branch(condition, yes, done)
        self.begin(yes)
        yield
        self.jump(done)
        self.begin(done)

    def either(self, condition: str, kind, yes, no):
        """A value (or a tuple, `kind` then being one too) made by `yes()` or by `no()`."""
        several = type(kind) is tuple
        kinds = kind if several else (kind,)
        labels = self.fresh("yes"), self.fresh("no"), self.fresh("join")
        self.branch(condition, labels[0], labels[1])
        arms = []
        for label, make in zip(labels, (yes, no), strict=False):
            self.begin(label)
            made = make()
            arms.append((made if several else (made,), self.block))
            self.jump(labels[2])
        self.begin(labels[2])
        (first, from_yes), (second, from_no) = arms
        joined = tuple(
            self.value(f"phi {k} [{a}, %{from_yes}], [{b}, %{from_no}]")
            for k, a, b in zip(kinds, first, second, strict=True)
        )
        return joined if several else joined[0]

    def close(self, result: str = "ret void") -> None:
        """End the function and put its text into the module."""
        head = f"define {self.returns} @{self.name}({', '.join(self.args)}) {self.attributes} {{"
        body = "\n".join([head, "entry:", *self.allocas, *self.lines, " " + result, "}"])
        self.module.parts.append(body)
