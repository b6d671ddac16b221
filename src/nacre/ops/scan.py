"""Operations along a dimension in order: running sums; elements turned round or moved on."""

from __future__ import annotations

import numpy as np

from nacre.base.dtypes import float64, int64
from nacre.base.errors import fail
from nacre.base.shapes import wrap_dim, wrap_dims
from nacre.ir.node import meta_of
from nacre.ops.elementwise import cast
from nacre.ops.record import Operation
from nacre.ops.rules import preserved_meta
from nacre.ops.samples import f32, f64, i64, refused, sample


# ---- running sums -------------------------------------------------------------------------------
def _cumsum_numpy(attrs, meta, x):
    """Sums in float64, as PyTorch's on the CPU, one after another from the front."""
    if not x.ndim:
        return x.copy()
    wide = np.float64 if meta.dtype.is_floating_point else np.int64
    return np.cumsum(x, attrs, wide).astype(meta.dtype.np)


def _cumsum_grad(ctx, g):
    if g._m.numel <= 1 or g._m.shape[ctx.attrs] == 1:
        return (g,)
    turned = cumsum_(flip_(g, attrs=(ctx.attrs,)), attrs=ctx.attrs)
    return (flip_(turned, attrs=(ctx.attrs,)),)


cumsum_ = Operation(
    "cumsum",
    lambda attrs, x: meta_of(
        tuple(x.shape), x.dtype if x.dtype.is_floating_point else int64, None, x.device
    ),
    _cumsum_numpy,
    _cumsum_grad,
    kind="opaque",
    exact=True,
    torch=("torch.cumsum", "Tensor.cumsum"),
    samples=lambda: [
        sample(f32(2, 3), 0),
        sample(f64(2, 3), -1),
        sample(f32(3, 2, layout="turned"), 1),
        sample(i64(2, 3), 1),
        sample(f32(), 0),
        sample(f32(0, 2), 0),
        sample(f32(2, 3), 1, dtype=float64),
    ],
    errors=lambda: [refused(IndexError, "Dimension out of range", f32(2, 3), 2)],
)


def cumsum(x, dim, dtype=None):
    """y[i] = x[0] + … + x[i] along a dimension."""
    dim = wrap_dim(dim, len(x._m.shape))
    return cumsum_(x if dtype is None else cast(x, dtype), attrs=dim)


# ---- elements in another order ------------------------------------------------------------------
flip_ = Operation(
    "flip",
    lambda attrs, x: preserved_meta(x.dtype, x),
    lambda attrs, meta, x: np.flip(x, attrs),
    lambda ctx, g: (flip_(g, attrs=ctx.attrs),),
    kind="opaque",
    exact=True,
    torch=("torch.flip", "Tensor.flip"),
    samples=lambda: [
        sample(f32(2, 3), (0,)),
        sample(f64(2, 3), (0, -1)),
        sample(f32(3, 2, layout="turned"), (1,)),
        sample(i64(3), (0,)),
        sample(f32(0, 2), (0,)),
    ],
    errors=lambda: [
        refused(IndexError, "Dimension out of range", f32(2, 3), (2,)),
        refused(RuntimeError, "dim 0 appears multiple times", f32(2, 3), (0, 0)),
    ],
)


def flip(x, dims):
    """The order of elements reversed along dimensions."""
    dims = wrap_dims(dims, len(x._m.shape)) if dims else ()
    return flip_(x, attrs=tuple(dims))


def _roll_numpy(attrs, meta, x):
    shifts, dims = attrs
    return np.roll(x, shifts, dims) if dims else np.roll(x.reshape(-1), shifts[0]).reshape(x.shape)


roll_ = Operation(
    "roll",
    lambda attrs, x: meta_of(tuple(x.shape), x.dtype, None if x.numel else x.strides, x.device),
    _roll_numpy,
    lambda ctx, g: (roll_(g, attrs=(tuple(-n for n in ctx.attrs[0]), ctx.attrs[1])),),
    kind="opaque",
    exact=True,
    torch=("torch.roll", "Tensor.roll"),
    samples=lambda: [
        sample(f32(2, 3), 1),
        sample(f64(2, 3), 1, 0),
        sample(f32(2, 3), (1, -1), (0, 1)),
        sample(f32(3, 2, layout="turned"), -4, 1),
        sample(i64(3), 2, 0),
        sample(f32(0, 2), 1, 0),
    ],
    errors=lambda: [
        refused(IndexError, "Dimension out of range", f32(2, 3), 1, 2),
        refused(
            RuntimeError, "shifts and dimensions must align. shifts: 2, dims:1", f32(3), (1, 2), 0
        ),
    ],
)


def roll(x, shifts, dims=None):
    """Elements moved on along dimensions, those from the end to the front; all as one if none."""
    shifts = (shifts,) if isinstance(shifts, int) else tuple(shifts)
    dims = () if dims is None else (dims,) if isinstance(dims, int) else tuple(dims)
    rank = len(x._m.shape)
    if len(shifts) != len(dims) and not (len(shifts) == 1 and not dims):
        fail(
            RuntimeError,
            f"shifts and dimensions must align. shifts: {len(shifts)}, dims:{len(dims)}",
        )
    if dims and not rank:
        fail(IndexError, "Dimension specified as 0 but tensor has no dimensions")
    return roll_(x, attrs=(shifts, tuple([wrap_dim(d, rank) for d in dims])))
