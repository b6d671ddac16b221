"""Values made from nothing: constants and ranges. Random values are drawn in tensor/creation.py."""

from __future__ import annotations

import numpy as np

from nacre.base.dtypes import bool_, float64, int32, int64, uint8
from nacre.ops.record import Operation
from nacre.ops.rules import preserved_meta
from nacre.ops.samples import f32, i64, refused, sample


def _full_samples():
    each = [
        sample((2, 3), 1.5),
        sample((2, 3), 2),
        sample((2,), True),
        sample((), 1.5),
        sample((0, 3), 1.0),
        *[sample((2,), 3, dtype=d) for d in (float64, int64, int32, uint8, bool_)],
    ]
    filled = [
        sample(f32(2, 3), 2.5),
        sample(f32(3, 2, layout="turned"), 2),
        sample(f32(2, 3, layout="step"), 2),
        sample(i64(3), 4),
        sample(f32(), float("inf")).rough(),
    ]
    return [
        *each,
        sample(2, 3).by("torch.zeros", "torch.ones"),
        sample((3,), dtype=int64).by("torch.zeros", "torch.ones"),
        *[s.by("Tensor.fill_") for s in filled],
        *[sample(*s.args[:1]).by("Tensor.zero_") for s in filled],
    ]


def _arange_samples():
    return [
        sample(5),
        sample(2, 5),
        sample(0, 10, 3),
        sample(5, 0, -2),
        sample(0.0, 1.0, 0.25),
        sample(1.5),
        sample(0),
        sample(3, dtype=float64),
        sample(0, 1, 0.1),
        sample(4, dtype=int32),
    ]


full = Operation(
    "full",
    lambda attrs, value: attrs,
    lambda attrs, meta, value: np.full(meta.shape, value, meta.dtype.np),
    kind="create",
    exact=True,
    scalar=lambda e, value: value,
    compute=lambda attrs, out, *m: out,
    torch=("torch.full", "torch.zeros", "torch.ones", "Tensor.fill_", "Tensor.zero_"),
    samples=_full_samples,
    errors=lambda: [
        refused(RuntimeError, "negative dimension -1", (2, -1), 1.0),
        refused(RuntimeError, "fill_ only supports 0-dimension value tensor", f32(2), f32(2)).by(
            "Tensor.fill_"
        ),
    ],
)
arange = Operation(
    "arange",
    lambda attrs, places, start, step: attrs,
    lambda attrs, meta, places, start, step: start + step * places,
    scalar=lambda e, places, start, step: _place(e, places, start, step),
    compute=lambda attrs, out, *m: float64 if out.is_floating_point else int64,
    torch=("torch.arange",),
    samples=_arange_samples,
    errors=lambda: [
        refused(RuntimeError, "step must be nonzero", 0, 3, 0),
        refused(RuntimeError, "upper bound and lower bound inconsistent with step sign", 3, 0),
    ],
)


def _place(e, places, start, step):
    """start + step · place, rounded once, as PyTorch rounds it."""
    if places.dtype.is_floating_point:
        return e.fma(step, places, start)
    return e.add(start, e.mul(step, places))


def zeros_like(x):
    """Zeros laid out as a copy of a tensor: a gradient that is none."""
    return full(0.0, attrs=preserved_meta(x._m.dtype, x._m))
