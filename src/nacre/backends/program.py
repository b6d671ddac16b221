"""Native programs: a list of kernel calls that runs as one native call.

The table `tab` of a program is an array of i64: tab[0] is the status (0, or 1 + the number of the
call that met a bad index), tab[1] the offending value, tab[2] the program's scratch memory; slots
from FIRST_SLOT on hold addresses of arrays, and scalars.
"""

from __future__ import annotations

from array import array
from functools import partial

import numpy as np

from nacre.backends.calls import FIRST_SLOT, Operand, Recipe, Scalar, exactly, planned, signature
from nacre.backends.cpu import compile as compiler
from nacre.backends.cpu import threads
from nacre.backends.cpu.gemm import plan_gemm
from nacre.backends.indexing import plan_gather, plan_scatter
from nacre.backends.mapping import plan_map
from nacre.backends.reducing import plan_reduce

BRIEF = 20_000

__all__ = ["FIRST_SLOT", "Operand", "Program", "ProgramBuilder", "Scalar"]


class ProgramBuilder:
    """Collects kernel calls; `finish()` makes them a Program.

    Example:
        >>> import numpy as np
        >>> from nacre.backends.cpu.backend import table
        >>> from nacre.base.dtypes import float32
        >>> x, y = np.ones(3, np.float32), np.empty(3, np.float32)
        >>> words, address = table(FIRST_SLOT + 2)
        >>> words[FIRST_SLOT], words[FIRST_SLOT + 1] = x.ctypes.data, y.ctypes.data
        >>> a = Operand(FIRST_SLOT, float32, (3,), (1,))
        >>> out = Operand(FIRST_SLOT + 1, float32, (3,), (1,))
        >>> builder = ProgramBuilder()
        >>> builder.map((3,), [a], (("const", (), float32, (2.0,)), ("cast", (1,), float32, ())),
        ...             [(2, out)])
        >>> builder.finish().run(address)
        0
        >>> y.tolist()
        [2.0, 2.0, 2.0]
    """

    def __init__(self):
        self.calls: list = []
        self.scratch = 0

    # ---- maps ----
    def map(self, shape, inputs, body, outputs) -> None:
        """Compute `body` for every element of `shape`.

        `inputs` are Operands (broadcast by stride 0) and Scalars, values 0.. of the body;
        `outputs` are (value index, Operand) pairs. An output may be exactly an input; other
        overlap is not allowed.
        """
        operands = [*inputs, *[x for _, x in outputs]]
        which = tuple([i for i, _ in outputs])
        key = ("map", shape, exactly(body), which, signature(operands))
        made = planned(key, lambda: plan_map(shape, inputs, body, outputs))
        if made is not None:
            self.calls.append((made, made.fill(operands)))

    # ---- reductions ----
    def reduce(self, kind, shape, dims, inputs, body, out: Operand) -> None:
        """Reduce the last value of (inputs, body) over `dims`, which `out` does not have.

        kind: sum prod max min any all argmax argmin. argmax over several dims takes the index in
        their row-major order; they must be adjacent.
        """
        key = ("reduce", kind, shape, dims, exactly(body), signature([*inputs, out]))
        arguments = (kind, shape, dims, inputs, body, out)
        self._add(planned(key, lambda: plan_reduce(*arguments)), [*inputs, out])

    def _add(self, recipe: Recipe, operands) -> None:
        """Append the calls of a recipe, made on these operands."""
        for made, which in recipe.calls:
            chosen = [operands[x] if type(x) is int else x for x in which]
            self.calls.append((made, made.fill(chosen)))
        self.scratch = max(self.scratch, recipe.bytes)

    # ---- matrix products ----
    def gemm(self, a: Operand, b: Operand, out: Operand, inputs=(), body=()) -> None:
        """out = epilogue(a @ b): a (..., M, K), b (..., K, N), out (..., M, N).

        In the epilogue's body value 0 is the product and values 1.. are `inputs`, Operands
        broadcast to out's shape and Scalars; its last value is stored.
        """
        inputs, body = tuple(inputs), tuple(body)
        operands = [a, b, *inputs, out]
        key = ("gemm", exactly(body), signature(operands))
        self._add(planned(key, lambda: plan_gemm(a, b, inputs, body, out)), operands)

    # ---- indices ----
    def gather(self, shape, src: Operand, index: Operand, dim: int, out: Operand) -> None:
        """out[i..] = src[.., index[i..], ..] with the index in place `dim`; shape is index's.

        An index outside [0, src.shape[dim]) stops the program and is reported in tab[1].
        """
        operands = [src, index, out]
        key = ("gather", shape, dim, signature(operands))
        self._add(planned(key, lambda: plan_gather(shape, src, index, dim, out)), operands)

    def scatter(self, mode: str, index: Operand, value: Operand, dim: int, out: Operand) -> None:
        """out[.., index[i..], ..] = value[i..] (mode 'set') or += (mode 'add'), in index order."""
        operands = [index, value, out]
        key = ("scatter", mode, dim, signature(operands))
        self._add(planned(key, lambda: plan_scatter(mode, index, value, dim, out)), operands)

    # ---- moving ----
    def copy(self, source: Operand, target_: Operand) -> None:
        """target = source, cast to target's dtype."""
        body: tuple = ()
        if source.dtype is not target_.dtype:
            body = (("cast", (0,), target_.dtype, ()),)
        self.map(target_.shape, [source], body, [(len(body), target_)])

    def fill(self, target_: Operand, value) -> None:
        """target = value (a Python number, or a Scalar)."""
        if type(value) is Scalar:
            cast = ("cast", (0,), target_.dtype, ())
            self.map(target_.shape, [value], (cast,), [(1, target_)])
        else:
            const = ("const", (), target_.dtype, (value,))
            self.map(target_.shape, [], (const,), [(0, target_)])

    def finish(self) -> Program:
        """The program; compiles or loads the kernels it needs, in one batch."""
        missing = [made for made, _ in self.calls if not made.address]
        if missing:
            found = compiler.get_functions([(m.key, m.factory) for m in missing])
            for made, address in zip(missing, found, strict=True):
                made.address = address
        return Program(self.calls, self.scratch)


class Program:
    """Kernel calls in order. `run(tab)` returns 0, or 1 + the number of the call that failed.

    A program owns its scratch memory: two threads may run it at once only if they take turns.
    """

    __slots__ = ("_at", "_brief", "_memory", "_scratch", "_words", "brief", "ncalls", "shared")

    def __init__(self, calls, scratch: int = 0):
        self.ncalls = len(calls)
        head: list = []
        tail: list = []
        places: list = []
        self.shared = False
        work = 0
        for made, words in calls:
            places.append(len(tail))
            tail += words
            head += (made.address, 0, made.chunks, 0)
            work += made.work
            if made.chunks > 1:
                self.shared = True
        self._words = array("q", head + tail)
        self._at = base = self._words.buffer_info()[0]
        start = base + 8 * len(head)
        for i, place in enumerate(places):
            self._words[4 * i + 1] = start + 8 * place
        self.brief = work < BRIEF
        self._brief: tuple | None = None
        self._memory = np.empty(scratch + 64 if scratch else 0, np.uint8)
        self._scratch = (self._memory.ctypes.data + 63) // 64 * 64 if scratch else 0

    def run(self, tab: int) -> int:
        """Run on the table at this address; the status."""
        return self.call(tab)()

    def call(self, tab: int):
        """`run` on this table as a function without arguments, to be called at once.

        For a caller that goes on in the same call into C.
        """
        if self._brief is not None and self._brief[0] == tab:
            return self._brief[1]
        native = threads.POOL.native or threads.functions()
        if self.brief:
            made = partial(native.drive_briefly, tab, self._at, self.ncalls, 0, self._scratch)
            self._brief = (tab, made)
            return made
        pool = 0
        if self.shared:
            pool = threads.POOL.address or threads.POOL.start()
            if threads.POOL.sleeping:
                threads.POOL.wake()
        return partial(native.drive, tab, self._at, self.ncalls, pool, self._scratch)
