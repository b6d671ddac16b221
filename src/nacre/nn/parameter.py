"""Parameters and buffers: the tensors a module owns, and those it will own once it knows more."""

from __future__ import annotations

import copyreg
from collections import OrderedDict

from nacre.base.errors import fail
from nacre.ir.trace import Value
from nacre.ops import view
from nacre.tensor import Tensor
from nacre.tensor.creation import empty

_FIELDS = ("_c", "_v", "_m", "_gf", "_rg", "_vc")


def _become(cls, data, requires_grad):
    """A tensor of class `cls` over the memory of `data`, a leaf of the tape."""
    t = view.detached(data)
    made = object.__new__(cls)
    for field in _FIELDS:
        setattr(made, field, getattr(t, field))
    made.requires_grad_(requires_grad)
    return made


class _ParameterType(type):
    """Lets tensors of other classes be parameters: those that `Parameter(data)` makes of them."""

    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        return cls is Parameter and getattr(instance, "_is_param", False) is True


class Parameter(Tensor, metaclass=_ParameterType):
    """A tensor that a module registers as its parameter when it is assigned to an attribute.

    Shares the memory of `data` and requires gradients unless told otherwise.

    Example:
        >>> nacre.nn.Parameter(nacre.zeros(2))
        Parameter containing:
        tensor([0., 0.], requires_grad=True)
    """

    def __new__(cls, data=None, requires_grad=True):
        """A parameter over the memory of `data`; empty without it."""
        if data is None:
            data = empty(0)
        if not isinstance(data, Value):
            fail(
                AttributeError,
                f"'{type(data).__name__}' object has no attribute 'detach'",
                "a parameter is made of a tensor: nn.Parameter(torch.tensor(data))",
            )
        if requires_grad and not data.is_floating_point():
            fail(
                RuntimeError,
                "Only Tensors of floating point and complex dtype can require gradients",
                f"this tensor has dtype {data.dtype}; convert it first, for example with .float()",
            )
        if type(data) is Tensor or isinstance(data, Parameter):
            return _become(cls, data, requires_grad)
        made = data.detach().as_subclass(type(data)).requires_grad_(requires_grad)
        made._is_param = True
        return made

    def __repr__(self, *, tensor_contents=None):
        return "Parameter containing:\n" + super().__repr__()

    def __str__(self):
        return repr(self)

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        made = type(self)(self.data.clone(), self.requires_grad)
        memo[id(self)] = made
        return made

    def __reduce_ex__(self, protocol):
        state = {k: v for k, v in self.__dict__.items() if not k.startswith("_")}
        parts = (self.data, self.requires_grad, OrderedDict())
        if type(self) is not Parameter:
            return _rebuild_subclass, (type(self), *parts, state)
        if state:
            return _rebuild_parameter_with_state, (*parts, state)
        return _rebuild_parameter, parts


def _rebuild_parameter(data, requires_grad, backward_hooks):
    """A pickled parameter."""
    return Parameter(data, requires_grad)


def _rebuild_parameter_with_state(data, requires_grad, backward_hooks, state):
    """A pickled parameter with attributes of the user's."""
    made = Parameter(data, requires_grad)
    made.__dict__.update(state)
    return made


def _rebuild_subclass(cls, data, requires_grad, backward_hooks, state):
    made = _become(cls, data, requires_grad)
    made.__dict__.update(state)
    return made


class _BufferType(type):
    """A buffer is a plain tensor with a mark."""

    def __instancecheck__(cls, instance):
        if type.__instancecheck__(cls, instance):
            return True
        return (
            cls is Buffer
            and isinstance(instance, Value)
            and getattr(instance, "_is_buffer", False) is True
        )


class Buffer(Tensor, metaclass=_BufferType):
    """A tensor that a module registers as a buffer when it is assigned to an attribute.

    `persistent` says whether it is part of the module's `state_dict`.
    """

    def __new__(cls, data=None, *, persistent=True):
        """A plain tensor over the memory of `data`, marked as a buffer."""
        if data is None:
            data = empty(0)
        made = data.detach().requires_grad_(data.requires_grad)
        made.persistent = persistent
        made._is_buffer = True
        return made


# ---- not yet materialised -----------------------------------------------------------------------


class UninitializedTensorMixin:
    """A parameter or buffer of a lazy module before it has seen data.

    It has a dtype, a device and an identity, which stay; everything else raises.
    """

    __slots__ = ()
    cls_to_become: type
    _lazy_meta = None

    @property
    def _m(self):
        self._refuse("a function")

    @_m.setter
    def _m(self, meta):
        self._lazy_meta = meta

    def _refuse(self, use):
        name = type(self).__name__
        fail(
            ValueError,
            f"Attempted to use an uninitialized parameter in {use}. This error happens when you "
            "are using a `LazyModule` or explicitly manipulating "
            f"`torch.nn.parameter.{name}` objects. When using LazyModules Call `forward` with a "
            "dummy batch to initialize the parameters before calling torch functions",
        )

    @property
    def shape(self):
        """Unknown: raises RuntimeError."""
        fail(
            RuntimeError,
            "Can't access the shape of an uninitialized parameter or buffer. This error usually "
            "happens in `load_state_dict` when trying to load an uninitialized parameter into an "
            "initialized one. Call `forward` to initialize the parameters before accessing their "
            "attributes.",
        )

    @property
    def dtype(self):
        """The element type it will have."""
        return self._lazy_meta.dtype

    @property
    def device(self):
        """Where it will live."""
        return empty(0).device

    def is_floating_point(self):
        """Whether the element type is a floating one."""
        return self._lazy_meta.dtype.is_floating_point

    def requires_grad_(self, requires_grad=True):
        """Not before it has a shape: raises ValueError."""
        self._refuse("requires_grad_")

    @property
    def data(self):
        """An empty tensor of its type."""
        return empty(0, dtype=self.dtype)

    @data.setter
    def data(self, other):
        self.materialize(tuple(other.shape), dtype=other.dtype)
        Tensor.data.__set__(self, other)

    def materialize(self, shape, device=None, dtype=None):
        """Become a parameter or buffer of this shape, with values that are not set yet.

        The object stays the same, so optimisers that hold it need not know.
        """
        dtype = self.dtype if dtype is None else dtype
        t = empty(shape, device=device, dtype=dtype)
        self.__dict__.pop("_lazy_meta", None)
        self.__class__ = self.cls_to_become
        self._c, self._v, self._m, self._vc = t._c, t._v, t._m, None

    def size(self, dim=None):
        """That of an empty tensor."""
        return empty(0).size(dim)

    def copy_(self, src, non_blocking=False):
        """Nothing to write into, so only another one without a shape is taken."""
        if not is_lazy(src):
            self._refuse("copy_")
        return self

    def to(self, *args, **kwargs):
        """The same, of another dtype."""
        other = empty(0, dtype=self.dtype).to(*args, **kwargs)
        self._lazy_meta = other._m
        return self

    def __repr__(self, *, tensor_contents=None):
        return f"<{type(self).__name__}>"

    def __str__(self):
        return repr(self)

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        made = _uninitialized(type(self), self._rg, self.dtype)
        memo[id(self)] = made
        return made

    def __reduce_ex__(self, protocol):
        return _uninitialized, (type(self), self._rg, self.dtype)


def _convert(name):
    def convert(self):
        return self.to(getattr(empty(0), name)().dtype)

    convert.__name__ = name
    convert.__doc__ = f"The same, as {name}."
    return convert


for _name in ("float", "double", "half", "bfloat16"):
    setattr(UninitializedTensorMixin, _name, _convert(_name))


def _uninitialized(cls, requires_grad, dtype):
    made = cls(dtype=dtype)
    made._rg = requires_grad
    return made


def _blank(cls, requires_grad, device, dtype):
    t = empty(0, device=device, dtype=dtype)
    made = object.__new__(cls)
    for field in _FIELDS:
        setattr(made, field, getattr(t, field))
    made._rg = requires_grad
    return made


class UninitializedParameter(UninitializedTensorMixin, Parameter):  # type: ignore[misc]
    """A parameter whose shape is not known yet; see `LazyModuleMixin`."""

    cls_to_become = Parameter

    def __new__(cls, requires_grad=True, device=None, dtype=None):
        """A parameter without a shape."""
        return _blank(cls, requires_grad, device, dtype)


class UninitializedBuffer(  # type: ignore[misc]
    UninitializedTensorMixin, Tensor, metaclass=_BufferType
):
    """A buffer whose shape is not known yet; see `LazyModuleMixin`."""

    cls_to_become = Tensor

    def __new__(cls, requires_grad=False, device=None, dtype=None, persistent=True):
        """A buffer without a shape."""
        made = _blank(cls, requires_grad, device, dtype)
        made.persistent = persistent
        made._is_buffer = True
        return made


def is_lazy(param) -> bool:
    """Whether a parameter or buffer has no shape yet."""
    return isinstance(param, UninitializedTensorMixin)


# ---- names --------------------------------------------------------------------------------------
_OWN = {
    kind.__name__: kind for kind in (Parameter, Buffer, UninitializedParameter, UninitializedBuffer)
}


def _named(name):
    """One of the classes of this file, for a pickle that names it."""
    return _OWN[name]


def _reduced(cls):
    """How a pickle names a class: those of this file print under PyTorch's name."""
    if _OWN.get(cls.__name__) is cls:
        return _named, (cls.__name__,)
    return cls.__qualname__


for _kind in (UninitializedTensorMixin, *_OWN.values()):
    _kind.__module__ = "torch.nn.parameter"
copyreg.pickle(_ParameterType, _reduced)
copyreg.pickle(_BufferType, _reduced)
