"""`Module`: a block of a network, with what it owns, what is inside it and how it is called."""

from __future__ import annotations

import inspect
from collections import OrderedDict

from nacre.autograd.modes import no_grad
from nacre.base.errors import fail, locate
from nacre.base.scope import runs_block
from nacre.ir.trace import TRACE, Value
from nacre.nn import hooks, state
from nacre.nn.hooks import (
    ANY,
    Everywhere,
    register_module_backward_hook,
    register_module_buffer_registration_hook,
    register_module_forward_hook,
    register_module_forward_pre_hook,
    register_module_full_backward_hook,
    register_module_full_backward_pre_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)
from nacre.nn.naming import OWN, blank, shown_in, typename
from nacre.nn.parameter import Buffer, Parameter
from nacre.nn.registry import KINDS, Registry, adopt, plain_state, replace
from nacre.runtime.run import LIMIT_LOAD, boundary

_set = object.__setattr__
_CALL_TABLES = ("_forward_hooks", "_forward_pre_hooks", "_backward_hooks", "_backward_pre_hooks")
_TABLES = (
    *_CALL_TABLES,
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def indented(text):
    """A text of several lines with all but its first moved to the right."""
    return text.replace("\n", "\n  ")


def _forward_unimplemented(self, *input):
    """What a module computes; every subclass defines it."""
    fail(
        NotImplementedError,
        f'Module [{type(self).__name__}] is missing the required "forward" function',
    )


@shown_in("module")
class Module:
    """The base class of all blocks of a network.

    Parameters, buffers and other modules that are assigned to attributes are registered; calling
    the module calls `forward` with its hooks.

    Example:
        >>> class Twice(nacre.nn.Module):
        ...     def forward(self, x):
        ...         return x * 2
        >>> Twice()(nacre.ones(2))
        tensor([2., 2.])
    """

    dump_patches = False
    call_super_init = False
    _version = 1
    _compiled_call_impl = None

    def __init__(self, *args, **kwargs):
        if not self.call_super_init:
            name = f"{type(self).__name__}.__init__()"
            if kwargs:
                fail(
                    TypeError,
                    f"{name} got an unexpected keyword argument '{next(iter(kwargs))}'",
                )
            if args:
                fail(
                    TypeError,
                    f"{name} takes 1 positional argument but {len(args) + 1} were given",
                )
        own = self.__dict__
        own["training"] = True
        own["_parameters"] = Registry(self)
        own["_buffers"] = Registry(self)
        own["_non_persistent_buffers_set"] = set()
        own["_is_full_backward_hook"] = None
        own["_has_hooks"] = False
        for name in _TABLES:
            own[name] = OrderedDict()
        own["_modules"] = Registry(self)
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    forward = _forward_unimplemented

    # ---- the call -------------------------------------------------------------------------------
    @runs_block
    def __call__(self, *args, **kwargs):
        """Call `forward`, with the hooks before and after it."""
        if TRACE.stretch.node.load > LIMIT_LOAD:
            boundary()
        try:
            if self._has_hooks or ANY:
                return hooks.call(self, args, kwargs)
            return self.forward(*args, **kwargs)
        except Exception as error:
            locate(error)
            raise

    _call_impl = _wrapped_call_impl = __call__

    # ---- attributes -----------------------------------------------------------------------------
    def __getattr__(self, name):
        own = self.__dict__
        for kind in KINDS:
            entries = own.get(kind)
            if entries is not None and name in entries:
                return entries[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    def __setattr__(self, name, value):
        own = self.__dict__
        if isinstance(value, Value):
            if isinstance(value, Parameter):
                self._set_parameter(name, value)
                return
        elif isinstance(value, Module):
            self._set_module(name, value)
            return
        elif name in KINDS:
            replace(self, name, value)
            return
        elif name in _CALL_TABLES:
            own["_has_hooks"] = True
        if name in own.get("_parameters", ()):
            if value is not None:
                fail(
                    TypeError,
                    f"cannot assign '{typename(value)}' as parameter '{name}' (torch.nn.Parameter "
                    "or None expected)",
                    "wrap it in nn.Parameter, or write into the parameter with .copy_() or .data",
                )
            self.register_parameter(name, None)
        elif name in own.get("_modules", ()):
            if value is not None:
                fail(
                    TypeError,
                    f"cannot assign '{typename(value)}' as child module '{name}' (torch.nn.Module "
                    "or None expected)",
                )
            own["_modules"][name] = _seen_by_hooks(Everywhere.on_module, self, name, None)
        elif name in own.get("_buffers", ()) or isinstance(value, Buffer):
            self._set_buffer(name, value)
        else:
            _set(self, name, value)

    def _set_parameter(self, name, value):
        own = self.__dict__
        if "_parameters" not in own:
            fail(AttributeError, "cannot assign parameters before Module.__init__() call")
        if name not in own["_parameters"]:
            self._forget(name)
        self.register_parameter(name, value)

    def _set_module(self, name, value):
        own = self.__dict__
        modules = own.get("_modules")
        if name in own.get("_parameters", ()):
            fail(
                TypeError,
                f"cannot assign '{typename(value)}' as parameter '{name}' (torch.nn.Parameter or "
                "None expected)",
            )
        if modules is None:
            fail(AttributeError, "cannot assign module before Module.__init__() call")
        if name not in modules:
            self._forget(name)
        modules[name] = _seen_by_hooks(Everywhere.on_module, self, name, value)

    def _set_buffer(self, name, value):
        if value is not None and not isinstance(value, Value):
            fail(
                TypeError,
                f"cannot assign '{typename(value)}' as buffer '{name}' (torch.nn.Buffer, "
                "torch.Tensor or None expected)",
            )
        if isinstance(value, Buffer):
            persistent = value.persistent
        else:
            persistent = name not in self._non_persistent_buffers_set
        if getattr(self.register_buffer, "__func__", None) is Module.register_buffer:
            self.register_buffer(name, value, persistent)
        elif "persistent" in inspect.signature(self.register_buffer).parameters:
            self.register_buffer(name, value, persistent)
        elif persistent:
            self.register_buffer(name, value)
        else:
            fail(
                RuntimeError,
                "Registering a non-persistent buffer on a Module subclass that implements "
                "register_buffer() without the persistent argument is not allowed.",
            )

    def _forget(self, name):
        """Take away whatever an attribute of this name was before."""
        own = self.__dict__
        for kind in KINDS:
            own.get(kind, {}).pop(name, None)
        own["_non_persistent_buffers_set"].discard(name)
        own.pop(name, None)

    def __delattr__(self, name):
        for kind in KINDS:
            entries = self.__dict__[kind]
            if name in entries:
                del entries[name]
                if kind == "_buffers":
                    self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self):
        own = plain_state(self.__dict__.copy())
        names = [*dir(type(self)), *own]
        for kind in ("_parameters", "_modules", "_buffers"):
            names.extend(own[kind])
        return sorted([n for n in names if not n[0].isdigit()])

    # ---- registration ---------------------------------------------------------------------------
    def register_parameter(self, name, param):
        """Add a parameter under a name; None reserves the name.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: it is no `Parameter`.
        """
        _check_name(self, "parameter", "_parameters", name)
        if param is not None:
            if not isinstance(param, Parameter):
                fail(
                    TypeError,
                    f"cannot assign '{typename(param)}' object to parameter '{name}' "
                    "(torch.nn.Parameter or None required)",
                )
            if param._gf is not None and param.grad_fn is not None:
                fail(
                    ValueError,
                    f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must "
                    f"be created explicitly. To express '{name}' as a function of another Tensor, "
                    "compute the value in the forward() method.",
                )
            param = _seen_by_hooks(Everywhere.on_parameter, self, name, param)
        self._parameters[name] = param

    def register_buffer(self, name, tensor, persistent=True):
        """Add a tensor that is no parameter but belongs to the module's state.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: it is no tensor.
        """
        _check_name(self, "buffer", "_buffers", name)
        if tensor is not None and not isinstance(tensor, Value):
            fail(
                TypeError,
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or "
                "None required)",
            )
        self._buffers[name] = _seen_by_hooks(Everywhere.on_buffer, self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def add_module(self, name, module):
        """Add a module under a name.

        Raises:
            KeyError: the name is taken, empty or has a dot.
            TypeError: it is no module.
        """
        if not isinstance(module, Module) and module is not None:
            fail(TypeError, f"{typename(module)} is not a Module subclass")
        if not isinstance(name, str):
            fail(TypeError, f"module name should be a string. Got {typename(name)}")
        if name not in self._modules and hasattr(self, name):
            fail(KeyError, f"attribute '{name}' already exists")
        if "." in name:
            fail(KeyError, f'module name can\'t contain ".", got: {name}')
        if name == "":
            fail(KeyError, 'module name can\'t be empty string ""')
        self._modules[name] = _seen_by_hooks(Everywhere.on_module, self, name, module)

    def register_module(self, name, module):
        """The same as `add_module`."""
        self.add_module(name, module)

    # ---- what is inside -------------------------------------------------------------------------
    def named_modules(self, memo=None, prefix="", remove_duplicate=True):
        """All modules inside with their dotted names, this one first under ''."""
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        above = f"{prefix}." if prefix else ""
        for name, module in self._modules.items():
            if module is not None:
                yield from module.named_modules(memo, above + name, remove_duplicate)

    def modules(self, remove_duplicate=True):
        """All modules inside, this one first, each once."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_children(self):
        """The modules registered here, by name, each once."""
        seen = set()
        for name, module in self._modules.items():
            if module is not None and module not in seen:
                seen.add(module)
                yield name, module

    def children(self):
        """The modules registered here, each once."""
        for _, module in self.named_children():
            yield module

    def _named_members(self, get_members_fn, prefix="", recurse=True, remove_duplicate=True):
        if recurse:
            places = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        else:
            places = [(prefix, self)]
        seen = set()
        for place, module in places:
            above = f"{place}." if place else ""
            for name, member in get_members_fn(module):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield above + name, member

    def named_parameters(self, prefix="", recurse=True, remove_duplicate=True):
        """The parameters with their dotted names, each once."""
        yield from self._named_members(
            lambda module: module._parameters.items(), prefix, recurse, remove_duplicate
        )

    def parameters(self, recurse=True):
        """The parameters, each once, in the order of registration.

        Example:
            >>> [p.shape for p in nacre.nn.Linear(2, 3).parameters()]
            [torch.Size([3, 2]), torch.Size([3])]
        """
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_buffers(self, prefix="", recurse=True, remove_duplicate=True):
        """The buffers with their dotted names, each once."""
        yield from self._named_members(
            lambda module: module._buffers.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse=True):
        """The buffers, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def get_submodule(self, target):
        """The module of a dotted name; '' is this one."""
        module = self
        for name in target.split(".") if target else ():
            if not hasattr(module, name):
                fail(AttributeError, f"{module._get_name()} has no attribute `{name}`")
            module = getattr(module, name)
            if not isinstance(module, Module):
                fail(AttributeError, f"`{name}` is not an nn.Module")
        return module

    def set_submodule(self, target, module, strict=False):
        """Put a module in the place of a dotted name."""
        if target == "":
            fail(ValueError, "Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            fail(ValueError, f"`module` is not an nn.Module, found {type(module)}")
        above, _, name = target.rpartition(".")
        parent = self.get_submodule(above)
        if strict and not hasattr(parent, name):
            fail(AttributeError, f"{parent._get_name()} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            fail(AttributeError, f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def _get_member(self, target):
        above, _, name = target.rpartition(".")
        module = self.get_submodule(above)
        if not hasattr(module, name):
            fail(AttributeError, f"{module._get_name()} has no attribute `{name}`")
        return module, name, getattr(module, name)

    def get_parameter(self, target):
        """The parameter of a dotted name."""
        _, name, found = self._get_member(target)
        if not isinstance(found, Parameter):
            fail(AttributeError, f"`{name}` is not an nn.Parameter")
        return found

    def get_buffer(self, target):
        """The buffer of a dotted name."""
        module, name, found = self._get_member(target)
        if name not in module._buffers:
            fail(AttributeError, f"`{name}` is not a buffer")
        return found

    # ---- for all at once ------------------------------------------------------------------------
    def apply(self, fn):
        """Call `fn` with every module inside, then with this one; returns the module."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn, recurse=True):
        """Replace the values of parameters, their gradients and buffers by `fn` of them."""
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            grad = param._grad
            with no_grad():
                applied = fn(param)
                if applied is not param:
                    param.data = applied
                if grad is not None:
                    applied = fn(grad)
                    if applied is not grad:
                        grad.data = applied
        for name, buffer in list(self._buffers.items()):
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args, **kwargs):
        """Parameters and buffers on another device or, the floating ones, of another dtype."""
        given = kwargs.get("dtype")
        for a in args:
            given = a if type(a).__name__ == "dtype" else given
        if given is not None and not given.is_floating_point:
            fail(
                TypeError,
                "nn.Module.to only accepts floating point or complex dtypes, but got desired "
                f"dtype={given}",
            )

        def convert(t):
            return t.to(*args, **kwargs) if t.is_floating_point() else t

        return self._apply(convert)

    def type(self, dst_type):
        """All parameters and buffers of another dtype."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self):
        """Floating parameters and buffers as float32."""
        return self._apply(lambda t: t.float() if t.is_floating_point() else t)

    def double(self):
        """Floating parameters and buffers as float64."""
        return self._apply(lambda t: t.double() if t.is_floating_point() else t)

    def half(self):
        """Floating parameters and buffers as float16."""
        return self._apply(lambda t: t.half() if t.is_floating_point() else t)

    def bfloat16(self):
        """Floating parameters and buffers as bfloat16."""
        return self._apply(lambda t: t.bfloat16() if t.is_floating_point() else t)

    def cpu(self):
        """All parameters and buffers on the CPU."""
        return self._apply(lambda t: t.cpu())

    def cuda(self, device=None):
        """All parameters and buffers on an accelerator."""
        return self._apply(lambda t: t.cuda(device))

    def to_empty(self, *, device, recurse=True):
        """Parameters and buffers on a device, their values not set."""
        return self._apply(lambda t: t.new_empty(tuple(t.shape), device=device), recurse)

    def share_memory(self):
        """Accepted for compatibility."""
        return self._apply(lambda t: t.share_memory_())

    def train(self, mode=True):
        """Switch to training (or evaluation) mode, here and inside."""
        if not isinstance(mode, bool):
            fail(ValueError, "training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self):
        """Switch to evaluation mode: dropout passes values on as they are."""
        return self.train(False)

    def requires_grad_(self, requires_grad=True):
        """Say for all parameters whether gradients are recorded."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none=True):
        """Set the gradients of all parameters to None, or to zeros."""
        for param in self.parameters():
            grad = param._grad
            if grad is None:
                continue
            if set_to_none:
                param._grad = None
                continue
            if grad.grad_fn is not None:
                grad.detach_()
            else:
                grad.requires_grad_(False)
            grad.zero_()

    def compile(self, *args, **kwargs):
        """Accepted for compatibility: everything is compiled anyway."""

    # ---- hooks ----------------------------------------------------------------------------------
    def register_forward_pre_hook(self, hook, *, prepend=False, with_kwargs=False):
        """Call `hook(module, args)` before `forward`; what it returns replaces the arguments."""
        marks = ((self._forward_pre_hooks_with_kwargs, with_kwargs),)
        return self._add_hook("_forward_pre_hooks", hook, prepend, marks)

    def register_forward_hook(self, hook, *, prepend=False, with_kwargs=False, always_call=False):
        """Call `hook(module, args, output)` after `forward`; it may replace the output."""
        marks = (
            (self._forward_hooks_with_kwargs, with_kwargs),
            (self._forward_hooks_always_called, always_call),
        )
        return self._add_hook("_forward_hooks", hook, prepend, marks)

    def register_full_backward_pre_hook(self, hook, prepend=False):
        """Call `hook(module, grad_output)` before the module's backward."""
        return self._add_hook("_backward_pre_hooks", hook, prepend)

    def register_full_backward_hook(self, hook, prepend=False):
        """Call `hook(module, grad_input, grad_output)` after the module's backward."""
        self._one_kind(True)
        return self._add_hook("_backward_hooks", hook, prepend)

    def register_backward_hook(self, hook):
        """Call `hook(module, grad_input, grad_output)` on the module's last operation alone."""
        self._one_kind(False)
        return self._add_hook("_backward_hooks", hook)

    def _add_hook(self, table, hook, prepend=False, marks=()):
        self.__dict__["_has_hooks"] = True
        return hooks.add(self.__dict__[table], hook, prepend, marks)

    def _one_kind(self, full):
        if self._is_full_backward_hook is (not full):
            fail(
                RuntimeError,
                "Cannot use both regular backward hooks and full backward hooks on a single "
                "Module. Please use only one of them.",
            )
        self._is_full_backward_hook = full

    # ---- state dicts ----------------------------------------------------------------------------
    def state_dict(self, *args, destination=None, prefix="", keep_vars=False):
        """The parameters and persistent buffers by dotted name, without gradients."""
        if args:
            destination, prefix, keep_vars = state.positional(args, destination, prefix, keep_vars)
        return state.collect(self, destination, prefix, keep_vars)

    def _save_to_state_dict(self, destination, prefix, keep_vars):
        state.save_own(self, destination, prefix, keep_vars, Module.get_extra_state)

    def load_state_dict(self, state_dict, strict=True, assign=False):
        """Write the tensors of a state dict into the module (or assign them).

        Returns the missing and unexpected keys, which are errors where `strict` is set.
        """
        return state.load(self, state_dict, strict, assign)

    def _load_from_state_dict(
        self,
        state_dict,
        prefix,
        local_metadata,
        strict,
        missing_keys,
        unexpected_keys,
        error_msgs,
    ):
        state.load_own(
            self,
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
            Module.set_extra_state,
        )

    def get_extra_state(self):
        """More state than tensors, for `state_dict`; for subclasses to define."""
        fail(RuntimeError, f"{type(self).__name__} does not define get_extra_state()")

    def set_extra_state(self, state):
        """Take back what `get_extra_state` gave; for subclasses to define."""
        fail(RuntimeError, f"{type(self).__name__} does not define set_extra_state()")

    def register_state_dict_pre_hook(self, hook):
        """Call `hook(module, prefix, keep_vars)` before the state is collected."""
        return hooks.add(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook):
        """Call `hook(module, state_dict, prefix, local_metadata)` after; it may change the dict."""
        hook._from_public_api = True
        return hooks.add(self._state_dict_hooks, hook)

    def _register_state_dict_hook(self, hook):
        if getattr(hook, "_from_public_api", False):
            fail(
                RuntimeError,
                "Cannot register the same function as the state dict post hook that was previously "
                "registered via register_state_dict_post_hook",
            )
        return hooks.add(self._state_dict_hooks, hook)

    def register_load_state_dict_pre_hook(self, hook):
        """Call `hook(module, state_dict, prefix, local_metadata, strict, …)` before loading."""
        return self._register_load_state_dict_pre_hook(hook, with_module=True)

    def _register_load_state_dict_pre_hook(self, hook, with_module=False):
        wrapped = hooks.Bound(hook, self if with_module else None)
        return hooks.add(self._load_state_dict_pre_hooks, wrapped)

    def register_load_state_dict_post_hook(self, hook):
        """Call `hook(module, incompatible_keys)` after loading."""
        return hooks.add(self._load_state_dict_post_hooks, hook)

    # ---- copies and pickles ---------------------------------------------------------------------
    def __getstate__(self):
        return plain_state(self.__dict__.copy())

    def __setstate__(self, state):
        own = self.__dict__
        own.update(state)
        for name in _TABLES:
            own.setdefault(name, OrderedDict())
        own.setdefault("_non_persistent_buffers_set", set())
        own.setdefault("_is_full_backward_hook", None)
        own["_has_hooks"] = True  # the first call looks
        adopt(self)

    def __reduce_ex__(self, protocol):
        parts = object.__reduce_ex__(self, max(protocol, 2))
        if isinstance(parts, str):
            return parts
        maker, arguments, *rest = parts
        if rest and isinstance(rest[0], dict) and rest[0].get("_parameters") is not None:
            rest[0] = plain_state(dict(rest[0]))
        cls = type(self)
        if arguments == (cls,) and OWN.get(cls.__name__) is cls:
            maker, arguments = blank, (cls.__name__,)
        return (maker, arguments, *rest)

    def _replicate_for_data_parallel(self):
        replica = type(self).__new__(type(self))
        replica.__dict__.update(plain_state(self.__dict__.copy()))
        for kind in KINDS:
            entries = {} if kind == "_parameters" else dict(replica.__dict__[kind])
            replica.__dict__[kind] = Registry(replica, entries)
        replica.__dict__["_is_replica"] = True
        return replica

    # ---- printing -------------------------------------------------------------------------------
    def _get_name(self):
        return type(self).__name__

    def extra_repr(self):
        """What the module prints about itself between its brackets."""
        return ""

    def __repr__(self):
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        own = len(lines)
        for name, module in self._modules.items():
            lines.append(f"({name}): {indented(repr(module))}")
        if not lines:
            return f"{self._get_name()}()"
        if own == 1 and len(lines) == 1:
            return f"{self._get_name()}({lines[0]})"
        inside = "\n  ".join(lines)
        return f"{self._get_name()}(\n  {inside}\n)"


def _check_name(module, kind, place, name):
    """Refuse names that cannot be registered, in PyTorch's words."""
    entries = module.__dict__.get(place)
    if entries is None:
        fail(AttributeError, f"cannot assign {kind} before Module.__init__() call")
    if not isinstance(name, str):
        fail(TypeError, f"{kind} name should be a string. Got {typename(name)}")
    if "." in name:
        fail(KeyError, f'{kind} name can\'t contain "."')
    if name == "":
        fail(KeyError, f'{kind} name can\'t be empty string ""')
    if name not in entries and hasattr(module, name):
        fail(KeyError, f"attribute '{name}' already exists")


def _seen_by_hooks(table, module, name, value):
    """A value about to be registered, as the registration hooks leave it."""
    for hook in table.values():
        changed = hook(module, name, value)
        value = value if changed is None else changed
    return value


__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]
