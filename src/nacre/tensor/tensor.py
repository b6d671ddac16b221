"""The `Tensor` class: PyTorch's methods over recorded operations."""

from __future__ import annotations

import weakref
from itertools import count

import numpy as np

from nacre.autograd.gradients import run_backward
from nacre.autograd.jump import by_jump
from nacre.base import dtypes
from nacre.base.dtypes import bool_, dtype, float64, int64
from nacre.base.errors import fail
from nacre.base.shapes import Size, contiguous_strides, numel, wrap_dim, wrap_dims
from nacre.ir.node import meta_of
from nacre.ir.tape import HookHandle, Port, edge_of, node_of, requires, version_of
from nacre.ir.trace import (
    INFERENCE,
    ORPHANED,
    TRACE,
    Services,
    Storage,
    Symbol,
    Value,
    long_name,
    wrap,
)
from nacre.ops import create, elementwise, loss, matmul, reduce, view
from nacre.ops import index as index_ops
from nacre.ops.rules import c_name
from nacre.tensor import cell, elements, indexing
from nacre.tensor.device import cpu, device

_keys = count()
_NUMBERS = (int, float, bool)


class Tensor(Value):
    """A multi-dimensional array of one element type, recorded as it is computed.

    Operations return at once; values are computed when something looks at them. Made by
    `nacre.tensor`, `nacre.zeros`, `nacre.rand` and their relatives.

    Example:
        >>> x = nacre.tensor([1.0, 2.0], requires_grad=True)
        >>> (x * x).sum().backward()
        >>> x.grad
        tensor([2., 4.])
    """

    __slots__ = ("__dict__", "__weakref__")
    __array_priority__ = 1000
    _grad = None
    _base = None
    _seen = 0
    _made = None
    _hooks = None
    _after = None
    layout = "torch.strided"
    is_cuda = False
    is_sparse = False
    is_quantized = False
    is_meta = False
    is_mkldnn = False
    is_nested = False

    def __new__(cls, *args, **kwargs):
        """`Tensor(2, 3)` makes uninitialised memory, `Tensor([1, 2])` float32 data."""
        t = Services.legacy(dtypes.float32, args)
        return t if cls is Tensor else t.as_subclass(cls)

    def __init__(self, *args, **kwargs):
        """All is done in `__new__`."""

    # ---- what it is ---------------------------------------------------------------------------
    @property
    def shape(self) -> Size:
        """The sizes of its dimensions."""
        return self._m.size

    def size(self, dim=None):
        """The shape, or one size of it."""
        return self._m.size if dim is None else self._m.shape[wrap_dim(dim, len(self._m.shape))]

    def stride(self, dim=None):
        """How many elements to step along each dimension, or along one."""
        q = self._m.strides
        return q if dim is None else q[wrap_dim(dim, len(q))]

    def storage_offset(self) -> int:
        """The place of the first element in the storage."""
        return self._v or 0

    @property
    def dtype(self) -> dtype:
        """The element type."""
        return self._m.dtype

    @property
    def device(self) -> device:
        """Where the values live."""
        return cpu if self._m.device == "cpu" else device(self._m.device)

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self._m.shape)

    def dim(self) -> int:
        """The number of dimensions."""
        return len(self._m.shape)

    ndimension = dim

    def numel(self) -> int:
        """The number of elements."""
        return self._m.numel

    nelement = numel

    def element_size(self) -> int:
        """The bytes of one element."""
        return self._m.dtype.itemsize

    @property
    def itemsize(self) -> int:
        """The bytes of one element."""
        return self._m.dtype.itemsize

    @property
    def nbytes(self) -> int:
        """The bytes of all elements."""
        return self._m.nbytes

    def is_contiguous(self, memory_format=None) -> bool:
        """Whether the elements lie in row-major order."""
        return self._m.contiguous

    def is_floating_point(self) -> bool:
        """Whether the element type is a floating one."""
        return self._m.dtype.is_floating_point

    def is_complex(self) -> bool:
        """Whether the element type is complex: never."""
        return False

    def is_signed(self) -> bool:
        """Whether the element type has negative values."""
        return self._m.dtype.is_signed

    def is_pinned(self) -> bool:
        """Whether the memory is page-locked: never."""
        return False

    def is_inference(self) -> bool:
        """Whether it was made in inference mode."""
        return self._vc is INFERENCE

    def get_device(self) -> int:
        """The number of the device, -1 for the CPU."""
        return -1

    @property
    def T(self):
        """With its dimensions reversed."""
        return view.permute(self, tuple(range(len(self._m.shape)))[::-1])

    @property
    def mT(self):
        """With its last two dimensions exchanged."""
        if len(self._m.shape) < 2:
            fail(
                RuntimeError,
                "tensor.mT is only supported on matrices or batches of matrices. Got "
                f"{len(self._m.shape)}-D tensor.",
            )
        return view.transpose(self, -2, -1)

    @property
    def H(self):
        """The transpose of a matrix (values are real)."""
        return view.transpose(self, 0, 1)

    @property
    def real(self):
        """The real part: itself."""
        return self

    # ---- autograd -------------------------------------------------------------------------------
    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to it."""
        return requires(self)

    @requires_grad.setter
    def requires_grad(self, on):
        if not isinstance(on, bool):
            fail(RuntimeError, "requires_grad must be a bool")
        self._set_requires_grad(on, "floating point and complex")

    def requires_grad_(self, requires_grad=True):
        """Say whether gradients are to be recorded for a leaf."""
        return self._set_requires_grad(requires_grad, "floating point")

    def _set_requires_grad(self, requires_grad, kinds):
        if self._gf is not None or (self._v is not None and edge_of(self) not in (None, self)):
            if not requires_grad:
                fail(
                    RuntimeError,
                    "you can only change requires_grad flags of leaf variables. If you want to "
                    "use a "
                    "computed variable in a subgraph that doesn't require differentiation use "
                    "var_no_grad = var.detach().",
                )
            return self
        if requires_grad and not self._m.dtype.is_floating_point:
            fail(
                RuntimeError,
                f"only Tensors of {kinds} dtype can require gradients",
                f"this tensor has dtype {self._m.dtype}; convert it first, for example with "
                f".float()",
            )
        if requires_grad and self._vc is INFERENCE and not TRACE.inference:
            fail(
                RuntimeError,
                "Setting requires_grad=True on inference tensor outside InferenceMode is not "
                "allowed.",
                "clone it first: a copy made outside inference mode is an ordinary tensor",
            )
        self._rg = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether it is no result of a recorded operation."""
        return self.grad_fn is None

    @property
    def grad_fn(self):
        """The gradient node that made it, or None for a leaf."""
        return node_of(self)

    @property
    def grad(self):
        """The gradient that backward accumulated, or None."""
        if self._grad is None and self._gf is not None and not self._retains():
            Services.warn_grad()
        return self._grad

    @grad.setter
    def grad(self, value):
        if value is not None:
            if not isinstance(value, Value):
                fail(
                    TypeError,
                    "assigned grad expected to be a Tensor or None but got grad of type "
                    f"{type(value).__name__}",
                )
            if value._m.dtype is not self._m.dtype:
                fail(
                    RuntimeError,
                    f"attempting to assign a gradient with dtype '{c_name(value._m.dtype)}' to a "
                    f"tensor with grad_dtype '{long_name(self._m.dtype)}'. The gradient must match "
                    "the tensor's grad_dtype (defaults to the tensor's dtype). You can set the "
                    "tensor's grad_dtype attribute with a specific dtype, or None to allow any "
                    "dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its "
                    "gradient may break downstream systems that assume they match.",
                )
            if value._m.shape != self._m.shape:
                fail(
                    RuntimeError,
                    f"attempting to assign a gradient of size '{list(value._m.shape)}' to a tensor "
                    f"of size '{list(self._m.shape)}'. Please ensure that the gradient and the "
                    "tensor are the same size",
                )
        self._grad = value

    @grad.deleter
    def grad(self):
        self._grad = None

    @property
    def output_nr(self) -> int:
        """Which output of its `grad_fn` it is."""
        return self._gf.index if type(self._gf) is Port else 0

    def _retains(self):
        g = self._gf
        hooks = getattr(g, "hooks", None)
        return bool(hooks and "retain" in hooks)

    @property
    def _version(self) -> int:
        if self._vc is INFERENCE or self._vc is ORPHANED:
            fail(RuntimeError, "Inference tensors do not track version counter.")
        return version_of(self)

    def _is_view(self) -> bool:
        return self._v is not None and self._base is not None

    @property
    def data(self):
        """The same memory without autograd: writes are not versioned."""
        return view.detached(self, own_versions=True)

    @data.setter
    def data(self, other):
        cell.set_data(self, other)

    def detach(self):
        """The same memory without gradients; writes through either are seen by both."""
        return view.detached(self)

    def detach_(self):
        """Cut it from the graph that made it."""
        if self._is_view():
            fail(
                RuntimeError,
                "Can't detach views in-place. Use detach() instead. If you are using "
                "DistributedDataParallel (DDP) for training, and gradient_as_bucket_view is set as "
                "True, gradients are views of DDP buckets, and hence detach_() cannot be called on "
                "these gradients. To fix this error, please refer to the Optimizer.zero_grad() "
                "function in torch/optim/optimizer.py as the solution.",
            )
        if self._gf is not None and node_of(self).hooks is None:
            node_of(self).hooks = {}  # what saved this tensor must look at it again
        self._gf = None
        self._rg = False
        return self

    def backward(self, gradient=None, retain_graph=None, create_graph=False, inputs=None):
        """Compute gradients of this tensor and add them to the leaves' `.grad`."""
        if gradient is None and inputs is None and not create_graph and not TRACE.anomaly:
            g = self._gf
            if g is not None and self._v is None and self._m.numel == 1 and type(g) is not Port:
                if by_jump(g, None, self._m, retain_graph):
                    return
        if inputs is not None:
            inputs = [inputs] if isinstance(inputs, Value) else list(inputs)
        run_backward([self], [gradient], retain_graph, create_graph, inputs)

    def register_hook(self, hook):
        """Call `hook(grad)` when this tensor's gradient is known; what it returns replaces it."""
        if not requires(self):
            fail(
                RuntimeError,
                "cannot register a hook on a tensor that doesn't require gradient",
            )
        edge = edge_of(self)
        key = next(_keys)
        if edge is self or edge is None:
            if self._hooks is None:
                self._hooks = {}
            self._hooks[key] = hook
            return HookHandle(self._hooks, key)
        node = edge.node if type(edge) is Port else edge
        if node.hooks is None:
            node.hooks = {}
        table = node.hooks.setdefault("tensor", {})
        table[key] = (edge.index if type(edge) is Port else 0, hook)
        return HookHandle(table, key)

    def register_post_accumulate_grad_hook(self, hook):
        """Call `hook(tensor)` after a leaf's gradient was accumulated."""
        if edge_of(self) is not self:
            fail(
                RuntimeError, "post accumulate grad hooks cannot be registered on non-leaf tensors"
            )
        if self._after is None:
            self._after = {}
            self._hooks = self._hooks if self._hooks is not None else {}
        key = next(_keys)
        self._after[key] = hook
        return HookHandle(self._after, key)

    def retain_grad(self):
        """Keep `.grad` of a tensor that is not a leaf."""
        if not requires(self):
            fail(RuntimeError, "can't retain_grad on Tensor that has requires_grad=False")
        edge = edge_of(self)
        if edge is self or edge is None or self._retains():
            return
        node = edge.node if type(edge) is Port else edge
        if node.hooks is None:
            node.hooks = {}
        index = edge.index if type(edge) is Port else 0
        node.hooks.setdefault("retain", {})[next(_keys)] = (index, weakref.ref(self))

    @property
    def retains_grad(self) -> bool:
        """Whether `retain_grad` was called."""
        return self._gf is not None and self._retains()

    def _refresh(self):
        cell.refresh(self)

    # ---- looking at values
    # ------------------------------------------------------------------------
    def item(self):
        """The value of a tensor of one element as a Python number."""
        if self._m.numel != 1:
            fail(
                RuntimeError,
                f"a Tensor with {self._m.numel} elements cannot be converted to Scalar",
                "use .tolist() for all values",
            )
        return cell.storage_of(self).array.item(self._v or 0)

    def tolist(self):
        """The values as nested lists of Python numbers."""
        return cell.array_of(self).tolist()

    def numpy(self, *, force=False):
        """A NumPy array over the same memory."""
        if force:
            return cell.to_numpy(self.detach())
        if requires(self) and TRACE.grad:
            fail(
                RuntimeError,
                "Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() "
                "instead.",
            )
        return cell.to_numpy(self)

    def __array__(self, dtype=None, copy=None):
        array = self.numpy()
        return array if dtype is None else array.astype(dtype, copy=False)

    def __array_wrap__(self, array, context=None, return_scalar=False):
        if array.dtype == np.bool_:
            array = array.astype("uint8")
        return cell.from_numpy(np.ascontiguousarray(array))

    def data_ptr(self) -> int:
        """The address of the first element."""
        if not self._m.numel:
            return 0
        return cell.address_of(self)

    def untyped_storage(self):
        """The storage, with `data_ptr()` and `nbytes()`."""
        return StorageView(self)

    storage = untyped_storage
    _typed_storage = untyped_storage

    def __bool__(self):
        n = self._m.numel
        if n == 1:
            return bool(cell.array_of(self).item())
        if n == 0:
            fail(RuntimeError, "Boolean value of Tensor with no values is ambiguous")
        fail(
            RuntimeError,
            "Boolean value of Tensor with more than one value is ambiguous",
            "use .any() or .all()",
        )

    def __float__(self):
        return float(self._scalar("float"))

    def __int__(self):
        return int(self._scalar("int"))

    def __complex__(self):
        return complex(self._scalar("complex"))

    def __index__(self):
        if self._m.dtype.is_floating_point or self._m.numel != 1:
            fail(
                TypeError,
                "only integer tensors of a single element can be converted to an index",
            )
        return int(self.item())

    def _scalar(self, kind):
        if self._m.numel != 1:
            fail(
                ValueError,
                "only one element tensors can be converted to Python scalars",
                f"this tensor has {self._m.numel} elements; use .tolist() for all values",
            )
        if requires(self):
            Services.warn_scalar()
        return self.item()

    def __len__(self):
        if not self._m.shape:
            fail(TypeError, "len() of a 0-d tensor")
        return self._m.shape[0]

    def __iter__(self):
        if not self._m.shape:
            fail(TypeError, "iteration over a 0-d tensor")
        return iter(self.unbind(0))

    def __contains__(self, element):
        if isinstance(element, Value | int | float | bool):
            return bool((self == element).any())
        fail(
            RuntimeError,
            "Tensor.__contains__ only supports Tensor or scalar, but you passed in a "
            f"{type(element)}.",
        )

    def __format__(self, spec):
        if not self._m.shape and not spec == "":
            return self.item().__format__(spec)
        if not self._m.shape:
            return self.item().__format__(spec)
        return object.__format__(self, spec)

    def __repr__(self, *, tensor_contents=None):
        return Services.show(self)

    __str__ = __repr__

    def __hash__(self):
        return id(self)

    def __deepcopy__(self, memo):
        if id(self) in memo:
            return memo[id(self)]
        if edge_of(self) not in (None, self):
            fail(
                RuntimeError,
                "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
                "protocol at the moment.  If you were attempting to deepcopy a module, this may be "
                "because of a torch.nn.utils.weight_norm usage, see "
                "https://github.com/pytorch/pytorch/pull/103001",
                "use .detach().clone() for a copy of the values",
            )
        return Services.deep_copy(self, memo)

    def __reduce_ex__(self, protocol):
        return Services.reduce(self)

    def __getattr__(self, name):
        error = AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")
        if not name.startswith("_"):
            error.add_note(f"  nacre does not have Tensor.{name} (yet)")
        raise error

    def __dir__(self):
        return [n for n in super().__dir__() if n not in ("_c", "_v", "_m", "_gf", "_rg", "_vc")]

    def as_subclass(self, cls):
        """The same tensor as an instance of a subclass."""
        t = view.detached(self)
        t._gf, t._rg = self._gf, self._rg
        made = object.__new__(cls)
        for field in ("_c", "_v", "_m", "_gf", "_rg", "_vc"):
            setattr(made, field, getattr(t, field))
        return made

    # ---- converting
    # ---------------------------------------------------------------------------------
    def to(self, *args, **kwargs):
        """The tensor with another dtype, on another device, or as another tensor is."""
        target, copy = _target(self, args, kwargs)
        if target is self._m.dtype:
            return self.clone() if copy else self
        return elementwise.to_copy(self, attrs=target)

    def type(self, dtype=None, non_blocking=False, **kwargs):
        """The name of its type, or the tensor with another one."""
        if dtype is None:
            return f"torch.{self._m.dtype.legacy}"
        return elementwise.cast(self, _named_type(dtype))

    def type_as(self, other):
        """With the dtype of another tensor."""
        return elementwise.cast(self, other._m.dtype)

    def cpu(self, memory_format=None):
        """On the CPU: itself."""
        return self

    def cuda(self, device=None, non_blocking=False, memory_format=None):
        """On an accelerator; there is none."""
        fail(AssertionError, "Torch not compiled with CUDA enabled")

    def contiguous(self, memory_format=None):
        """Itself if its elements lie in row-major order, else a copy that does so."""
        if self._m.contiguous:
            return self
        return elementwise.clone(self, attrs=contiguous_strides(tuple(self._m.shape)))

    def clone(self, *, memory_format=None):
        """A copy that gradients flow through."""
        return elementwise.clone(self)

    def pin_memory(self, device=None):
        """Page-locked memory is for accelerators: itself."""
        return self

    def share_memory_(self):
        """Accepted for compatibility: itself."""
        return self

    def is_shared(self):
        """Whether its memory is shared between processes."""
        return False

    # ---- comparisons that return tensors
    # ------------------------------------------------------------
    def __eq__(self, other):
        return _binary(elementwise.eq, self, other)

    def __ne__(self, other):
        return _binary(elementwise.ne, self, other)

    # ---- indexing
    # -------------------------------------------------------------------------------------
    def __getitem__(self, index):
        if index.__class__ is int:
            found = elements.row(self, index)
            if found is not None:
                return found
        return indexing.get(self, index)

    def __setitem__(self, index, value):
        if index.__class__ is int and elements.put(self, index, value):
            return
        indexing.put(self, index, value)

    def index_put_(self, indices, values, accumulate=False):
        """Write values at places given by a tuple of index tensors, or add them there."""
        indexing.put_places(self, tuple(indices), values, accumulate)
        return self

    # ---- in place
    # ---------------------------------------------------------------------------------------
    def copy_(self, src, non_blocking=False):
        """Write another tensor's values into this one, broadcast and converted."""
        if not isinstance(src, Value):
            src = Services.as_tensor(src)
        cell.copy_into(self, src)
        return self

    def fill_(self, value):
        """Write one value everywhere."""
        if isinstance(value, Value):
            if value._m.shape:
                fail(
                    RuntimeError,
                    "fill_ only supports 0-dimension value tensor but got tensor with "
                    f"{len(value._m.shape)} dimensions.",
                )
            cell.copy_into(self, value, cell.fill_tensor_history)
            return self
        cell.fill(self, value)
        return self

    def zero_(self):
        """Write zeros everywhere."""
        cell.fill(self, 0, cell.zero_history)
        return self


class StorageView:
    """What `untyped_storage()` returns: the memory behind a tensor and its aliases."""

    def __init__(self, t):
        self._t = t

    def data_ptr(self) -> int:
        """The address of the first byte."""
        return cell.storage_of(self._t).address()

    def nbytes(self) -> int:
        """The size in bytes."""
        return cell.storage_of(self._t).array.nbytes

    size = nbytes
    __len__ = nbytes

    def __eq__(self, other):
        return isinstance(other, StorageView) and other._t._c is self._t._c

    def __hash__(self):
        return id(self._t._c)


# ---- arguments
# --------------------------------------------------------------------------------------
def _target(t, args, kwargs):
    """The dtype that the many forms of `.to` ask for."""
    copy = kwargs.get("copy", False)
    target = kwargs.get("dtype")
    place = kwargs.get("device")
    for a in args:
        if isinstance(a, dtype):
            target = a
        elif isinstance(a, Value):
            target = a._m.dtype
        elif isinstance(a, bool) or a is None:
            continue
        elif isinstance(a, type):
            target = a
        else:
            place = a
    if "other" in kwargs:
        target = kwargs["other"]._m.dtype
    if place is not None:
        Services.check_device(place)
    if isinstance(target, type):
        if target not in _PYTHONS:
            fail(TypeError, f"to(): argument 'dtype' must be torch.dtype, not {target.__name__}")
        target = _PYTHONS[target]
    return target or t._m.dtype, copy


_PYTHONS = {float: dtypes.float64, int: dtypes.int64, bool: dtypes.bool_}


def _named_type(name):
    if isinstance(name, dtype):
        return name
    text = name if isinstance(name, str) else getattr(name, "__name__", str(name))
    text = text.removeprefix("torch.")
    for d in dtypes.ALL:
        if text in (d.legacy, d.name):
            return d
    fail(ValueError, f"invalid type: '{name}'")


def operand(x, other):
    """The other operand of an operator: a tensor or number; None if it is neither."""
    if isinstance(other, Value) or other.__class__ in _NUMBERS or type(other) is Symbol:
        return other
    if isinstance(other, np.generic):
        return other.item()
    if isinstance(other, np.ndarray):
        return cell.from_numpy(other)
    if isinstance(other, int | float):
        return float(other) if isinstance(other, float) else int(other)
    return None


def _binary(op, x, other):
    y = other if isinstance(other, Value) or other.__class__ in _NUMBERS else operand(x, other)
    return NotImplemented if y is None else op(x, y)


__all__ = [
    "TRACE",
    "Storage",
    "bool_",
    "create",
    "float64",
    "index_ops",
    "int64",
    "loss",
    "matmul",
    "meta_of",
    "numel",
    "reduce",
    "wrap",
    "wrap_dims",
]
