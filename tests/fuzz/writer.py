"""The program being written, and what is believed of its state: base of all statement writers."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace

import numpy as np

from .model import FLOATS, TORCH_DTYPE, Rng, Var, layout

RULES: dict[str, list[tuple[int, Callable[[Gen], bool]]]] = {}


def rule(category: str, weight: int = 10):
    """Register a statement writer; it returns False when it does not apply."""

    def add(f: Callable[[Gen], bool]) -> Callable[[Gen], bool]:
        RULES.setdefault(category, []).append((weight, f))
        return f

    return add


class Gen:
    """The program being written and the model of its state."""

    def __init__(self, seed: int, profiles: dict[str, int]) -> None:
        self.r = Rng(seed)
        self.seed = seed
        self.profile = self.r.weighted(list(profiles), list(profiles.values()))
        self.world = self.r.weighted(["f64", "f32", "both"], [60, 28, 12])
        self.names = 3 if self.profile == "tiny" else self.r.between(4, 7)
        self.vars: dict[str, Var] = {}
        self.chunks: list[str] = []
        self.block: list[str] | None = None
        self.grad_on = True
        self.inference = False
        self.in_loop = False
        self.stores = 0
        self.counter = 0
        self.hooks: list[str] = []
        self.pointers: dict[str, tuple[str, int]] = {}
        self.nets: list[tuple[str, list[str], int, int, str]] = []
        self.optimizers: list[tuple[str, str]] = []
        a, b, c = (self.r.weighted([1, 2, 3, 4, 5], [1, 6, 8, 4, 1]) for _ in range(3))
        if self.profile == "tiny":
            self.shapes, self.shape_weights = [(a,), (a, b)], [3, 1]
        else:
            self.shapes = [(a,), (b,), (a, b), (b, a), (a, a), (b, c), (1, b), (a, 1)]
            self.shapes += [(c, a, b), (), (2, 1, b), (0, b)]
            self.shape_weights = [8, 6, 12, 5, 4, 4, 2, 2, 4, 2, 1, 1]

    # --- text -------------------------------------------------------------------------------

    def emit(self, text: str) -> bool:
        """Append a statement; true, so that a rule can return it."""
        if self.block is not None:
            self.block += ["    " + line for line in text.split("\n")]
        else:
            self.chunks.append(text)
        return True

    @contextmanager
    def under(self, head: str, grad: bool | None = None):
        """Statements emitted inside form one compound statement."""
        assert self.block is None
        self.block, before = [], self.grad_on
        self.grad_on = before if grad is None else grad
        try:
            yield
        finally:
            lines, self.block, self.grad_on = self.block, None, before
            if lines:
                self.emit("\n".join([head, *lines]))

    def guard(self, text: str) -> bool:
        """Emit a statement that binds nothing, sometimes done only on some rounds."""
        if self.in_loop and self.block is None and self.r.chance(0.08):
            test = self.r.pick(["it % 2", "it % 2 == 0", "it != 1", "it > 1"])
            text = f"if {test}:\n    " + text.replace("\n", "\n    ")
        return self.emit(text)

    def number(self) -> str:
        """A Python float literal, sometimes another one each round."""
        pool = ["0.5", "-1.0", "2.0", "0.25", "1.5", "-0.5", "3.0"]
        if self.in_loop and self.r.chance(0.2):
            return f"({self.r.pick(pool)} + 0.25 * it)"
        return self.r.pick(pool)

    def numbers(self, shape, dtype: str) -> str:
        """A nested list literal of small exact values."""
        n = int(np.prod(shape, dtype=np.int64))
        if dtype in FLOATS:
            flat = [str(self.r.between(-12, 12) / 4) for _ in range(n)]
        elif dtype == "i64":
            flat = [str(self.r.between(-3, 4)) for _ in range(n)]
        else:
            flat = [str(self.r.chance(0.5)) for _ in range(n)]
        return nested(flat, shape)

    def data(self, shape, dtype: str) -> str:
        """A literal, or a choice of two by the round."""
        if self.in_loop and self.r.chance(0.5):
            return f"({self.numbers(shape, dtype)}, {self.numbers(shape, dtype)})[it % 2]"
        return self.numbers(shape, dtype)

    def literal(self, shape, dtype: str, tail: str = "") -> str:
        """torch.tensor(...) of that dtype; a list of floats needs no dtype for float32."""
        if 0 in shape:
            return f"torch.zeros({tuple(shape)}, dtype={TORCH_DTYPE[dtype]}{tail})"
        spelled = "" if dtype == "f32" and self.r.chance(0.5) else f", dtype={TORCH_DTYPE[dtype]}"
        return f"torch.tensor({self.data(shape, dtype)}{spelled}{tail})"

    def float_dtype(self) -> str:
        """A float type of this program's world."""
        return self.r.pick(["f64", "f32"]) if self.world == "both" else self.world

    def shape(self) -> tuple[int, ...]:
        """A shape of this program's family."""
        return self.r.weighted(self.shapes, self.shape_weights)

    # --- names ------------------------------------------------------------------------------

    def new_store(self) -> int:
        self.stores += 1
        return self.stores

    def name(self) -> str:
        """A tensor name to bind, old or new."""
        return f"t{self.r.below(self.names)}"

    def bind(self, text: str, v: Var) -> bool:
        """Emit `v.name = text` and believe in it."""
        self.pointers = {q: p for q, p in self.pointers.items() if p[0] != v.name}
        self.vars[v.name] = v
        return self.emit(f"{v.name} = {text}")

    def fresh(self, shape, dtype: str, sources: list[Var] = (), **kw) -> Var:
        """A new tensor with storage of its own, computed from `sources`."""
        float_out = dtype in FLOATS
        rg = float_out and self.grad_on and any(v.rg for v in sources)
        kw.setdefault("idx", layout(shape))
        store = self.new_store()
        freed = rg and any(v.freed for v in sources)
        kw.setdefault("linear", rg and any(v.linear for v in sources))
        return Var(
            self.name(),
            dtype,
            store=store,
            fam=store,
            rg=rg,
            leaf=not rg,
            freed=freed,
            inference=self.inference,
            **kw,
        )

    def forget(self, name: str) -> None:
        """Use this name no more until it is bound again."""
        self.vars.pop(name, None)

    def tensors(self, test: Callable[[Var], bool] = lambda v: True) -> list[Var]:
        """The tensor variables that pass a test, in a fixed order."""
        return [v for _, v in sorted(self.vars.items()) if not v.np and test(v)]

    def arrays(self) -> list[Var]:
        """The NumPy variables."""
        return [v for _, v in sorted(self.vars.items()) if v.np]

    def any(self, test: Callable[[Var], bool] = lambda v: True) -> Var | None:
        """A random tensor variable that passes."""
        found = self.tensors(test)
        return self.r.pick(found) if found else None

    def any_float(self) -> Var | None:
        return self.any(Var.is_float)

    def touch(self, v: Var, sources: list[Var]) -> None:
        """After an in-place operation: the family may now require grad."""
        if v.dtype in FLOATS and self.grad_on and any(s.rg for s in sources):
            freed = any(s.freed for s in sources)
            linear = any(s.linear for s in sources)
            for name, w in self.vars.items():
                if w.fam == v.fam and not w.np:
                    self.vars[name] = replace(
                        w,
                        rg=True,
                        leaf=False,
                        freed=w.freed or freed,
                        linear=w.linear or linear,
                    )

    # --- driving ----------------------------------------------------------------------------

    def step(self, weights: dict[str, int]) -> bool:
        """One statement of a random category."""
        kinds = [k for k in weights if k in RULES]
        kind = self.r.weighted(kinds, [weights[k] for k in kinds])
        entries = RULES[kind]
        return self.r.weighted([f for _, f in entries], [w for w, _ in entries])(self)

    def fill(self, n: int, weights: dict[str, int]) -> None:
        """Write until n chunks stand."""
        for _ in range(20 * n):
            if len(self.chunks) >= n:
                return
            self.step(weights)

    def take(self) -> tuple[str, ...]:
        """The statements written so far, for good."""
        chunks, self.chunks = tuple(self.chunks), []
        return chunks


def nested(flat: list[str], shape) -> str:
    """A flat list of texts as nested list text."""
    if not shape:
        return flat[0]
    if len(shape) == 1:
        return "[" + ", ".join(flat) + "]"
    step = len(flat) // shape[0] if shape[0] else 0
    rows = [nested(flat[i * step : (i + 1) * step], shape[1:]) for i in range(shape[0])]
    return "[" + ", ".join(rows) + "]"
