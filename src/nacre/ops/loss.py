"""Softmax and the losses that the books train with."""

from __future__ import annotations

from nacre.base.dtypes import float64, int64
from nacre.base.errors import fail
from nacre.base.shapes import contiguous_strides, wrap_dim
from nacre.ir.node import meta_of
from nacre.ir.tape import requires
from nacre.ir.trace import TRACE, long_name
from nacre.ops import view
from nacre.ops.create import full
from nacre.ops.elementwise import cast, clone, div, eq, exp, log, mul, neg, sub, where
from nacre.ops.index import gather_targets, scatter
from nacre.ops.record import Composite
from nacre.ops.reduce import amax, sum_
from nacre.ops.samples import f32, f64, i64, refused, sample, unequal


# ---- softmax ------------------------------------------------------------------------------------
def _softmax_samples():
    return [
        sample(f32(2, 3), 1),
        sample(f64(2, 3), 0),
        sample(f32(2, 3), dim=-1),
        sample(f32(3), 0),
        sample(f32(), 0),
        sample(f32(0, 3), 1),
        sample(f32(2, 0), 1),
        sample(f32(2, 3, 2), 1),
        sample(f32(3, 2, layout="turned"), 1),
        sample(f32(2, 3, layout="step"), 1),
        sample(f32(2, 3), 1, dtype=float64),
        sample(f32(4, 70), 1).rough(),
        sample(f32(data=(1e4, -1e4, 0.0, float("-inf"))), 0).rough(),
    ]


def _softmax_errors(name):
    def errors():
        words = f"\"{name}_lastdim_kernel_impl\" not implemented for 'Long'"
        return [
            refused(NotImplementedError, words, i64(3), 0),
            refused(IndexError, "Dimension out of range", f32(3), 1),
        ]

    return errors


def dense(x):
    """x in row-major order, as the results of softmax are."""
    strides = contiguous_strides(tuple(x._m.shape))
    return x if x._m.strides == strides else clone(x, attrs=strides)


def _softmax_body(x, dim):
    if not x._m.numel:
        return clone(dense(x))
    x = dense(x)
    attrs = ((dim,), True) if x._m.shape else ((), True)
    top = exp(sub(x, amax(x, attrs=attrs)))
    return div(top, sum_(top, attrs=attrs))


def _softmax_grad(ctx, g):
    dim = dict(ctx.attrs)["dim"]
    y = ctx.out
    attrs = ((dim,), True) if y._m.shape else ((), True)
    gy = mul(g, y)
    return (sub(gy, mul(y, sum_(gy, attrs=attrs))),)


softmax_ = Composite(
    "softmax",
    _softmax_body,
    _softmax_grad,
    ((-1,),),
    torch=("torch.softmax", "Tensor.softmax", "F.softmax"),
    samples=_softmax_samples,
    errors=_softmax_errors("softmax"),
)


def _log_softmax_body(x, dim):
    if not x._m.numel:
        return clone(dense(x))
    x = dense(x)
    attrs = ((dim,), True) if x._m.shape else ((), True)
    shifted = sub(x, amax(x, attrs=attrs))
    return sub(shifted, log(sum_(exp(shifted), attrs=attrs)))


def _log_softmax_grad(ctx, g):
    dim = dict(ctx.attrs)["dim"]
    y = ctx.out
    attrs = ((dim,), True) if y._m.shape else ((), True)
    return (sub(g, mul(exp(y), sum_(g, attrs=attrs))),)


log_softmax_ = Composite(
    "log_softmax",
    _log_softmax_body,
    _log_softmax_grad,
    ((-1,),),
    torch=("torch.log_softmax", "Tensor.log_softmax", "F.log_softmax"),
    samples=_softmax_samples,
    errors=_softmax_errors("log_softmax"),
)


def _along(composite, words):
    def function(x, dim, dtype=None):
        if dtype is not None:
            x = cast(x, dtype)
        if not x._m.dtype.is_floating_point:
            fail(
                NotImplementedError,
                f"\"{words}\" not implemented for '{long_name(x._m.dtype)}'",
                "convert the tensor first, for example with .float()",
            )
        return composite(x, attrs=(("dim", wrap_dim(dim, len(x._m.shape))),))

    return function


softmax = _along(softmax_, "softmax_lastdim_kernel_impl")
log_softmax = _along(log_softmax_, "log_softmax_lastdim_kernel_impl")


# ---- distances ----------------------------------------------------------------------------------
def _reduced(values, reduction):
    if reduction == "none":
        return values
    dims = tuple(range(len(values._m.shape)))
    total = sum_(values, attrs=(dims, False))
    return total if reduction == "sum" else div(total, values._m.numel)


def _spread(g, ctx, reduction, shape):
    """The gradient of a reduced loss as one of every element."""
    if reduction == "none":
        return g
    if reduction == "mean":
        n = 1
        for d in shape:
            n *= d
        g = div(g, n) if n else mul(g, float("nan"))
    return view.expand(view.reshape(g, (1,) * len(shape)), tuple(shape)) if shape else g


def _mse_samples():
    return [
        sample(f32(2, 3), f32(2, 3)),
        sample(f64(4), f64(4), reduction="sum"),
        sample(f32(2, 3), f32(2, 3), reduction="none"),
        sample(f32(), f32()),
        sample(f32(3, 2, layout="turned"), f32(3, 2)),
        sample(f32(0, 2), f32(0, 2)),
        sample(f32(0, 2), f32(0, 2), reduction="sum"),
        sample(f32(30, 20), f32(30, 20)).rough(),
    ]


def _mse_body(x, y, reduction):
    d = sub(x, y)
    return _reduced(mul(d, d), reduction)


def _mse_grad(ctx, g):
    reduction = dict(ctx.attrs)["reduction"]
    d = sub(ctx[0], ctx[1])
    step = mul(mul(d, 2.0), _spread(g, ctx, reduction, tuple(d._m.shape)))
    return step if ctx.needs[0] else None, neg(step) if ctx.needs[1] else None


mse_ = Composite(
    "mse_loss",
    _mse_body,
    _mse_grad,
    ((0, 1), (0, 1)),
    torch=("F.mse_loss",),
    samples=_mse_samples,
    errors=lambda: [refused(RuntimeError, unequal(3, 2, 0), f32(3), f32(2))],
)


REDUCED = {name: (("reduction", name),) for name in ("mean", "sum", "none")}


def mse_loss(x, y, reduction="mean"):
    """The mean (or sum, or each) of squared differences."""
    return mse_(x, y, attrs=REDUCED[reduction])


# ---- classification -----------------------------------------------------------------------------
def _class_view(x):
    """(N, C, d1, …) log-probabilities with the classes in dimension 1, or 0 without a batch."""
    return 1 if len(x._m.shape) > 1 else 0


def _picked(x, target, weight, ignore):
    """Each target's class index made safe, and its weight (0 where ignored)."""
    dim = _class_view(x)
    skip = eq(target, ignore)
    safe = where(skip, 0, target)
    index = view.unsqueeze(safe, dim)
    if weight is None:
        w = cast(where(skip, 0, 1), x._m.dtype)
    else:
        n = x._m.shape[dim]
        flat = view.reshape(safe, (safe._m.numel,))
        w = gather_targets(view.reshape(weight, (n,)), flat, attrs=0)
        w = view.reshape(w, tuple(target._m.shape))
        w = where(skip, 0.0, w)
    return dim, index, w


def _nll_body(x, target, weight=None, *, reduction, ignore):
    dim, index, w = _picked(x, target, weight, ignore)
    picked = view.squeeze(gather_targets(x, index, attrs=dim), dim)
    losses = mul(neg(picked), w)
    if reduction == "none":
        return losses
    dims = tuple(range(len(losses._m.shape)))
    total = sum_(losses, attrs=(dims, False))
    if reduction == "sum":
        return total
    return div(total, sum_(w, attrs=(dims, False)))


def _nll_grad(ctx, g):
    attrs = dict(ctx.attrs)
    reduction = attrs["reduction"]
    target = ctx[1]
    m = ctx.metas[0]
    weight = ctx[2] if len(ctx.metas) > 2 else None
    like = full(0.0, attrs=meta_of(tuple(m.shape), m.dtype, None, m.device))
    dim, index, w = _picked(like, target, weight, attrs["ignore"])
    step = neg(w)
    if reduction == "mean":
        dims = tuple(range(len(w._m.shape)))
        step = div(step, sum_(w, attrs=(dims, False)))
    step = mul(step, g)
    step = view.unsqueeze(step, dim)
    out = scatter(like, index, step, attrs=(dim, "add"))
    return (out, None, None)[: len(ctx.needs)]


def _nll_samples(*more):
    """Log-probabilities with further dimensions, and classes."""
    x, y = f32(3, 4, *more), i64(3, *more, low=0, high=4)
    spoiled = i64(3, *more, low=-1, high=4)
    w = f32(4, low=0.5, high=2.0, fixed=True)
    found = [
        sample(x, y),
        sample(f64(3, 4, *more), y, reduction="sum"),
        sample(x, y, reduction="none"),
        sample(x, y, weight=w),
        sample(x, y, weight=w, reduction="none"),
        sample(x, spoiled, ignore_index=-1),
        sample(x, spoiled, ignore_index=-1, weight=w),
        sample(f32(0, 4, *more), i64(0, *more, low=0)).rough(),
    ]
    return found


def _nll_errors():
    return [
        refused(ValueError, "Expected input batch_size (3) to match target batch_size (2).",
                f32(3, 4), i64(2, low=0)),
        refused(IndexError, "Target 4 is out of bounds.", f32(1, 4), i64(data=(4,))),
        refused(IndexError, "Target -1 is out of bounds.", f32(1, 4), i64(data=(-1,))),
        refused(RuntimeError, "expected target dtype to be Long or Byte", f32(2, 4), f32(2)),
        refused(RuntimeError, "0D or 1D target tensor expected, multi-target not supported",
                f32(2, 4), i64(2, 4, low=0)),
        refused(RuntimeError, "weight tensor should be defined either for all 4 classes or no",
                f32(2, 4), i64(2, low=0, high=4), weight=f32(3, fixed=True)),
        refused(RuntimeError, "is not differentiable with respect to argument 'weight'",
                f32(2, 4), i64(2, low=0, high=4), weight=f32(4)),
    ]  # fmt: skip


nll_ = Composite(
    "nll_loss",
    _nll_body,
    _nll_grad,
    ((1, 2), (), ()),
    grad_name="NllLossBackward0",
    torch=("F.nll_loss",),
    samples=lambda: [*_nll_samples(), sample(f32(4), i64(low=1, high=4))],
    errors=_nll_errors,
)
nll2d_ = Composite(
    "nll_loss2d",
    _nll_body,
    _nll_grad,
    ((1, 2), (), ()),
    grad_name="NllLoss2DBackward0",
    torch=("F.nll_loss",),
    samples=lambda: _nll_samples(2, 2),
    errors=lambda: [
        refused(RuntimeError, "but got Float", f32(1, 4, 2, 2), f32(1, 2, 2)),
        refused(
            RuntimeError,
            "size mismatch (got input: [1, 4, 2, 2] , target: [1, 2, 3]",
            f32(1, 4, 2, 2),
            i64(1, 2, 3, low=0, high=4),
        ),
    ],
)


def _check_weight(weight, classes, record):
    if weight._m.numel != classes or len(weight._m.shape) != 1:
        fail(
            RuntimeError,
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            f"got weight tensor of shape: {list(weight._m.shape)}",
        )
    if TRACE.grad and requires(weight):
        fail(
            RuntimeError,
            f"The function '{record.name}_forward' is not differentiable with respect to argument "
            "'weight'. This input cannot have requires_grad True.",
            "use weight.detach()",
        )


def nll_loss(x, target, weight=None, ignore_index=-100, reduction="mean"):
    """Minus the log-probability of the target class, weighted, averaged over the weights."""
    shape, labels = x._m.shape, target._m.shape
    rank = len(shape)
    if not 1 <= rank:
        fail(ValueError, f"Expected 1 or more dimensions (got {rank})")
    expected = shape[:1] + shape[2:] if rank > 1 else ()
    if rank > 1 and labels[:1] != shape[:1]:
        fail(
            ValueError,
            f"Expected input batch_size ({shape[0]}) to match target batch_size "
            f"({labels[0] if labels else 1}).",
        )
    if tuple(labels) != tuple(expected):
        words = "0D or 1D target tensor expected, multi-target not supported"
        if rank > 2 and len(labels) == rank - 1:
            words = f"size mismatch (got input: {list(shape)} , target: {list(labels)}"
        fail(RuntimeError, words)
    if target._m.dtype is not int64:
        fail(
            RuntimeError,
            f"expected target dtype to be Long or Byte, but got {long_name(target._m.dtype)}",
            "class targets are integers: use target.long()",
        )
    attrs = (("reduction", reduction), ("ignore", ignore_index))
    record = nll_ if rank <= 2 else nll2d_
    if weight is not None:
        _check_weight(weight, shape[1 if rank > 1 else 0], record)
    if weight is None:
        return record(x, target, attrs=attrs)
    return record(x, target, weight, attrs=attrs)
