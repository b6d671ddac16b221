"""Sums, products and quotients of two values, scaled and blended."""

from __future__ import annotations

import numpy as np

from nacre.base.dtypes import bool_
from nacre.base.errors import fail
from nacre.ir.node import Meta
from nacre.ops.record import Operation
from nacre.ops.rules import c_name, common_dtype, elementwise_meta, floating, overloads, same_type
from nacre.ops.samples import (
    b1,
    binary,
    f32,
    f64,
    floats_of_two,
    i32,
    i64,
    refused,
    sample,
    unary,
    unequal,
    unequal_sizes,
)


def is_bool(x) -> bool:
    """Whether a value of the emitter is a truth value."""
    return x.dtype is bool_


def other(ctx, i):
    """Operand i of a grad rule, a tensor or a number."""
    return ctx[i] if isinstance(ctx.metas[i], Meta) else ctx.numbers[0]


def _arithmetic(name, function, grad, saves, scalar, infer=same_type, **more):
    return Operation(
        name,
        infer,
        lambda attrs, meta, x, y: function(x, y),
        grad,
        saves,
        exact=True,
        scalar=scalar,
        **more,
    )


def not_bool(words):
    """Infer: as the operand, which may not be bool; `words` say why."""

    def infer(attrs, x):
        if x.dtype is bool_:
            fail(RuntimeError, words)
        return elementwise_meta(x.dtype, x)

    return infer


_NEG_WORDS = (
    "Negation, the `-` operator, on a bool tensor is not supported. If you are trying to invert a "
    "mask, use the `~` or `logical_not()` operator instead."
)
neg = Operation(
    "neg",
    not_bool(_NEG_WORDS),
    lambda attrs, meta, x: np.negative(x),
    lambda ctx, g: (neg(g),),
    exact=True,
    scalar=lambda e, x: e.neg(x),
    torch=("torch.neg", "torch.negative", "Tensor.neg", "Tensor.__neg__", "Tensor.neg_"),
    samples=unary(bools=False),
    errors=lambda: [refused(RuntimeError, _NEG_WORDS, b1(3))],
)
add = _arithmetic(
    "add",
    np.add,
    lambda ctx, g: (g, g),
    (),
    lambda e, x, y: e.or_(x, y) if is_bool(x) else e.add(x, y),
    torch=("torch.add", "Tensor.add", "Tensor.__add__", "Tensor.__radd__", "Tensor.add_",
           "Tensor.__iadd__"),
    samples=binary(),
    errors=lambda: [
        *unequal_sizes(),
        refused(TypeError, "must be Tensor", f32(2), "text").only("torch.add"),
    ],
)  # fmt: skip
_SUB_WORDS = "Subtraction, the `-` operator, with"


def _no_sub():
    return [
        *unequal_sizes(),
        refused(RuntimeError, _SUB_WORDS + " two bool tensors is not supported", b1(3), b1(3)),
        refused(RuntimeError, _SUB_WORDS + " a bool tensor is not supported", f32(3), b1(3)),
    ]


sub = _arithmetic(
    "sub",
    np.subtract,
    lambda ctx, g: (g, neg(g) if ctx.needs[1] else None),
    (),
    lambda e, x, y: e.sub(x, y),
    torch=("torch.sub", "torch.subtract", "Tensor.sub", "Tensor.__sub__", "Tensor.sub_",
           "Tensor.__isub__"),
    samples=binary(bools=False),
    errors=_no_sub,
)  # fmt: skip
rsub = _arithmetic(
    "rsub",
    lambda x, y: np.subtract(y, x),
    lambda ctx, g: (neg(g) if ctx.needs[0] else None, g),
    (),
    lambda e, x, y: e.sub(y, x),
    infer=lambda attrs, x, y: same_type(attrs, y, x),
    names=overloads("Rsub", 0, 1),
    torch=("torch.rsub", "Tensor.__rsub__"),
    samples=binary(bools=False),
    errors=lambda: [s for s in _no_sub() if s.error is not RuntimeError or "bool" in s.words],
)


def _mul_grad(ctx, g):
    return (
        mul(g, other(ctx, 1)) if ctx.needs[0] else None,
        mul(g, other(ctx, 0)) if ctx.needs[1] else None,
    )


mul = _arithmetic(
    "mul",
    np.multiply,
    _mul_grad,
    ((1,), (0,)),
    lambda e, x, y: e.and_(x, y) if is_bool(x) else e.mul(x, y),
    torch=("torch.mul", "torch.multiply", "Tensor.mul", "Tensor.__mul__", "Tensor.__rmul__",
           "Tensor.mul_", "Tensor.__imul__"),
    samples=binary(),
    errors=unequal_sizes,
)  # fmt: skip


def _div_grad(ctx, g):
    y = other(ctx, 1)
    return (
        div(g, y) if ctx.needs[0] else None,
        mul(neg(g), div(div(other(ctx, 0), y), y)) if ctx.needs[1] else None,
    )


div = _arithmetic(
    "div",
    np.true_divide,
    _div_grad,
    ((1,), (0, 1)),
    lambda e, x, y: e.div(x, y),
    infer=floating,
    compute=lambda attrs, out, *m: out,
    torch=("torch.div", "torch.divide", "torch.true_divide", "Tensor.div", "Tensor.__truediv__",
           "Tensor.div_", "Tensor.__itruediv__"),
    samples=binary(),
    errors=unequal_sizes,
)  # fmt: skip


# ---- with a factor ------------------------------------------------------------------------------
def _scaled_samples():
    whole = [
        sample(i64(2, 3), i64(3), alpha=2),
        sample(i32(3), f32(3), alpha=0.5),
        sample(f32(2, 3), 1.5, alpha=2),
    ]
    return whole + [
        sample(*s.args, alpha=alpha)
        for s, alpha in zip(floats_of_two(), (2, 0.5, -1, 3.0, 0) * 3, strict=False)
    ]


def _scaled_errors():
    words = "For integral input tensors, argument alpha must not be a floating point number."
    return [*unequal_sizes(), refused(RuntimeError, words, i64(3), i64(3), alpha=0.5)]


def _scaled_infer(attrs, x, y, alpha):
    return elementwise_meta(common_dtype(x, y, alpha), x, y)


add_scaled = Operation(
    "add_scaled",
    _scaled_infer,
    lambda attrs, meta, x, y, alpha: x + y * alpha,
    lambda ctx, g: (g, mul(g, ctx.numbers[-1]) if ctx.needs[1] else None, None),
    grad_name="AddBackward0",
    exact=True,
    scalar=lambda e, x, y, alpha: e.add(x, e.mul(y, alpha)),
    torch=("torch.add", "Tensor.add", "Tensor.add_"),
    samples=_scaled_samples,
    errors=_scaled_errors,
)
sub_scaled = Operation(
    "sub_scaled",
    _scaled_infer,
    lambda attrs, meta, x, y, alpha: x - y * alpha,
    lambda ctx, g: (g, mul(g, -ctx.numbers[-1]) if ctx.needs[1] else None, None),
    grad_name="SubBackward0",
    exact=True,
    scalar=lambda e, x, y, alpha: e.sub(x, e.mul(y, alpha)),
    torch=("torch.sub", "Tensor.sub", "Tensor.sub_"),
    samples=_scaled_samples,
    errors=_scaled_errors,
)


def _of_three(**bounds):
    def samples():
        return [
            sample(f32(2, 3, **bounds), f32(2, 3, **bounds), f32(2, 3, **bounds), value=0.5),
            sample(f32(2, 3, **bounds), f32(3, **bounds), f32(2, 1, **bounds), value=-2),
            sample(f64(2, 2, layout="turned", **bounds), f64(2, 2, **bounds), f64(2, **bounds)),
            sample(f32(**bounds), f32(**bounds), f32(**bounds), value=2.0),
            sample(f32(0, 2, **bounds), f32(2, **bounds), f32(2, **bounds), value=2.0),
            sample(f32(2, 3, layout="step", **bounds), f32(3, **bounds), f32(**bounds)),
        ]

    return samples


def _three_unequal():
    return [refused(RuntimeError, unequal(3, 4, 0), f32(3), f32(3), f32(4))]


def _addcmul_grad(ctx, g):
    scaled = mul(g, ctx.numbers[0])
    return (
        g,
        mul(scaled, ctx[2]) if ctx.needs[1] else None,
        mul(scaled, ctx[1]) if ctx.needs[2] else None,
        None,
    )


addcmul = Operation(
    "addcmul",
    same_type,
    lambda attrs, meta, x, a, b, value: x + (a * value) * b,
    _addcmul_grad,
    ((), (2,), (1,)),
    exact=True,
    scalar=lambda e, x, a, b, value: e.add(x, e.mul(e.mul(a, value), b)),
    torch=("torch.addcmul", "Tensor.addcmul", "Tensor.addcmul_"),
    samples=lambda: [*_of_three()(), sample(i64(3), i64(3), i64(3), value=2)],
    errors=_three_unequal,
)


def _addcdiv_grad(ctx, g):
    scaled = mul(g, ctx.numbers[0])
    b = ctx[2] if ctx.needs[1] or ctx.needs[2] else None
    return (
        g,
        div(scaled, b) if ctx.needs[1] else None,
        neg(mul(scaled, div(div(ctx[1], b), b))) if ctx.needs[2] else None,
        None,
    )


def _addcdiv_infer(attrs, x, a, b, value):
    if not a.dtype.is_floating_point and not b.dtype.is_floating_point:
        fail(
            RuntimeError,
            "Integer division with addcdiv is no longer supported, and in a future  release "
            "addcdiv will perform a true division of tensor1 and tensor2. The historic addcdiv "
            "behavior can be implemented as (input + value * torch.trunc(tensor1 / tensor2))."
            "to(input.dtype) for integer inputs and as (input + value * tensor1 / tensor2) for "
            "float inputs. The future addcdiv behavior is just the latter implementation: (input + "
            "value * tensor1 / tensor2), for all dtypes.",
        )
    return floating(attrs, x, a, b, value)


addcdiv = Operation(
    "addcdiv",
    _addcdiv_infer,
    lambda attrs, meta, x, a, b, value: x + (a * value) / b,
    _addcdiv_grad,
    ((), (2,), (1, 2)),
    exact=True,
    scalar=lambda e, x, a, b, value: e.add(x, e.div(e.mul(a, value), b)),
    torch=("torch.addcdiv", "Tensor.addcdiv", "Tensor.addcdiv_"),
    samples=_of_three(low=0.5, high=2.0),
    errors=lambda: [
        *_three_unequal(),
        refused(RuntimeError, "Integer division with addcdiv is no longer supported",
                i64(3), i64(3), i64(3)),
    ],
)  # fmt: skip


# ---- between two values -------------------------------------------------------------------------
def _lerp_infer(attrs, x, y, w):
    for name, m in (("end", y), ("weight", w)):
        if isinstance(m, Meta) and m.dtype is not x.dtype:
            fail(
                RuntimeError,
                f"expected dtype {c_name(x.dtype)} for `{name}` but got dtype {c_name(m.dtype)}",
            )
    return same_type(attrs, x, y, w)


def _lerp_grad(ctx, g):
    first = second = None
    if ctx.needs[0]:
        w = other(ctx, 2)
        first = mul(g, rsub(w, 1) if isinstance(ctx.metas[2], Meta) else 1 - w)
    if ctx.needs[1]:
        second = mul(g, other(ctx, 2))
    return first, second, mul(g, sub(ctx[1], ctx[0])) if ctx.needs[2] else None


def _lerp_numpy(attrs, meta, x, y, w):
    near = np.abs(w) < 0.5
    return np.where(near, x + w * (y - x), y - (y - x) * (np.asarray(1, x.dtype) - w))


def _lerp_scalar(e, x, y, w):
    step = e.sub(y, x)
    near = e.add(x, e.mul(w, step))
    far = e.sub(y, e.mul(step, e.sub(e.const(1, w), w)))
    return e.select(e.lt(e.abs(w), e.const(0.5, w)), near, far)


def _lerp_samples():
    return [
        sample(f32(2, 3), f32(2, 3), 0.25),
        sample(f32(2, 3), f32(3), 0.75),
        sample(f64(2), f64(2), 0.5),
        sample(f32(2, 3), f32(2, 3), f32(2, 3)),
        sample(f32(3, 2, layout="turned"), f32(2), f32(3, 1)),
        sample(f32(), f32(), f32()),
        sample(f32(0, 2), f32(2), 2.0),
    ]


lerp = Operation(
    "lerp",
    _lerp_infer,
    _lerp_numpy,
    _lerp_grad,
    ((2,), (2,), (0, 1)),
    names=overloads("Lerp", 1, 0),
    exact=True,
    scalar=_lerp_scalar,
    torch=("torch.lerp", "Tensor.lerp", "Tensor.lerp_"),
    samples=_lerp_samples,
    errors=lambda: [
        refused(RuntimeError, "The size of tensor a (3) must match", f32(3), f32(4), 0.5),
        refused(RuntimeError, "expected dtype float for `end` but got dtype double",
                f32(3), f64(3), 0.5),
    ],
)  # fmt: skip
