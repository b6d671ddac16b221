"""Memory of compiled stretches: where values live, buffers used again, buffers given up."""

from __future__ import annotations

from itertools import cycle, repeat
from sys import getrefcount
from weakref import ref

import numpy as np

from nacre.base.shapes import is_dense
from nacre.ir.node import LEAF
from nacre.ir.trace import Storage
from nacre.runtime.fuse import reads

ALIGN = 64
LARGE = 1 << 26
MOST = 64
TRIES = 4
_ndarray = np.ndarray


# ---- buffers used again -------------------------------------------------------------------------
def allocate(dtype, n) -> Storage:
    """A new buffer at an address that is a multiple of ALIGN."""
    size = n * dtype.itemsize
    raw = np.empty(size + ALIGN, np.uint8)
    address = raw.__array_interface__["data"][0]
    shift = -address % ALIGN
    return Storage(_ndarray((n,), dtype, raw, shift), raw, address + shift)


class Ring:
    """Buffers of one dtype and size, used again in turn once their values have died.

    `next(ring.turn)` may be used if its reference count is IDLE and it was never exported. Buffers
    of more than LARGE bytes are not kept.
    """

    __slots__ = ("__weakref__", "dtype", "kept", "most", "n", "pool", "turn")

    def __init__(self, dtype, n, pool=None):
        self.dtype = dtype
        self.n = n
        self.pool = pool
        self.most = min(MOST, LARGE // max(1, n * dtype.itemsize))
        self.kept: list = []
        self.turn = repeat(_TAKEN)

    def take(self) -> Storage:
        """A buffer that nobody else holds; its contents are undefined."""
        kept = self.kept
        for _ in range(min(TRIES, len(kept))):
            storage = next(self.turn)
            if getrefcount(storage) == IDLE and not storage.exported:
                return storage
        storage = allocate(self.dtype, self.n)
        if self.most:
            if len(kept) >= self.most:
                kept.pop(0).rings = 0
            kept.append(storage)
            self._begin()
            storage.rings = RINGS
            if self.pool is not None:
                self.pool.grow(storage.owner.nbytes)
        return storage

    def _begin(self):
        self.turn = cycle(self.kept) if self.kept else repeat(_TAKEN)
        for _ in self.kept:
            next(self.turn)

    def trim(self) -> int:
        """Let go of the buffers that are not in use; returns the bytes of the others."""
        kept = []
        size = 0
        for storage in self.kept:
            if getrefcount(storage) > IDLE:
                kept.append(storage)
                size += storage.owner.nbytes
            else:
                storage.rings = 0
        self.kept = kept
        self._begin()
        return size


_TAKEN = allocate(np.dtype(np.float32), 1)
_TAKEN.exported = True


RINGS = 2


def _idle():
    ring = Ring(np.dtype(np.float32), 1)
    ring.take()
    storage = next(ring.turn)
    return getrefcount(storage)


IDLE = _idle()


class Pool:
    """The rings of all dtypes and sizes that executables use.

    When their buffers come to more than `limit` bytes, those not in use are let go of.
    """

    def __init__(self, limit=1 << 28):
        self._rings: dict = {}  # references without callbacks, in which Ctrl-C would be lost
        self.most_rings = 64
        self.least = self.limit = limit
        self.bytes = 0

    def ring(self, dtype, n) -> Ring:
        """The ring of a dtype and size."""
        known = self._rings.get((dtype, n))
        found = None if known is None else known()
        if found is None:
            found = Ring(dtype, n, self)
            self._rings[dtype, n] = ref(found)
            if len(self._rings) > self.most_rings:
                self.most_rings = 64 + 2 * len(self.rings())
        return found

    def rings(self) -> list[Ring]:
        """The rings that some executable uses; others are forgotten."""
        found = {key: ring for key, known in self._rings.items() if (ring := known()) is not None}
        self._rings = {key: self._rings[key] for key in found}
        return list(found.values())

    def grow(self, size):
        """Count a buffer; buffers of rings that died meanwhile are counted until the next trim."""
        self.bytes += size
        if self.bytes > self.limit:
            self.bytes = sum([ring.trim() for ring in self.rings()])
            self.limit = max(self.least, 2 * self.bytes)


POOL = Pool()


class Arena:
    """Memory for values that live only while a stretch is evaluated; shared, grown as needed."""

    def __init__(self):
        self.array = np.empty(0, np.uint8)
        self.address = 0
        self.size = 0

    def reserve(self, size):
        """At least this many bytes, at an aligned address."""
        if size > self.size:
            storage = allocate(np.dtype(np.uint8), size)
            self.array = storage.array
            self.address = storage.address()
            self.size = size


ARENA = Arena()


# ---- where values live --------------------------------------------------------------------------
class Places:
    """Assigns each stored value of a graph to a leaf, an output or a part of the arena.

    `leaf_of`, `out_of` and `temp_of` map root slots to the leaf's number, the number of the
    output, and the offset in bytes. `copies` lists outputs that must be copied from a value.
    """

    def __init__(self, graph, kernels):
        self.graph = graph
        self.kernels = kernels
        self.out_of: dict = {}
        self.copies: list = []
        self.temp_of: dict = {}
        self.shared: dict = {}
        self.written = {n.slot: k.rank for k in kernels for n in k.outputs}
        self.last_read: dict = {}
        self.size = 0
        self._count_reads()
        self._share()
        self._place_outputs()
        self._place_temporaries()

    def _count_reads(self):
        for kernel in self.kernels:
            for root, _, _ in reads(self.graph, kernel):
                self.last_read[root] = kernel.rank
        for slot in self.graph.outs:
            root = self.graph.roots[slot][0]
            if root != slot:
                self.last_read[root] = len(self.kernels)

    def _share(self):
        """A write into a value that nothing else reads any more happens in its memory."""
        graph = self.graph
        for kernel in self.kernels:
            if kernel.kind not in ("write", "scatter"):
                continue
            node = kernel.nodes[0]
            base = graph.args(node)[0]
            if base not in self.written or base in graph.wanted:
                continue
            if graph.nodes[base].meta is not node.meta or self.last_read[base] > kernel.rank:
                continue
            read = [root for root, _, _ in reads(graph, kernel)]
            if read.count(base) == 1:
                self.shared[node.slot] = base

    def owner(self, root):
        """The value whose memory this one is computed in."""
        while root in self.shared:
            root = self.shared[root]
        return root

    def _place_outputs(self):
        graph = self.graph
        for number, slot in enumerate(graph.outs):
            owner = self.owner(slot)
            if slot in self.written and owner not in self.out_of:
                self.out_of[owner] = number
            else:
                self.copies.append((number, slot))

    def _place_temporaries(self):
        ends: dict = {}
        for slot in self.written:
            owner = self.owner(slot)
            end = max(self.last_read.get(slot, 0), self.written[slot])
            ends[owner] = max(ends.get(owner, 0), end)
        free: list = []
        busy: list = []
        for kernel in self.kernels:
            for item in [b for b in busy if b[0] < kernel.rank]:
                busy.remove(item)
                free.append((item[2], item[1]))
            for node in kernel.outputs:
                slot = node.slot
                if slot in self.shared or slot in self.out_of:
                    continue
                meta = node.meta
                size = -(-max(meta.nbytes, 1) // ALIGN) * ALIGN
                at, size = self._find(free, size)
                self.temp_of[slot] = at
                busy.append((ends[slot], at, size))

    def _find(self, free, size):
        """A free part of the arena: the smallest that is large enough, or a new one."""
        fitting = [part for part in free if size <= part[0] <= 2 * size + 4096]
        if fitting:
            best = min(fitting)
            free.remove(best)
            return best[1], best[0]
        at = self.size
        self.size += size
        return at, size

    # ---- buffers given up ----
    def takes_over(self, number, slot, leaf) -> bool:
        """Whether an output may be computed in a leaf's memory, if nobody else holds that.

        The map kernel that writes the output must be the last to read the leaf, and walk both
        element by element.
        """
        if slot not in self.written or slot in self.shared or self.out_of.get(slot) != number:
            return False
        kernel = self.kernels[self.written[slot]]
        return kernel.kind == "map" and self._given_up(leaf, self.graph.nodes[slot], kernel)

    def _given_up(self, root, node, kernel) -> bool:
        graph = self.graph
        leaf = graph.nodes.get(root)
        if leaf is None or leaf.meta is not node.meta or self.last_read.get(root) != kernel.rank:
            return False
        if self._aliased(leaf):
            return False
        return all(
            offset == 0 and meta is leaf.meta
            for r, offset, meta in reads(graph, kernel)
            if r == root
        )

    def _aliased(self, leaf) -> bool:
        if leaf.attrs != -1:
            return True
        return any(n.op is LEAF and n.attrs == leaf.slot for n in self.graph.nodes.values())


def dense(meta) -> bool:
    """Whether a value fills memory without gaps or overlap."""
    return meta.contiguous or is_dense(tuple(meta.shape), meta.strides)
