"""Element types and PyTorch's rules for combining them."""

from __future__ import annotations

from functools import cache

import ml_dtypes
import numpy as np

BOOL, INTEGRAL, FLOATING = 0, 1, 2


class dtype:
    """The element type of a tensor, such as `float32`; prints as PyTorch's does.

    `np` is the NumPy dtype that holds it, `short` the name used in kernels.
    """

    __slots__ = (
        "__weakref__",
        "category",
        "is_complex",
        "is_floating_point",
        "is_signed",
        "itemsize",
        "legacy",
        "name",
        "np",
        "rank",
        "short",
    )

    def __init__(self, name, short, numpy_type, category, rank, legacy):
        self.name = name
        self.short = short
        self.np = np.dtype(numpy_type)
        self.category = category
        self.rank = rank
        self.legacy = legacy
        self.itemsize = self.np.itemsize
        self.is_floating_point = category == FLOATING
        self.is_complex = False
        self.is_signed = name not in ("uint8", "bool")

    def __repr__(self):
        return f"torch.{self.name}"

    def __reduce__(self):
        return _by_name, (self.name,)

    def __copy__(self):
        return self

    def __deepcopy__(self, memo):
        return self

    def to_real(self):
        """The real type of the same precision: itself."""
        return self


dtype.__module__ = "torch"

bool_ = dtype("bool", "b1", np.bool_, BOOL, 0, "BoolTensor")
uint8 = dtype("uint8", "u8", np.uint8, INTEGRAL, 1, "ByteTensor")
int8 = dtype("int8", "i8", np.int8, INTEGRAL, 2, "CharTensor")
int16 = dtype("int16", "i16", np.int16, INTEGRAL, 3, "ShortTensor")
int32 = dtype("int32", "i32", np.int32, INTEGRAL, 4, "IntTensor")
int64 = dtype("int64", "i64", np.int64, INTEGRAL, 5, "LongTensor")
float16 = dtype("float16", "f16", np.float16, FLOATING, 6, "HalfTensor")
bfloat16 = dtype("bfloat16", "bf16", ml_dtypes.bfloat16, FLOATING, 6, "BFloat16Tensor")
float32 = dtype("float32", "f32", np.float32, FLOATING, 7, "FloatTensor")
float64 = dtype("float64", "f64", np.float64, FLOATING, 8, "DoubleTensor")

ALL = (bool_, uint8, int8, int16, int32, int64, float16, bfloat16, float32, float64)
BY_NAME = {d.name: d for d in ALL}
_FROM_NUMPY = {d.np: d for d in ALL}


def _by_name(name):
    return BY_NAME[name]


def from_numpy(numpy_type) -> dtype:
    """The dtype that holds values of a NumPy dtype; TypeError if there is none."""
    found = _FROM_NUMPY.get(np.dtype(numpy_type))
    if found is None:
        raise TypeError(
            f"can't convert np.ndarray of type numpy.{np.dtype(numpy_type).type.__name__}. The "
            f"only "
            "supported types are: float64, float32, float16, complex64, complex128, int64, int32, "
            "int16, int8, uint64, uint32, uint16, uint8, and bool."
        )
    return found


_default = float32


def get_default_dtype() -> dtype:
    """The floating type of Python floats, float32 unless changed."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Change the floating type that Python floats become."""
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError("only floating-point types are supported as the default type")
    _default = d


@cache
def promote_types(a: dtype, b: dtype) -> dtype:
    """The smallest type that holds both: int64 with float16 is float16, uint8 with int8 is
    int16.
    """
    if a is b:
        return a
    if a.category != b.category:
        return a if a.category > b.category else b
    if {a, b} == {uint8, int8}:
        return int16
    if a is uint8 or b is uint8:
        return b if a is uint8 else a
    if {a, b} == {float16, bfloat16}:
        return float32
    return a if a.rank > b.rank else b


def of_number(value) -> dtype:
    """The type a Python number takes on its own."""
    if isinstance(value, (bool, np.bool_)):
        return bool_
    if isinstance(value, (int, np.integer)):
        return int64
    return _default


def result_type(full: dtype | None, zero_dim: dtype | None, number: dtype | None) -> dtype:
    """PyTorch's priority: tensors with dimensions, then 0-d tensors, then Python numbers.

    A lower priority changes the result only when its category (bool, integer, float) is higher.
    """
    result = full
    for other in (zero_dim, number):
        if other is None:
            continue
        if result is None:
            result = other
        elif other.category > result.category:
            result = other if other is zero_dim or result is None else promote_number(result, other)
    assert result is not None
    return result


def promote_number(result: dtype, number: dtype) -> dtype:
    """A tensor type with a Python number of a higher category."""
    return _default if number.is_floating_point else number
