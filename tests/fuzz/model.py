"""What the generator knows of the program it writes: names, layouts, who shares memory with whom.

A variable's layout is an array of the storage positions of its elements: NumPy's own views of that
array follow PyTorch's views, so sharing and overlap are questions about sets of integers. The model
need not be perfect: a wrong guess costs a statement that raises. It must only be conservative where
PyTorch leaves the result undefined (partially overlapping writes).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

MASK = (1 << 64) - 1
FLOATS = ("f64", "f32")
TORCH_DTYPE = {
    "f64": "torch.float64",
    "f32": "torch.float32",
    "i64": "torch.int64",
    "b1": "torch.bool",
}
NUMPY_DTYPE = {"f64": "np.float64", "f32": "np.float32", "i64": "np.int64", "b1": "np.bool_"}


class Rng:
    """splitmix64: the same programs from the same seed in every version of Python."""

    def __init__(self, seed: int) -> None:
        self.state = (seed * 0x9E3779B97F4A7C15 + 0x1234567) & MASK

    def word(self) -> int:
        """The next 64 bits."""
        self.state = (self.state + 0x9E3779B97F4A7C15) & MASK
        z = self.state
        z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & MASK
        return z ^ (z >> 31)

    def below(self, n: int) -> int:
        """An integer in [0, n)."""
        return self.word() % n

    def between(self, low: int, high: int) -> int:
        """An integer in [low, high]."""
        return low + self.below(high - low + 1)

    def chance(self, p: float) -> bool:
        """True with probability p."""
        return self.word() < p * MASK

    def pick(self, items):
        """One of a non-empty sequence."""
        return items[self.below(len(items))]

    def weighted(self, items, weights):
        """One of `items`, by integer weights."""
        k = self.below(sum(weights))
        for item, weight in zip(items, weights, strict=True):
            k -= weight
            if k < 0:
                return item
        raise AssertionError("weights")

    def shuffled(self, items) -> list:
        """A new list in random order."""
        items = list(items)
        for i in range(len(items) - 1, 0, -1):
            j = self.below(i + 1)
            items[i], items[j] = items[j], items[i]
        return items


@dataclass
class Var:
    """A name of the program: a tensor, or a NumPy array when `np` is set."""

    name: str
    dtype: str
    idx: np.ndarray  # storage positions; its shape is the tensor's
    store: int
    sure: bool = True  # False: only the shape and the storage can be relied on
    rg: bool = False  # requires_grad
    leaf: bool = True
    leaf_view: bool = False  # a view of a leaf that requires grad
    view: bool = False  # a differentiable view of another tensor
    np: bool = False
    inference: bool = False
    keep: bool = False  # made once, outside the loop: never bound again
    fam: int = 0  # views of one another under autograd; detach and .data start a new family
    mem: int = 0  # by which way the memory is known: PyTorch sees no overlap across from_numpy
    freed: bool = False  # its graph has probably been freed
    linear: bool = False  # F.linear is in its history: PyTorch's graph has a node more than nacre's

    @property
    def shape(self) -> tuple[int, ...]:
        return self.idx.shape

    @property
    def ndim(self) -> int:
        return self.idx.ndim

    @property
    def size(self) -> int:
        return self.idx.size

    @property
    def overlapping(self) -> bool:
        """Some elements share a position."""
        return np.unique(self.idx).size != self.idx.size

    def is_float(self) -> bool:
        return self.dtype in FLOATS

    def renamed(self, name: str) -> Var:
        return replace(self, name=name, keep=False)


def layout(shape) -> np.ndarray:
    """The positions of a new contiguous tensor."""
    return np.arange(int(np.prod(shape, dtype=np.int64))).reshape(shape)


def contiguous(v: Var) -> bool:
    """Whether the layout is contiguous (sizes of 1 and empty tensors do not count)."""
    idx = v.idx
    if idx.size == 0:
        return True
    flat = idx.reshape(-1)
    return bool((flat == flat[0] + np.arange(flat.size)).all())


def dense(v: Var) -> bool:
    """Non-overlapping and dense: the elements fill a range of memory once."""
    if v.size == 0:
        return True
    flat = np.sort(v.idx.reshape(-1))
    return bool((np.diff(flat) == 1).all())


def overlap(a: Var, b: Var) -> str:
    """How two variables share memory: none, same, dense (PyTorch says so) or unsafe (undefined)."""
    if a.store != b.store:
        return "none"
    if not (a.sure and b.sure):
        return "unsafe"
    if not np.intersect1d(a.idx, b.idx).size:
        return "none"
    if a.idx.shape == b.idx.shape and (a.idx == b.idx).all():
        return "same"
    if a.mem != b.mem:
        return "unsafe"
    if dense(a) and dense(b):
        return "dense"
    return "unsafe"


def broadcast(*shapes) -> tuple[int, ...] | None:
    """The common shape, or None."""
    try:
        return np.broadcast_shapes(*shapes)
    except ValueError:
        return None


def result_layout(shape, operands: list[Var]) -> tuple[np.ndarray, bool]:
    """Layout of an elementwise result and whether it is certain: it keeps the operands' order."""
    full = [v for v in operands if v.shape == tuple(shape)]
    if all(contiguous(v) for v in operands):
        return layout(shape), True
    if len(full) == len(operands):
        first = full[0]
        same = all((v.idx - v.idx.min() == first.idx - first.idx.min()).all() for v in full)
        if same and dense(first):
            return first.idx - first.idx.min(), all(v.sure for v in full)
    return layout(shape), False


def promote(*dtypes: str) -> str:
    """The result type of tensors with a dimension."""
    for d in ("f64", "f32", "i64"):
        if d in dtypes:
            return d
    return "b1"
