"""Native programs: a list of kernel calls that runs as one native call.

The table `tab` of a program is an array of i64: tab[0] is the status (0, or 1 + the number of the
call that met a bad index), tab[1] the offending value, tab[2] the program's scratch memory; slots
from FIRST_SLOT on hold addresses of arrays, and scalars. A program is an array of i64 too: the
address of the table, the number of calls, the pool, the scratch memory, then the calls.
"""

from __future__ import annotations

from array import array
from functools import partial

import numpy as np

from nacre.backends.calls import FIRST_SLOT, Calls, Operand, Scalar
from nacre.backends.cpu import compile as compiler
from nacre.backends.cpu import threads
from nacre.backends.cpu.gemm import plan_gemm
from nacre.backends.cpu.memory import address_of
from nacre.backends.indexing import plan_gather, plan_scatter
from nacre.backends.mapping import plan_map
from nacre.backends.reducing import plan_reduce

BRIEF = 20_000
TABLE, NCALLS, POOL, SCRATCH = range(4)

__all__ = ["FIRST_SLOT", "Operand", "Program", "ProgramBuilder", "Scalar"]


class ProgramBuilder(Calls):
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

    __slots__ = ()

    def map(self, shape, inputs, body, outputs) -> None:
        """Compute `body` for every element of `shape`.

        `inputs` are Operands (broadcast by stride 0) and Scalars, values 0.. of the body;
        `outputs` are (value index, Operand) pairs. An output may be exactly an input; other
        overlap is not allowed.
        """
        plan_map(self, shape, inputs, body, outputs)

    def reduce(self, kind, shape, dims, inputs, body, out: Operand) -> None:
        """Reduce the last value of (inputs, body) over `dims`, which `out` does not have.

        kind: sum prod max min any all argmax argmin. argmax over several dims takes the index in
        their row-major order; they must be adjacent.
        """
        self.used = 0
        plan_reduce(self, kind, shape, dims, inputs, body, out)

    def gemm(self, a: Operand, b: Operand, out: Operand, inputs=(), body=()) -> None:
        """out = epilogue(a @ b): a (..., M, K), b (..., K, N), out (..., M, N).

        In the epilogue's body value 0 is the product and values 1.. are `inputs`, Operands
        broadcast to out's shape and Scalars; its last value is stored.
        """
        self.used = 0
        plan_gemm(self, a, b, inputs, tuple(body), out)

    # ---- indices ----
    def gather(self, shape, src: Operand, index: Operand, dim: int, out: Operand) -> None:
        """out[i..] = src[.., index[i..], ..] with the index in place `dim`; shape is index's.

        An index outside [0, src.shape[dim]) stops the program and is reported in tab[1].
        """
        plan_gather(self, shape, src, index, dim, out)

    def scatter(self, mode: str, index: Operand, value: Operand, dim: int, out: Operand) -> None:
        """out[.., index[i], ..] = value[i..] (mode 'set') or += (mode 'add'), in index order."""
        plan_scatter(self, mode, index, value, dim, out)

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

    # ---- running ----
    def _load(self) -> None:
        """Compile or load the kernels that are missing, in one batch."""
        missing = self.missing
        found = compiler.get_functions([(kernel.key, kernel.factory) for _, kernel in missing])
        for (at, kernel), address in zip(missing, found, strict=True):
            kernel.address = self.calls[at] = address
        self.missing = []

    def finish(self) -> Program:
        """The program; compiles or loads the kernels it needs, in one batch."""
        if self.missing:
            self._load()
        return Program(self)

    def run_once(self, table: list) -> int:
        """Run the calls on a table of these words; the status."""
        if not self.ncalls:
            return 0
        if self.missing:
            self._load()
        scratch = pool = 0
        if self.scratch:
            memory = np.empty(self.scratch + 64, np.uint8)
            scratch = (address_of(memory) + 63) // 64 * 64
        native = threads.POOL.native or threads.functions()
        drive = native.drive_briefly
        if self.work >= BRIEF:
            drive = native.drive
            if self.shared:
                pool = threads.POOL.ready()
        words = array("q", [*table, 0, self.ncalls, pool, scratch, *self.calls])
        start = words.buffer_info()[0]
        at = len(table)
        words[at] = start
        return drive(start + 8 * at)


class Program:
    """Kernel calls in order. `run(tab)` returns 0, or 1 + the number of the call that failed.

    A program owns its scratch memory: two threads may run it at once only if they take turns.
    """

    __slots__ = ("_at", "_brief", "_memory", "_words", "brief", "ncalls", "shared")

    def __init__(self, calls: Calls):
        self.ncalls = calls.ncalls
        self.shared = calls.shared
        self.brief = calls.work < BRIEF
        scratch = 0
        self._memory = None
        if calls.scratch:
            self._memory = np.empty(calls.scratch + 64, np.uint8)
            scratch = (address_of(self._memory) + 63) // 64 * 64
        self._words = array("q", [0, calls.ncalls, 0, scratch, *calls.calls])
        self._at = self._words.buffer_info()[0]
        self._brief: partial | None = None

    def run(self, tab: int) -> int:
        """Run on the table at this address; the status."""
        return self.call(tab)()

    def call(self, tab: int):
        """`run` on this table as a function without arguments, to be called at once.

        For a caller that goes on in the same call into C.
        """
        words = self._words
        words[TABLE] = tab
        if self._brief is not None:
            return self._brief
        native = threads.POOL.native or threads.functions()
        if self.brief:
            made = self._brief = partial(native.drive_briefly, self._at)
            return made
        if self.shared:
            words[POOL] = threads.POOL.ready()
        return partial(native.drive, self._at)
