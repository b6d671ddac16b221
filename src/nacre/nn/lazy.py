"""Lazy modules: layers that learn the size of their input from the first one they see."""

from __future__ import annotations

from itertools import chain

from nacre.autograd.modes import no_grad
from nacre.base.errors import fail
from nacre.nn.parameter import is_lazy


class LazyModuleMixin:
    """Makes a layer lazy: placed before the layer in the list of bases.

    The first call gives its arguments to `initialize_parameters`, which materialises the
    parameters; then the module becomes one of `cls_to_become`. Its parameters stay the same
    objects, so an optimiser may be made before.

    Example:
        >>> net = nacre.nn.LazyLinear(3)
        >>> net(nacre.zeros(1, 5)).shape, net
        (torch.Size([1, 3]), Linear(in_features=5, out_features=3, bias=True))
    """

    cls_to_become: type | None = None

    def __init__(self, *args, **kwargs):
        super().__init__(*args, **kwargs)
        self._load_hook = self._register_load_state_dict_pre_hook(self._lazy_load_hook)
        self._initialize_hook = self.register_forward_pre_hook(
            self._infer_parameters, with_kwargs=True
        )

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        skipped = self._non_persistent_buffers_set
        for name, value in chain(self._parameters.items(), self._buffers.items()):
            if value is not None and name not in skipped:
                keep = keep_vars or is_lazy(value)
                destination[prefix + name] = value if keep else value.detach()

    def _lazy_load_hook(self, state_dict, prefix, *rest):
        """Take the shapes of what is about to be loaded."""
        for name, value in chain(self._parameters.items(), self._buffers.items()):
            given = state_dict.get(prefix + name)
            if given is not None and value is not None and is_lazy(value) and not is_lazy(given):
                with no_grad():
                    value.materialize(tuple(given.shape))

    def initialize_parameters(self, *args, **kwargs):
        """Materialise the parameters for these arguments of `forward`; for subclasses to define."""
        fail(
            NotImplementedError,
            f"initialize_parameters is not implemented for {type(self).__name__}",
        )

    def has_uninitialized_params(self):
        """Whether a parameter or buffer has no shape yet."""
        return any(is_lazy(v) for v in chain(self._parameters.values(), self._buffers.values()))

    def _infer_parameters(self, module, args, kwargs=None):
        """The forward pre-hook of the first call."""
        module.initialize_parameters(*args, **(kwargs or {}))
        if module.has_uninitialized_params():
            fail(RuntimeError, f"module {self._get_name()} has not been fully initialized")
        for name in ("_initialize_hook", "_load_hook"):
            getattr(module, name).remove()
            delattr(module, name)
        if module.cls_to_become is not None:
            module.__class__ = module.cls_to_become


LazyModuleMixin.__module__ = "torch.nn.modules.lazy"
