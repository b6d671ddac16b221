"""From recorded nodes to kernels: which operations share a loop, and what stays in registers.

Maps of one shape join the loop of their producers where nothing they read comes later; a reduction
takes into its loop the maps that only it reads; a product takes the chain of maps that follows it
as its epilogue. What a kernel computes for itself alone is never stored.
"""

from __future__ import annotations

from nacre.base import config
from nacre.ir.node import LEAF, VIEW, WRITE
from nacre.ir.verify import check_order
from nacre.runtime.lower import SCALARS, Body, reduced_layout, reduction_input

MOST_MEMBERS = 32
FALLIBLE = ("gather", "scatter")


class Kernel:
    """One loop nest: `nodes` in order; `rank` orders kernels; `after` is a product's epilogue."""

    __slots__ = ("kind", "nodes", "outputs", "rank", "shape")

    def __init__(self, kind, rank, node=None):
        self.kind = kind
        self.rank = rank
        self.nodes = [] if node is None else [node]
        self.shape = None if node is None else tuple(node.meta.shape)
        self.outputs: list = []


class Graph:
    """The nodes that an executable computes, without repetitions, and who reads what.

    `same[slot]` is the slot of the first equal value; `roots[slot]` says where its elements are:
    (slot that owns the memory, offset, Meta).
    """

    def __init__(self, nodes, outs):
        self.nodes: dict = {}
        self.same: dict = {}
        self.roots: dict = {}
        self.readers: dict = {}
        seen: dict = {}
        self.ordered = []
        for node in nodes:
            args = tuple([self.same[a] if type(a) is int else a for a in node.args])
            key = (node.op, args, node.attrs, node.meta)
            first = None if node.op is LEAF else seen.get(key)
            if first is not None:
                self.same[node.slot] = first
                continue
            seen[key] = node.slot
            self._place(node, args)
        self.outs = [self.same[slot] for slot in outs]
        self.wanted = set(self.outs)

    def _place(self, node, args):
        slot = node.slot
        self.same[slot] = slot
        self.nodes[slot] = node
        self.readers[slot] = []
        if node.op is VIEW:
            root, offset, _ = self.roots[args[0]]
            self.roots[slot] = (root, offset + node.attrs, node.meta)
            return
        self.roots[slot] = (slot, 0, node.meta)
        self.ordered.append(node)
        for a in args:
            if type(a) is int:
                root = self.roots[a][0]
                self.readers[root].append((node, a == root))

    def args(self, node):
        """The operands of a node: slots of first equal values, or numbers."""
        return [self.same[a] if type(a) is int else a for a in node.args]

    def constant(self, slot):
        """The number that fills a value, `(index, kind)` or a Constant, if it is one."""
        node = self.nodes[self.roots[slot][0]]
        if isinstance(node.op, str) or node.op.kind != "create":
            return None
        return node.args[0]

    def is_leaf(self, root):
        """Whether a root is memory that the stretch was given."""
        return self.nodes[root].op is LEAF


def kernel_kind(graph, node) -> str:
    """How a node runs: map, reduce, contract, gather, scatter, write, or python."""
    if node.op is WRITE:
        return "write"
    kind = node.op.kind
    if kind == "create":
        return "map"
    args = [graph.nodes[graph.roots[a][0]].meta for a in graph.args(node) if type(a) is int]
    metas = [graph.roots[a][2] for a in graph.args(node) if type(a) is int]
    if kind == "contract":
        return "contract" if args[0].dtype.name in ("float32", "float64") else "python"
    if kind == "reduce":
        dims = node.attrs[0]
        if node.op.lower.startswith("arg"):
            if not dims or 0 in metas[0].shape:
                return "python"
        return "reduce"
    if kind in FALLIBLE:
        ranks = {len(m.shape) for m in metas}
        return kind if len(ranks) == 1 and 0 not in ranks and node.meta.numel else "python"
    if kind == "map" and node.op.scalar is not None:
        return "map"
    return "python"


def schedule(graph) -> list[Kernel]:
    """The kernels of a graph, in an order that respects what they read."""
    kernels: list = []
    home: dict = {}
    latest: dict = {}
    for node in graph.ordered:
        if node.op is LEAF:
            continue
        kind = kernel_kind(graph, node)
        if kind == "map":
            if graph.nodes[node.slot].op.kind == "create" and not _stored(graph, node):
                continue
            kernel = _joined(graph, node, home, latest)
            if kernel is None:
                kernel = Kernel("map", len(kernels), node)
                kernels.append(kernel)
            else:
                kernel.nodes.append(node)
            shape = kernel.shape
            if shape not in latest or latest[shape].rank <= kernel.rank:
                latest[shape] = kernel
        else:
            kernel = Kernel(kind, len(kernels), node)
            kernels.append(kernel)
        home[node.slot] = kernel
    _absorb_into_reductions(graph, kernels, home)
    _absorb_into_products(graph, kernels, home)
    kernels = [k for k in kernels if k.nodes]
    kernels.sort(key=lambda k: k.rank)
    for position, k in enumerate(kernels):
        k.rank = position
    _find_outputs(graph, kernels, home)
    if config.VERIFY:
        _verify(graph, kernels)
    return kernels


def _verify(graph, kernels):
    """Check that every kernel comes after those whose results it reads."""
    steps = []
    for k in kernels:
        found = {root for root, _, _ in reads(graph, k)}
        steps.append((k.kind, found, {n.slot for n in k.outputs}))
    leaves = {slot for slot, node in graph.nodes.items() if node.op is LEAF}
    check_order(steps, leaves, {graph.roots[slot][0] for slot in graph.wanted})


def _stored(graph, node) -> bool:
    """Whether a constant must be in memory: most readers take it as a number."""
    if node.slot in graph.wanted:
        return True
    for reader, _ in graph.readers[node.slot]:
        for place, a in enumerate(graph.args(reader)):
            if type(a) is int and graph.roots[a][0] == node.slot:
                if not _takes_number(graph, reader, place):
                    return True
    return False


def _takes_number(graph, reader, place) -> bool:
    """Whether an operand that is one number everywhere need not be in memory."""
    kind = kernel_kind(graph, reader)
    return kind in ("map", "write") or (kind == "scatter" and place == 0)


def _joined(graph, node, home, latest):
    """The map kernel that a map can join, if any."""
    shape = tuple(node.meta.shape)
    floor = 0
    best = None
    for a in graph.args(node):
        if type(a) is not int:
            continue
        root = graph.roots[a][0]
        if graph.is_leaf(root) or graph.constant(a) is not None:
            continue
        kernel = home[root]
        if a == root and kernel.kind == "map" and kernel.shape == shape:
            floor = max(floor, kernel.rank)
            if best is None or kernel.rank > best.rank:
                best = kernel
        else:
            floor = max(floor, kernel.rank + 1)
    if best is None or best.rank < floor:
        best = latest.get(shape)
    if best is None or best.rank < floor or len(best.nodes) >= MOST_MEMBERS:
        return None
    return best


def _absorb_into_reductions(graph, kernels, home):
    for r in kernels:
        if r.kind != "reduce":
            continue
        reduction = r.nodes[0]
        x = graph.args(reduction)[0]
        if type(x) is not int or graph.roots[x][0] != x or graph.is_leaf(x):
            continue
        source = home.get(x)
        if source is None or source.kind != "map":
            continue
        taken = {reduction.slot}
        for node in reversed(source.nodes):
            if _only_for(graph, node, taken):
                taken.add(node.slot)
        taken.discard(reduction.slot)
        r.nodes = [n for n in source.nodes if n.slot in taken] + [reduction]
        source.nodes = [n for n in source.nodes if n.slot not in taken]
        for slot in taken:
            home[slot] = r


def _only_for(graph, node, taken) -> bool:
    """Whether a value is read by these nodes alone, and element by element."""
    if node.slot in graph.wanted:
        return False
    readers = graph.readers[node.slot]
    return bool(readers) and all(direct and r.slot in taken for r, direct in readers)


def _absorb_into_products(graph, kernels, home):
    for product in kernels:
        if product.kind != "contract":
            continue
        while True:
            last = product.nodes[-1]
            if last.slot in graph.wanted:
                break
            readers = graph.readers[last.slot]
            nodes = {r.slot: r for r, _ in readers}
            if len(nodes) != 1 or not all(direct for _, direct in readers):
                break
            node = readers[0][0]
            kernel = home[node.slot]
            if kernel.kind != "map" or kernel.shape != tuple(last.meta.shape):
                break
            if not _ready_before(graph, node, last, kernel, home):
                break
            if kernel.rank > product.rank:
                product.rank = kernel.rank - 0.5
            kernel.nodes.remove(node)
            product.nodes.append(node)
            home[node.slot] = product


def _ready_before(graph, node, last, kernel, home) -> bool:
    """Whether all that a map reads besides the product is there before the map's kernel runs."""
    for a in graph.args(node):
        if type(a) is not int or a == last.slot or graph.constant(a) is not None:
            continue
        root = graph.roots[a][0]
        if not graph.is_leaf(root) and home[root].rank >= kernel.rank:
            return False
    return True


def _find_outputs(graph, kernels, home):
    """What each kernel stores: values that others read, or that are wanted."""
    for k in kernels:
        for node in k.nodes:
            slot = node.slot
            stored = slot in graph.wanted or any(
                home[r.slot] is not k or not direct for r, direct in graph.readers[slot]
            )
            if stored:
                k.outputs.append(node)


def reads(graph, kernel):
    """The roots in memory that a kernel reads, each with (offset, Meta) of how."""
    own = {n.slot for n in kernel.nodes}
    found = []
    for node in kernel.nodes:
        for place, a in enumerate(graph.args(node)):
            if type(a) is not int or (a in own and graph.roots[a][0] == a):
                continue
            if graph.constant(a) is not None and _takes_number(graph, node, place):
                continue
            found.append(graph.roots[a])
    return found


class Lowering:
    """Adds the calls of kernels to a program; `memory` knows where values are.

    `memory.operand(root, offset, shape, strides, dtype)` and `memory.number(x)` give what kernels
    are called with.
    """

    def __init__(self, graph, memory):
        self.graph = graph
        self.memory = memory

    def add(self, kernel, builder):
        """Append a kernel's calls."""
        getattr(self, "_" + kernel.kind)(kernel, builder)

    # ---- operands ----
    def _read(self, slot):
        root, offset, meta = self.graph.roots[slot]
        return self._operand(root, offset, tuple(meta.shape), meta.strides, meta.dtype)

    def _operand(self, root, offset, shape, strides, dtype):
        return self.memory.operand(root, offset, shape, strides, dtype)

    def _whole(self, node):
        meta = node.meta
        return self._operand(node.slot, 0, tuple(meta.shape), meta.strides, meta.dtype)

    def _fused(self, nodes, inside, first=()):
        """(inputs, body so far, value numbers) of map nodes; `inside` values are not read.

        `first` holds slots whose values come before the inputs.
        """
        inputs: dict = {}
        own = {n.slot for n in nodes} | set(inside)
        for node in nodes:
            for a in self.graph.args(node):
                key = self._key(a, own)
                if key is not None and key not in inputs:
                    inputs[key] = self._input(a)
        kinds = [self.graph.nodes[s].meta.dtype for s in first]
        kinds += [_kind(x) for x in inputs.values()]
        body = Body(kinds)
        numbers = {key: i for i, key in enumerate(inputs, len(first))}
        values = {s: i for i, s in enumerate(first)}
        for node in nodes:
            chosen = []
            for a in self.graph.args(node):
                key = self._key(a, own)
                if key is None:
                    chosen.append(values[a])
                    continue
                value = numbers[key]
                if type(a) is int and self.graph.constant(a) is not None:
                    value = body.cast(value, self.graph.roots[a][2].dtype)
                chosen.append(value)
            values[node.slot] = body.operation(node, chosen)
        return list(inputs.values()), body, values, numbers

    def _key(self, a, own):
        """What distinguishes an input, or None for a value computed in the kernel."""
        if type(a) is not int:
            return a
        number = self.graph.constant(a)
        if number is not None and a not in own:
            return number
        root = self.graph.roots[a]
        return None if root[0] in own and a == root[0] else root

    def _input(self, a):
        if type(a) is not int:
            return self.memory.number(a)
        number = self.graph.constant(a)
        return self._read(a) if number is None else self.memory.number(number)

    # ---- kernels ----
    def _map(self, kernel, builder):
        inputs, body, values, _ = self._fused(kernel.nodes, ())
        outputs = [(values[n.slot], self._whole(n)) for n in kernel.outputs]
        builder.map(kernel.shape, tuple(inputs), body.done(), tuple(outputs))

    def _reduce(self, kernel, builder):
        *nodes, node = kernel.nodes
        x = self.graph.args(node)[0]
        if nodes:
            inputs, body, values, _ = self._fused(nodes, ())
            value = values[x]
        else:
            inputs = [self._read(x)]
            body = Body([inputs[0].dtype])
            value = 0
        value = reduction_input(node, body, value)
        self._put_last(body, value)
        shape, strides = reduced_layout(node)
        out = self._operand(node.slot, 0, shape, strides, node.meta.dtype)
        full = tuple(self.graph.roots[x][2].shape)
        builder.reduce(node.op.lower, full, node.attrs[0], tuple(inputs), body.done(), out)

    @staticmethod
    def _put_last(body, value):
        """A reduction takes the last value: repeat it if it is not."""
        if value != len(body.dtypes) - 1:
            body.instructions.append(("clone", (value,), body.dtypes[value], ()))
            body.dtypes.append(body.dtypes[value])

    def _contract(self, kernel, builder):
        node, *after = kernel.nodes
        a, b = [self._read(x) for x in self.graph.args(node)]
        last = kernel.nodes[-1]
        if not after:
            builder.gemm(a, b, self._whole(node))
            return
        inputs, body, values, _ = self._fused(after, (node.slot,), (node.slot,))
        self._put_last(body, values[last.slot])
        builder.gemm(a, b, self._whole(last), tuple(inputs), body.done())

    def _gather(self, kernel, builder):
        node = kernel.nodes[0]
        source, index = [self._read(x) for x in self.graph.args(node)]
        builder.gather(tuple(node.meta.shape), source, index, node.attrs, self._whole(node))

    def _scatter(self, kernel, builder):
        node = kernel.nodes[0]
        base, index, value = self.graph.args(node)
        self._start_from(base, node, builder)
        index = self._read(index)
        root, offset, meta = self.graph.roots[value]
        part = self._operand(root, offset, index.shape, meta.strides, meta.dtype)
        dim, mode = node.attrs
        builder.scatter(mode, index, part, dim, self._whole(node))

    def _write(self, kernel, builder):
        node = kernel.nodes[0]
        base, value = self.graph.args(node)
        offset, region = node.attrs
        self._start_from(base, node, builder)
        dtype = node.meta.dtype
        part = self._operand(node.slot, offset, tuple(region.shape), region.strides, dtype)
        self._copy(value, part, builder)

    def _start_from(self, base, node, builder):
        """Make the result a copy of its base, unless it is computed in the base's memory."""
        if not self.memory.is_shared(node.slot):
            self._copy(base, self._whole(node), builder)

    def _copy(self, slot, target, builder):
        number = self.graph.constant(slot)
        if number is None:
            builder.copy(self._read(slot), target)
            return
        source = self.graph.roots[slot][2].dtype
        x = self.memory.number(number)
        body = Body([_kind(x)])
        value = body.cast(body.cast(0, source), target.dtype)
        builder.map(target.shape, (x,), body.done(), ((value, target),))

    def copy_out(self, slot, target, builder):
        """Append the copy of a value to memory of its own."""
        self._copy(slot, target, builder)


def _kind(x):
    return x.dtype if hasattr(x, "dtype") else SCALARS[x.kind]
