"""Rules of shape and type that families of operations share."""

from __future__ import annotations

from nacre.base.dtypes import (
    bool_,
    dtype,
    get_default_dtype,
    of_number,
    promote_types,
    result_type,
)
from nacre.base.errors import fail
from nacre.base.shapes import (
    broadcast_shapes,
    contiguous_strides,
    elementwise_strides,
    preserved_strides,
)
from nacre.ir.node import Meta, meta_of


def common_dtype(*operands) -> dtype:
    """The type that operands (Metas or types of numbers) are brought to."""
    full = zero = number = None
    for m in operands:
        if isinstance(m, Meta):
            d = m.dtype
            if m.shape:
                full = d if full is None else promote_types(full, d)
            else:
                zero = d if zero is None else promote_types(zero, d)
        else:
            d = of_number(m())
            number = d if number is None else promote_types(number, d)
    return result_type(full, zero, number)


def elementwise_meta(dtype, *operands, numbers=None) -> Meta:
    """Shape by broadcasting and strides by PyTorch's rule, with this type.

    `numbers` says whether numbers take part in the rule as tensors without dimensions: those of
    operations on two operands do, those that PyTorch calls options do not.
    """
    metas = [m for m in operands if isinstance(m, Meta)]
    first = metas[0]
    if len(metas) == 1:
        shape, device = first.shape, first.device
    else:
        shape = broadcast_shapes(*[m.shape for m in metas])
        device = device_of(metas)
    row_major = contiguous_strides(tuple(shape))
    if first.numel and all(m.shape == shape and m.strides == row_major for m in metas):
        return meta_of(shape, dtype, None, device)
    numbers = len(operands) == 2 if numbers is None else numbers
    counted = operands if numbers else metas
    layouts = tuple(
        [(tuple(m.shape), m.strides) if isinstance(m, Meta) else ((), ()) for m in counted]
    )
    return meta_of(shape, dtype, elementwise_strides(tuple(shape), layouts), device)


def preserved_meta(dtype, x) -> Meta:
    """The Meta of a copy with this type: PyTorch's `preserve_format`."""
    return meta_of(x.shape, dtype, preserved_strides(tuple(x.shape), x.strides), x.device)


def device_of(metas) -> str:
    """The one device of all operands; a 0-d CPU value goes along with any."""
    device = metas[0].device
    for m in metas[1:]:
        if m.device != device:
            if not m.shape and m.device == "cpu":
                continue
            if not metas[0].shape and device == "cpu":
                device = m.device
                continue
            fail(
                RuntimeError,
                "Expected all tensors to be on the same device, but found at least two devices, "
                f"{device} and {m.device}!",
            )
    return device


def same_type(attrs, *operands) -> Meta:
    """Infer: broadcast, with the promoted type of all operands."""
    return elementwise_meta(common_dtype(*operands), *operands)


def floating(attrs, *operands) -> Meta:
    """Infer: broadcast, integers become the default floating type."""
    d = common_dtype(*operands)
    return elementwise_meta(d if d.is_floating_point else get_default_dtype(), *operands)


def boolean(attrs, *operands) -> Meta:
    """Infer: broadcast, the result is bool."""
    common_dtype(*operands)
    return elementwise_meta(bool_, *operands)


_C_NAMES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
}


def c_name(d: dtype) -> str:
    """A type as some of PyTorch's messages name it: `float`, `long int`."""
    return _C_NAMES[d.name]


def overloads(stem: str, tensor: int, number: int):
    """`names` of a record whose last operand may be a number: `EqBackward1` or `EqBackward0`."""

    def names(attrs, metas):
        return f"{stem}Backward{tensor if isinstance(metas[-1], Meta) else number}"

    return names
