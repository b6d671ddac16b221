"""Operations that reduce dimensions: sums, products, extremes, tests."""

from __future__ import annotations

from dataclasses import replace
from math import prod

import numpy as np

from nacre.base.dtypes import bool_, int64, uint8
from nacre.base.errors import fail
from nacre.base.shapes import wrap_dims
from nacre.ir.node import meta_of
from nacre.ir.tape import written
from nacre.ir.trace import long_name
from nacre.ops import view
from nacre.ops.elementwise import cast, div, eq, isnan, logical_or, masked_fill, mul, where
from nacre.ops.record import Composite, Operation
from nacre.ops.samples import b1, f32, f64, i32, i64, refused, sample, u8

NAN, INF = float("nan"), float("inf")


def reduced_shape(shape, dims, keep):
    """The shape with these dimensions removed, or kept with size 1."""
    if keep:
        return tuple(1 if i in dims else n for i, n in enumerate(shape))
    return tuple(n for i, n in enumerate(shape) if i not in dims)


def restored(x, shape, dims, keep):
    """A reduced value with its reduced dimensions as size 1, so that it broadcasts."""
    return x if keep else view.reshape(x, reduced_shape(shape, dims, True))


def spread(g, ctx):
    """A gradient of reduced shape as one of the operand's shape (an expanded view)."""
    dims, keep = ctx.attrs
    shape = ctx.metas[0].shape
    return view.expand(restored(g, shape, dims, keep), tuple(shape))


def spread_whole(g, ctx):
    """The same of a reduction of all elements: a number expands as it is."""
    return spread(g, ctx) if g._m.shape else view.expand(g, tuple(ctx.metas[0].shape))


def size_of(shape, dims) -> int:
    """How many elements are reduced to one."""
    return prod([shape[d] for d in dims])


def _reduction(name, kind, function, rule, grad=None, saves=(), check=None, **more):
    def infer(attrs, x):
        dims, keep = attrs
        if check is not None:
            check(x, dims)
        return meta_of(reduced_shape(x.shape, dims, keep), rule(x.dtype), None, x.device)

    return Operation(
        name,
        infer,
        lambda attrs, meta, x: function(x, axis=attrs[0], keepdims=attrs[1]),
        grad,
        saves,
        kind="reduce",
        lower=kind,
        compute=lambda attrs, out, x: out if kind in ("sum", "prod") else x.dtype,
        **more,
    )


def _same(d):
    return d


def _widened(d):
    return d if d.is_floating_point else int64


# ---- samples ------------------------------------------------------------------------------------
def _all_types(integers, bools):
    found = [f32(2, 3), f64(4), f32(), f32(3, 2, layout="turned"), f32(2, 3, layout="step")]
    if integers:
        found += [i64(2, 3), i32(4), u8(5)]
    if bools:
        found += [b1(5)]
    return found


def whole(integers=True, bools=True, empty=True, **bounds):
    """Samples of a reduction to one element."""

    def samples():
        found = [sample(x) for x in _all_types(integers, bools)]
        found.append(sample(f32(5, 300, **bounds)).rough())
        return found + [sample(f32(0, 3))] * empty

    return samples


def along(integers=True, bools=True, several=True, empty=True, **bounds):
    """Samples of a reduction of some dimensions."""

    def samples():
        found = [
            sample(f32(2, 3), dim=0),
            sample(f64(2, 3), dim=1),
            sample(f32(2, 3), dim=-1, keepdim=True),
            sample(f32(2, 3, 2, layout="turned"), dim=1),
            sample(f32(3, 2, layout="turned"), 0),
            sample(f32(2, 3, layout="step"), 1, True),
            sample(f32(2, 3, layout="expanded"), dim=0),
            sample(f32(0, 3), dim=1),
            sample(f32(), dim=0),
            sample(f32(3, 150, **bounds), dim=1).rough(),
            sample(f32(150, 3, **bounds), dim=0).rough(),
        ]
        if integers:
            found += [sample(i64(2, 3), dim=1), sample(u8(2, 3), dim=0), sample(i32(3), dim=0)]
        if bools:
            found += [sample(b1(2, 3), dim=1)]
        if several:
            found += [
                sample(f32(2, 3, 2), dim=(0, 2)),
                sample(f32(2, 3, 2), dim=(0, 1), keepdim=True),
                sample(f64(2, 2, 3, layout="turned"), dim=(1, 2)),
            ]
        return found + [sample(f32(0, 3), dim=0)] * empty

    return samples


def _bad_dims(several=True):
    def errors():
        low = "Dimension out of range (expected to be in range of [-2, 1], but got "
        found = [
            refused(IndexError, low + "2)", f32(2, 3), dim=2),
            refused(IndexError, low + "-3)", f32(2, 3), dim=-3),
        ]
        if several:
            words = "dim 0 appears multiple times in the list of dims"
            found.append(refused(RuntimeError, words, f32(2, 3), dim=(0, -2)))
        return found

    return errors


# ---- sums and means -----------------------------------------------------------------------------
sum_ = _reduction(
    "sum",
    "sum",
    np.sum,
    _widened,
    lambda ctx, g: (spread_whole(g, ctx),),
    torch=("torch.sum", "Tensor.sum"),
    samples=whole(),
)
sum_dim = replace(
    sum_,
    name="sum_dim",
    grad=lambda ctx, g: (spread(g, ctx),),
    grad_name="SumBackward1",
    samples=along(),
    errors=_bad_dims(),
    _where={},
)


def sum_dims(x, dims=None, keep=False):
    """The sum over dimensions, all of them by default."""
    return sum_(x, attrs=(wrap_dims(dims, len(x._m.shape)), keep))


def sum_to(x, shape):
    """Sum a broadcast value back to `shape`; a view where dimensions go away, as in PyTorch."""
    extra = len(x._m.shape) - len(shape)
    dims = tuple(range(extra)) + tuple(
        i + extra for i, n in enumerate(shape) if n == 1 and x._m.shape[i + extra] != 1
    )
    if not shape:
        return sum_(x, attrs=(tuple(range(extra)), False)) if extra else x
    if extra and len(dims) == extra:
        return view.whole(sum_(x, attrs=(dims, False)))
    if dims:
        x = sum_(x, attrs=(dims, True))
    return view.reshape(x, tuple(shape)) if extra else x


def _mean_grad(ctx, g):
    attrs = dict(ctx.attrs)
    shape, dims = ctx.metas[0].shape, attrs["dims"]
    g = restored(g, shape, dims, attrs["keep"])
    return (div(view.expand(g, tuple(shape)), size_of(shape, dims)),)


_not_floating = (
    "mean(): could not infer output dtype. Input dtype must be either a floating point or complex "
    "dtype. Got: "
)
mean_ = Composite(
    "mean",
    lambda x, dims, keep: div(sum_(x, attrs=(dims, keep)), size_of(x._m.shape, dims)),
    _mean_grad,
    torch=("torch.mean", "Tensor.mean"),
    samples=whole(integers=False, bools=False),
    errors=lambda: [refused(RuntimeError, _not_floating + "Long", i64(3))],
)
mean_dim = replace(
    mean_,
    name="mean_dim",
    grad_name="MeanBackward1",
    samples=along(integers=False, bools=False),
    errors=_bad_dims(),
    _where={},
)


def mean(x, dims=None, keep=False):
    """The arithmetic mean over dimensions, all of them by default."""
    d = x._m.dtype
    if not d.is_floating_point:
        fail(
            RuntimeError,
            _not_floating + long_name(d),
            "convert it first: x.float().mean()",
        )
    record = mean_ if dims is None else mean_dim
    return record(x, attrs=(("dims", wrap_dims(dims, len(x._m.shape))), ("keep", keep)))


# ---- products -----------------------------------------------------------------------------------
def _prod_grad(ctx, g):
    """The product of the others; with one zero among them only its own place gets any."""
    x = ctx[0]
    if not x._m.shape:
        return (g,)
    dims, keep = ctx.attrs
    g = spread(g, ctx)
    zero = eq(x, 0.0)
    zeros = sum_(cast(zero, int64), attrs=(dims, True))
    filled = masked_fill(x, zero, 1.0)
    others = prod_(filled, attrs=(dims, True))
    product = restored(ctx.out, x._m.shape, dims, keep)
    none = where(eq(zeros, 0), mul(g, div(product, filled)), 0.0)
    one = where(zero, mul(g, others), 0.0)
    return (where(eq(zeros, 1), one, none),)


def _prod_zeros():
    one, two = (1.0, 0.0, 2.0, 3.0), (0.0, 0.0, 2.0, 3.0)
    return [sample(f32(data=one)).rough(), sample(f64(data=two)).rough()]


prod_ = _reduction(
    "prod",
    "prod",
    np.prod,
    _widened,
    _prod_grad,
    ((0, -1),),
    torch=("torch.prod", "Tensor.prod"),
    samples=lambda: whole(low=0.9, high=1.1)() + _prod_zeros(),
)
prod_dim = replace(
    prod_,
    name="prod_dim",
    grad_name="ProdBackward1",
    samples=along(several=False, low=0.9, high=1.1),
    errors=_bad_dims(False),
    _where={},
)


# ---- extremes -----------------------------------------------------------------------------------
_SPECIFY = " Specify the reduction dim with the 'dim' argument."


def _not_empty(name, error, more):
    def check(x, dims):
        if x.numel:
            return
        if len(dims) == len(x.shape) and len(dims) != 1:
            words = "Expected reduction dim to be specified for input.numel() == 0."
            fail(error, f"{name}(): {words}{more}")
        for d in dims:
            if not x.shape[d]:
                fail(IndexError, f"{name}(): Expected reduction dim {d} to have non-zero size.")

    return check


def _empty_errors(name, error):
    def errors():
        dim = f"{name}(): Expected reduction dim 0 to have non-zero size."
        full = f"{name}(): Expected reduction dim to be specified for input.numel() == 0."
        return [
            refused(IndexError, dim, f32(0, 3), dim=0),
            refused(IndexError, dim, f32(0), dim=0),
            refused(error, full, f32(0, 3)),
            *_bad_dims(False)(),
        ]

    return errors


def _even(ctx, g):
    """The gradient of an extreme goes in equal parts to all elements that attain it."""
    x = ctx[0]
    dims, keep = ctx.attrs
    hit = cast(eq(x, restored(ctx.out, x._m.shape, dims, keep)), x._m.dtype)
    count = sum_(hit, attrs=(dims, True))
    return (mul(div(spread(g, ctx), count), hit),)


def _ties():
    return [
        sample(f32(data=(2.0, -3.0, 2.0, -3.0))).rough(),
        sample(f32(data=(1.0, NAN, 2.0, -INF))).rough(),
        sample(f64(data=(-INF, INF, 0.0, -0.0))).rough(),
    ]


def _extreme(name, kind, function):
    return _reduction(
        name,
        kind,
        function,
        _same,
        _even,
        ((0, -1),),
        _not_empty(name, RuntimeError, _SPECIFY),
        torch=(f"torch.{name}", f"Tensor.{name}"),
        samples=lambda: whole(empty=False)() + along(empty=False)() + _ties(),
        errors=_empty_errors(name, RuntimeError),
    )


amax = _extreme("amax", "max", np.max)
amin = _extreme("amin", "min", np.min)


def _even_or_nan(ctx, g):
    """The same, where a NaN is what attains it."""
    x = ctx[0]
    hit = cast(logical_or(eq(x, ctx.out), isnan(x)), x._m.dtype)
    return (written(where(eq(hit, 0.0), 0.0, div(spread(g, ctx), sum_dims(hit)))),)


def _whole_extreme(record, name):
    return replace(
        record,
        name=f"{name}_whole",
        grad=_even_or_nan,
        grad_name=f"{name.capitalize()}Backward1",
        torch=(f"torch.{name}", f"Tensor.{name}"),
        samples=lambda: whole(empty=False)() + _ties(),
        errors=lambda: [
            refused(RuntimeError, f"{name}(): Expected reduction dim to be specified", f32(0))
        ],
        _where={},
    )


max_whole = _whole_extreme(amax, "max")
min_whole = _whole_extreme(amin, "min")


def _arg_numpy(function):
    def meaning(x, axis, keepdims):
        if len(axis) == x.ndim and x.ndim != 1:
            place = np.asarray(function(x.reshape(-1), axis=0))
            return place.reshape((1,) * x.ndim) if keepdims else place
        return function(x, axis=axis[0], keepdims=keepdims)

    return meaning


def _arg(name, function):
    return _reduction(
        name,
        name,
        _arg_numpy(function),
        lambda d: int64,
        check=_not_empty(name, IndexError, ""),
        torch=(f"torch.{name}", f"Tensor.{name}"),
        samples=lambda: (
            whole(bools=False, empty=False)()
            + along(bools=False, several=False, empty=False)()
            + _ties()
        ),
        errors=_empty_errors(name, IndexError),
    )


argmax = _arg("argmax", np.argmax)
argmin = _arg("argmin", np.argmin)


# ---- tests --------------------------------------------------------------------------------------
def _test(name, function):
    return _reduction(
        name,
        name,
        function,
        lambda d: d if d is uint8 else bool_,
        torch=(f"torch.{name}", f"Tensor.{name}"),
        samples=lambda: whole()() + along()() + [sample(f32(data=(0.0, NAN, -0.0)))],
        errors=_bad_dims(),
    )


any_ = _test("any", np.any)
all_ = _test("all", np.all)
