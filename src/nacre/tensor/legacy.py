"""PyTorch's older names of types, `FloatTensor` and relatives; layouts, formats, `typename`."""

from __future__ import annotations

from typing import Any

from nacre.base import dtypes
from nacre.base.errors import fail
from nacre.ir.trace import Services, Value
from nacre.tensor.tensor import Tensor


class tensortype(type):
    """The type of `FloatTensor` and relatives: called, they make a tensor of their dtype."""

    dtype: dtypes.dtype

    def __call__(cls, *args: Any, device: Any = None) -> Tensor:
        """A tensor of this size, or of this data."""
        if device is not None:
            Services.check_device(device)
        given = args[0] if len(args) == 1 else None
        if isinstance(given, Value) and given._m.dtype is not cls.dtype:
            fail(
                TypeError,
                f"expected {_options(cls.dtype)} (got {_options(given._m.dtype)})",
                f"this tensor has dtype {given._m.dtype}: convert it with .to({cls.dtype})",
            )
        if isinstance(given, float):
            fail(TypeError, "new(): data must be a sequence (got float)")
        return Services.legacy(cls.dtype, args)

    def __instancecheck__(cls, x: Any) -> bool:
        return isinstance(x, Value) and x._m.dtype is cls.dtype

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


_NAMES = {
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short int",
    "int32": "int",
    "int64": "long int",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float64": "double",
}


def _options(d):
    return (
        f"TensorOptions(dtype={_NAMES.get(d.name, d.name.rstrip('32'))}, device=cpu, "
        "layout=Strided, requires_grad=false (default), pinned_memory=false (default), "
        "memory_format=(nullopt))"
    )


def _legacy_type(d):
    doc = f"Makes {d.name} tensors: of a size, uninitialised, or of data."
    return tensortype(d.legacy, (), {"dtype": d, "__module__": "torch", "__doc__": doc})


BoolTensor = _legacy_type(dtypes.bool_)
ByteTensor = _legacy_type(dtypes.uint8)
CharTensor = _legacy_type(dtypes.int8)
ShortTensor = _legacy_type(dtypes.int16)
IntTensor = _legacy_type(dtypes.int32)
LongTensor = _legacy_type(dtypes.int64)
HalfTensor = _legacy_type(dtypes.float16)
BFloat16Tensor = _legacy_type(dtypes.bfloat16)
FloatTensor = _legacy_type(dtypes.float32)
DoubleTensor = _legacy_type(dtypes.float64)


def set_default_tensor_type(t):
    """Set the default dtype by the name or type of its tensors."""
    name = t if isinstance(t, str) else f"torch.{t.__name__}"
    for d in dtypes.ALL:
        if name == f"torch.{d.legacy}":
            dtypes.set_default_dtype(d)
            return
    fail(TypeError, f"invalid type object: {name}")


class _Named:
    """A constant that prints under its name."""

    __slots__ = ("_name",)

    def __init__(self, name: str):
        self._name = name

    def __repr__(self):
        return f"torch.{self._name}"

    def __reduce__(self):
        return self._name


class layout(_Named):
    """How a tensor keeps its elements: `strided`."""

    __slots__ = ()


class memory_format(_Named):
    """An order of the dimensions in memory."""

    __slots__ = ()


for _kind in (tensortype, layout, memory_format):
    _kind.__module__ = "torch"

strided = layout("strided")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
Tensor.layout = strided  # type: ignore[assignment]


def typename(obj: Any, /) -> str:
    """The name of a value's type as messages show it.

    Example:
        >>> typename(nacre.ones(1))
        'torch.FloatTensor'
        >>> typename(3)
        'int'
    """
    if isinstance(obj, Value):
        return f"torch.{obj._m.dtype.legacy}"
    module = getattr(obj, "__module__", None)
    name = getattr(obj, "__qualname__", None) or getattr(obj, "__name__", None)
    name = name or type(obj).__name__
    return name if module in (None, "builtins") else f"{module}.{name}"
