"""State dicts: the tensors of a module by name, taken out and put back."""

from __future__ import annotations

import warnings
from collections import OrderedDict, namedtuple
from collections.abc import Mapping

from nacre.autograd.modes import no_grad
from nacre.base.errors import fail
from nacre.ir.trace import Value
from nacre.nn.parameter import Parameter, is_lazy

EXTRA = "_extra_state"


class _IncompatibleKeys(namedtuple("IncompatibleKeys", ["missing_keys", "unexpected_keys"])):
    """What `load_state_dict` found in only one of the module and the state dict."""

    __slots__ = ()

    def __repr__(self):
        if not self.missing_keys and not self.unexpected_keys:
            return "<All keys matched successfully>"
        return super().__repr__()

    __str__ = __repr__


# ---- taking out ---------------------------------------------------------------------------------
def _overridden(module, name, original):
    return getattr(type(module), name, original) is not original


def save_own(module, destination, prefix, keep_vars, original):
    """Put a module's own parameters, persistent buffers and extra state into `destination`."""
    skipped = module._non_persistent_buffers_set
    for entries in (module._parameters, module._buffers):
        for name, value in entries.items():
            if value is None or (entries is module._buffers and name in skipped):
                continue
            destination[prefix + name] = value if keep_vars else value.detach()
    if _overridden(module, "get_extra_state", original):
        destination[prefix + EXTRA] = module.get_extra_state()


def collect(module, destination, prefix, keep_vars):
    """The state of a module and of those inside it."""
    if destination is None:
        destination = OrderedDict()
        destination._metadata = OrderedDict()  # type: ignore[attr-defined]
    metadata = {"version": module._version}
    if hasattr(destination, "_metadata"):
        destination._metadata[prefix[:-1]] = metadata
    for hook in module._state_dict_pre_hooks.values():
        hook(module, prefix, keep_vars)
    module._save_to_state_dict(destination, prefix, keep_vars)
    for name, child in module._modules.items():
        if child is not None:
            child.state_dict(
                destination=destination, prefix=f"{prefix}{name}.", keep_vars=keep_vars
            )
    for hook in module._state_dict_hooks.values():
        changed = hook(module, destination, prefix, metadata)
        if changed is None:
            continue
        if getattr(hook, "_from_public_api", False):
            fail(RuntimeError, "state_dict post-hook must return None")
        destination = changed
    return destination


def positional(args, destination, prefix, keep_vars):
    """The arguments of `state_dict` given by position, as was once done."""
    warnings.warn(
        "Positional args are being deprecated, use kwargs instead. Refer to "
        "https://pytorch.org/docs/main/generated/torch.nn.Module.html#torch.nn.Module.state_dict "
        "for details.",
        FutureWarning,
        stacklevel=3,
    )
    if destination is None:
        destination = args[0]
    if len(args) > 1 and prefix == "":
        prefix = args[1]
    if len(args) > 2 and keep_vars is False:
        keep_vars = args[2]
    return destination, prefix, keep_vars


# ---- putting back -------------------------------------------------------------------------------
def load_own(module, state, prefix, metadata, strict, missing, unexpected, errors, original):
    """Write entries of a state dict into a module's own parameters and buffers."""
    for hook in module._load_state_dict_pre_hooks.values():
        hook(state, prefix, metadata, strict, missing, unexpected, errors)
    skipped = module._non_persistent_buffers_set
    own = {k: v for k, v in module._parameters.items() if v is not None}
    own.update({k: v for k, v in module._buffers.items() if v is not None and k not in skipped})
    assign = metadata.get("assign_to_params_buffers", False)
    for name, target in own.items():
        key = prefix + name
        if key in state:
            _load_entry(module, name, key, target, state[key], assign, errors)
        elif strict:
            missing.append(key)
    _load_extra(module, prefix + EXTRA, state, strict, missing, unexpected, original)
    if strict:
        unexpected.extend(_strangers(module, state, prefix, own))


def _load_extra(module, key, state, strict, missing, unexpected, original):
    if _overridden(module, "set_extra_state", original):
        if key in state:
            module.set_extra_state(state[key])
        elif strict:
            missing.append(key)
    elif strict and key in state:
        unexpected.append(key)


def _strangers(module, state, prefix, own):
    """Keys under this prefix that belong neither to the module nor to a module inside it."""
    found = []
    for key in state:
        if not key.startswith(prefix) or key == prefix + EXTRA:
            continue
        first, dot, _ = key[len(prefix) :].partition(".")
        if first not in (module._modules if dot else own):
            found.append(key)
    return found


def _load_entry(module, name, key, target, value, assign, errors):
    if not isinstance(value, Value):
        errors.append(
            f'While copying the parameter named "{key}", expected torch.Tensor or Tensor-like '
            f"object from checkpoint but received {type(value)}"
        )
        return
    if not is_lazy(target):
        if len(target.shape) == 0 and len(value.shape) == 1 and value.shape[0] == 1:
            value = value[0]
        if value.shape != target.shape:
            errors.append(
                f"size mismatch for {key}: copying a param with shape {value.shape} from "
                f"checkpoint, the shape in current model is {target.shape}."
            )
            return
    try:
        with no_grad():
            if not assign:
                target.copy_(value)
                return
            if isinstance(target, Parameter):
                if isinstance(value, Parameter):
                    value.requires_grad_(target.requires_grad)
                else:
                    value = Parameter(value, requires_grad=target.requires_grad)
            setattr(module, name, value)
    except Exception as error:
        errors.append(
            f'While copying the parameter named "{key}", whose dimensions in the model are '
            f"{target.size()} and whose dimensions in the checkpoint are {value.size()}, an "
            f"exception occurred : {error.args}."
        )


def _load_tree(module, state, prefix, metadata, assign, missing, unexpected, errors):
    own = {} if metadata is None else metadata.get(prefix[:-1], {})
    if assign:
        own["assign_to_params_buffers"] = assign
    module._load_from_state_dict(state, prefix, own, True, missing, unexpected, errors)
    for name, child in module._modules.items():
        if child is not None:
            below = f"{prefix}{name}."
            part = {k: v for k, v in state.items() if k.startswith(below)}
            _load_tree(child, part, below, metadata, assign, missing, unexpected, errors)
    incompatible = _IncompatibleKeys(missing, unexpected)
    for hook in module._load_state_dict_post_hooks.values():
        if hook(module, incompatible) is not None:
            fail(
                AssertionError,
                "Hooks registered with ``register_load_state_dict_post_hook`` are not expected to "
                "return new values, if incompatible_keys need to be modified, it should be done "
                "inplace.",
            )


def _quoted(keys):
    return ", ".join([f'"{k}"' for k in keys])


def load(module, given, strict, assign):
    """Write a state dict into a module; the keys found in only one of them.

    Raises:
        RuntimeError: shapes differ, or keys do and `strict` is set.
        TypeError: it is no dictionary.
    """
    if not isinstance(given, Mapping):
        fail(TypeError, f"Expected state_dict to be dict-like, got {type(given)}.")
    metadata = getattr(given, "_metadata", None)
    state = OrderedDict(given)
    if metadata is not None:
        state._metadata = metadata  # type: ignore[attr-defined]
    missing: list[str] = []
    unexpected: list[str] = []
    errors: list[str] = []
    _load_tree(module, state, "", metadata, assign, missing, unexpected, errors)
    notes = []
    if strict and missing:
        errors.insert(0, f"Missing key(s) in state_dict: {_quoted(missing)}. ")
    if strict and unexpected:
        at = 1 if missing else 0
        errors.insert(at, f"Unexpected key(s) in state_dict: {_quoted(unexpected)}. ")
        notes.append("strict=False ignores keys that only one of the two has")
    if errors:
        text = "\n\t".join(errors)
        fail(
            RuntimeError,
            f"Error(s) in loading state_dict for {type(module).__name__}:\n\t{text}",
            *notes,
        )
    return _IncompatibleKeys(missing, unexpected)
