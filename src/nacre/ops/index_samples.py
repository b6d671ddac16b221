"""Samples of indexing by tensors, lists and masks: what x[...] and x[...] = v must get right."""

from __future__ import annotations

from nacre.ops.samples import Array, b1, f32, f64, i32, i64, refused, sample, u8


def _indices() -> list:
    """Pairs of a tensor and what it is indexed with."""
    return [
        (f32(4), i64(data=(2, 0, -1))),
        (f64(3, 2), i64(data=(2, 0, 2))),
        (f32(3, 2), (slice(None), i64(data=(1, 0)))),
        (f32(3, 4), (i64(data=(0, 2)), i64(data=(3, 1)))),
        (f32(3, 4), (i64(2, 1, data=(0, 2)), i64(data=(3, 1)))),
        (f32(2, 3, 4), (0, slice(None), i64(data=(3, 1)))),
        (f32(2, 3, 4), (i64(data=(0, 1)), slice(None), i64(data=(3, 1)))),
        (f32(3, 2, layout="turned"), i64(data=(1, 1))),
        (f32(5), b1(data=(True, False, True, True, False))),
        (f32(2, 2), b1(2, 2, data=(True, False, True, True))),
        (f32(3, 2), (b1(data=(True, False, True)), 1)),
        (f32(3), i32(data=(1, 2))),
        (i64(4), i64(data=(0, 3))),
        (f32(3, 4), (None, i64(data=(1,)), ...)),
        (f32(3, 2), [2, 0]),
        (u8(4), i64(2, 2, data=(0, 1, 2, 3))),
    ]


def _by_one(item) -> bool:
    """Whether one tensor indexes one dimension; a mask indexes as many as it has."""
    items = item if isinstance(item, tuple) else (item,)
    tensors = [x for x in items if isinstance(x, Array | list)]
    masks = [x for x in tensors if isinstance(x, Array) and x.dtype == "bool"]
    return len(tensors) == 1 and all(len(x.shape) == 1 for x in masks)


def index_along() -> list:
    """Of reading along one dimension."""
    found = [sample(x, item) for x, item in _indices() if _by_one(item)]
    return [*found, sample(f32(3), i64(0))]


def index() -> list:
    """Of reading several dimensions by tensors."""
    return [sample(x, item) for x, item in _indices() if not _by_one(item)]


def take() -> list:
    """Of reading by place."""
    return [
        sample(f32(2, 3), i64(data=(5, 0))),
        sample(f64(3), i64(2, 2, low=0, high=3)),
        sample(f32(2, 3, layout="turned"), i64(data=(-1, 1))),
        sample(i64(3), i64(0)),
    ]


def take_errors() -> list:
    """Of reading by place."""
    words = "out of range: tried to access index 6 on a tensor of 6 elements."
    return [
        refused(IndexError, words, f32(2, 3), i64(data=(6,))),
        refused(RuntimeError, "take(): Expected a long tensor for index", f32(3), f32(1)),
    ]


def index_errors() -> list:
    """Of reading."""
    mask = "The shape of the mask [2] at index 0 does not match the shape of the indexed tensor [3]"
    apart = "shape mismatch: indexing tensors could not be broadcast together with shapes [2], [3]"
    three, two = i64(data=(0, 1, 2)), i64(data=(0, 1))
    return [
        refused(IndexError, "index 3 is out of bounds for dimension 0", f32(3), i64(data=(3,))),
        refused(IndexError, mask, f32(3), b1(data=(True, False))),
        refused(IndexError, apart, f32(3, 3), (two, three)),
        refused(IndexError, "tensors used as indices must be long", f32(3), f32(2)),
        refused(IndexError, "only integers, slices", f32(3), 1.5),
    ]


def index_put() -> list:
    """Of writing; places that repeat are left out, for nothing says which value stays."""
    found = []
    for x, item in _indices():
        if x.shape in ((3, 2), (3, 4)) and x.layout != "turned":
            found += [sample(x, item, 2.0), sample(x, item, f32())]
    return [
        *[s for s in found if s.args[1] != i64(data=(2, 0, 2))],
        sample(f32(4), (i64(data=(2, 0)),), f32(2)).by("Tensor.index_put_"),
        sample(f32(3, 4), (i64(data=(0, 2)), i64(data=(3, 1))), f32(2)).by("Tensor.index_put_"),
        sample(f32(4), i64(data=(2, 0)), f32(2)),
        sample(f32(5), b1(data=(True, False, True, True, False)), f32(3)),
        sample(f32(3, 2, layout="turned"), i64(data=(1, 0)), f32(2, 2)),
        sample(i64(4), i64(data=(0, 3)), i64(2)),
        sample(i64(4), i64(data=(0, 3)), 7),
        sample(f32(3), i64(0), 1.0),
    ]


def index_put_errors() -> list:
    """Of writing."""
    words = "shape mismatch: value tensor of shape [3] cannot be broadcast to indexing result of"
    types = "Index put requires the source and destination dtypes match, got Float for the"
    return [
        refused(RuntimeError, types, f32(4), i64(data=(2, 0)), f64(1)),
        refused(RuntimeError, types, f32(4), i64(data=(2, 0)), f64()),
        refused(RuntimeError, words, f32(4), i64(data=(0, 1)), f32(3)),
        refused(IndexError, "index 4 is out of bounds", f32(4), i64(data=(4,)), 1.0),
    ]
