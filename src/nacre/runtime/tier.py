"""The hot tier: a stretch compiled to native programs, and how one is run and committed.

Everything that a run changes is committed by the same call into C that ran the last kernel, so that
an interrupt finds a stretch either as before its evaluation or as after it.
"""

from __future__ import annotations

import ctypes
from collections import deque
from dataclasses import dataclass
from itertools import chain
from operator import call, itemgetter
from sys import getrefcount

import numpy as np

from nacre.ir.node import LEAF
from nacre.ir.trace import Storage, Stretch
from nacre.runtime import backend
from nacre.runtime.fuse import FALLIBLE, Graph, Lowering, schedule
from nacre.runtime.interpreter import shaped
from nacre.runtime.memory import ARENA, IDLE, POOL, Places, dense

_ndarray = np.ndarray
LEAST, MOST = -(2**63), 2**63 - 1


@dataclass(slots=True)
class Output:
    """A result: its cell, its slot, the ring its buffers come from, and the leaf it may take over.

    `donor` is `(leaf, entry of the undo list)` or None.
    """

    cell: int
    slot: int
    ring: object
    donor: tuple | None = None


class Table:
    """The words that a program's kernels read, being assigned; gives kernels their operands."""

    def __init__(self, graph, places, outs, kit):
        self.kit = kit
        self.graph = graph
        self.places = places
        self.next = kit.FIRST_SLOT + 1
        self.arena = kit.FIRST_SLOT
        self.leaves: dict = {}
        self.numbers: dict = {}
        self.outs = [self._new() for _ in outs]

    def _new(self):
        self.next += 1
        return self.next - 1

    def operand(self, root, offset, shape, strides, dtype):
        """An operand in the memory of a root."""
        places = self.places
        owner = places.owner(root)
        if owner in places.out_of:
            return self.kit.Operand(self.outs[places.out_of[owner]], dtype, shape, strides, offset)
        if owner in places.temp_of:
            start = places.temp_of[owner] // dtype.itemsize
            return self.kit.Operand(self.arena, dtype, shape, strides, start + offset)
        word = self.leaves.get(root)
        if word is None:
            word = self.leaves[root] = self._new()
        return self.kit.Operand(word, dtype, shape, strides, offset)

    def number(self, x):
        """A Python number: `(index, kind)` of one that comes with each run, or a Constant."""
        word = self.numbers.get(x)
        if word is None:
            word = self.numbers[x] = self._new()
        kind = x[1] if type(x) is tuple else x.kind
        return self.kit.Scalar(word, {float: "f", int: "i", bool: "b"}[kind])

    def is_shared(self, slot):
        """Whether a value is computed in its base's memory."""
        return slot in self.places.shared


class _Segments:
    """Native programs and operations in Python, in order."""

    def __init__(self, kit):
        self.kit = kit
        self.parts: list = []
        self.builder = kit.ProgramBuilder()

    def cut(self):
        """End the native program being built."""
        if self.builder.calls:
            self.parts.append(self.builder.finish())
            self.builder = self.kit.ProgramBuilder()

    def python(self, step):
        """Append an operation that runs in Python."""
        self.cut()
        self.parts.append(step)


class Hot:
    """A compiled stretch."""

    def __init__(self, executable, s, kit):
        outs = executable.outs
        self.nodes = executable.nodes
        self.wanted = outs
        graph = Graph(executable.nodes, [slot for _, slot in outs])
        kernels = schedule(graph)
        places = Places(graph, kernels)
        table = Table(graph, places, outs, kit)
        self.outputs = self._outputs(graph, places, table, s)
        self._build(graph, kernels, places, table, kit)
        self._assign(table, graph, kit)
        self.busy = False
        brief = self.safe and self.last.brief
        self.brief = self.last.call(self.address) if brief else None

    def _assign(self, table, graph, kit):
        """Make the table of words, and note which of them each run fills."""
        self.words, self.address = kit.table(table.next)
        self.floats = (ctypes.c_double * table.next).from_buffer(self.words)
        self.arena_word = table.arena
        self.arena_size = table.places.size
        self.leaves = [
            (word, graph.nodes[root].leaves - 1, graph.nodes[root].meta.dtype.itemsize)
            for root, word in table.leaves.items()
        ]
        self.float_words = []
        self.int_words = []
        for x, word in table.numbers.items():
            if type(x) is tuple:
                words = self.float_words if x[1] is float else self.int_words
                words.append((word, x[0]))
            elif x.kind is float:
                self.floats[word] = x.value
            elif LEAST <= x.value <= MOST:
                self.words[word] = x.value
            else:
                raise NotImplementedError(f"no word holds {x.value}")
        self.cells_of = _getter([out.cell for out in self.outputs])
        self.changed = (*["data"] * len(self.outputs), "stretch")
        self.targets = [
            (word, out.ring, *(out.donor or (-1, -1)))
            for word, out in zip(table.outs, self.outputs, strict=True)
        ]

    def _outputs(self, graph, places, table, s):
        found = []
        entries = {id(c): j for j, (c, _) in reversed(list(enumerate(s.undo)))}
        roots = {
            id(storage): node.slot
            for node in graph.ordered
            if node.op is LEAF
            for storage, offset in [s.leaves[node.leaves - 1]]
            if not offset
        }
        for number, (cell, _) in enumerate(self.wanted):
            slot = graph.outs[number]
            meta = graph.roots[slot][2]
            out = Output(cell, slot, POOL.ring(meta.dtype.np, meta.numel))
            entry = entries.get(id(s.cells[cell]))
            if entry is not None:
                leaf = roots.get(id(s.undo[entry][1]))
                if leaf is not None and places.takes_over(number, slot, leaf):
                    out.donor = (graph.nodes[leaf].leaves - 1, entry)
            found.append(out)
        return found

    def _build(self, graph, kernels, places, table, kit):
        lowering = Lowering(graph, table)
        segments = _Segments(kit)
        steps = [k.kind in FALLIBLE or k.kind == "python" for k in kernels]
        last = max([i for i, fallible in enumerate(steps) if fallible], default=-1)
        before = 0
        for i, kernel in enumerate(kernels):
            if kernel.kind == "python":
                segments.python(self._python(graph, places, kernel))
            else:
                lowering.add(kernel, segments.builder)
            if i == last:
                segments.cut()
                before = len(segments.parts)
        for number, slot in places.copies:
            _, _, meta = graph.roots[slot]
            word = table.outs[number]
            target = kit.Operand(word, meta.dtype, tuple(meta.shape), meta.strides)
            lowering.copy_out(slot, target, segments.builder)
        segments.cut()
        *self.firsts, self.last = segments.parts or [_nothing]
        # The last part cannot fail, so that it runs in the same call as the commit.
        self.safe = len(segments.parts) > before
        for out in self.outputs:
            if out.donor is not None and not (self.safe and places.written[out.slot] > last):
                out.donor = None

    def _python(self, graph, places, kernel):
        """An operation without kernels, as a function of (leaves, numbers, results)."""
        node = kernel.nodes[0]

        def array(root, offset, meta, leaves, results):
            owner = places.owner(root)
            size = meta.dtype.itemsize
            if owner in places.out_of:
                flat = results[places.out_of[owner]].array
            elif owner in places.temp_of:
                at = places.temp_of[owner]
                return _ndarray(
                    meta.shape, meta.dtype.np, ARENA.array, at + offset * size, meta.byte_strides
                )
            else:
                storage, start = leaves[graph.nodes[root].leaves - 1]
                flat, offset = storage.array, offset + start
            return shaped(flat[offset:], meta)

        def step(leaves, numbers, results):
            args = []
            for a in graph.args(node):
                if type(a) is int:
                    args.append(array(*graph.roots[a], leaves, results))
                else:
                    args.append(numbers[a[0]])
            with np.errstate(all="ignore"):
                flat = backend.compute(node.op, node, args)
            out = array(node.slot, 0, node.meta, leaves, results)
            if node.meta.numel:
                out[...] = shaped(flat, node.meta)

        return step

    # ---- running --------------------------------------------------------------------------------
    def run(self, trace, s) -> bool:
        """Evaluate a stretch and commit its results; False if it must be done cold."""
        if self.busy:
            return False
        self.busy = True
        try:
            words, leaves = self.words, s.leaves
            for word, i, size in self.leaves:
                storage, offset = leaves[i]
                address = storage._address or storage.address()
                words[word] = address + offset * size if offset else address
            for word, i in self.float_words:
                self.floats[word] = s.numbers[i]
            for word, i in self.int_words:
                number = s.numbers[i]
                if not LEAST <= number <= MOST:  # a word would keep its low bits
                    return False
                words[word] = number
            if self.arena_size:
                if self.arena_size > ARENA.size:
                    ARENA.reserve(self.arena_size)
                words[self.arena_word] = ARENA.address
            results = []
            for word, ring, leaf, entry in self.targets:
                storage = None
                if entry >= 0:
                    storage, offset = leaves[leaf]
                    if (
                        getrefcount(storage) - storage.rings != GIVEN_UP
                        or storage.exported
                        or offset
                        or entry >= len(s.undo)
                        or s.undo[entry][1] is not storage
                    ):
                        storage = None
                if storage is None:
                    storage = next(ring.turn)
                    if getrefcount(storage) != IDLE or storage.exported:
                        storage = None
                        storage = ring.take()
                words[word] = storage._address
                results.append(storage)
            storage = None
            for part in self.firsts:
                if not self._step(part, s, results):
                    return False
            cells = (*self.cells_of(s.cells), trace)
            results.append(Stretch())
            changes = map(setattr, cells, self.changed, results)
            if self.safe:  # the last part runs in the same call that commits
                last = self.brief or self.last.call(self.address)
                deque(chain(map(call, (last,)), changes), maxlen=0)
            elif self._step(self.last, s, results):
                deque(changes, maxlen=0)
            else:
                return False
            s.close()
            return True
        finally:
            self.busy = False

    def _step(self, part, s, results) -> bool:
        if callable(part):
            part(s.leaves, s.numbers, results)
            return True
        self.words[0] = 0
        return not part.run(self.address)


def _nothing(leaves, numbers, results):
    """The only part of a stretch that computes nothing, of empty tensors alone."""


def _calibrated():
    """The reference count of a leaf that only the stretch holds, to read and to go back to."""
    made = Storage(np.empty(1))
    leaves = [(made, 0)]
    undo = [(None, made)]
    del made
    storage = leaves[0][0]
    return getrefcount(storage) if undo else 0


GIVEN_UP = _calibrated()


def _getter(indices):
    """A function that gives these items of a list as a tuple."""
    if len(indices) > 1:
        return itemgetter(*indices)
    if indices:
        only = indices[0]
        return lambda items: (items[only],)
    return lambda items: ()


def compiled(executable, s):
    """The hot form of an executable, or False if it has to stay cold."""
    for _, slot in executable.outs:
        node = next((n for n in executable.nodes if n.slot == slot), None)
        if node is None or not dense(node.meta):
            return False
    try:
        kit = backend.native()
        return Hot(executable, s, kit)
    except NotImplementedError:
        return False
    except Exception as error:
        backend.warn_of(error)
        return False
