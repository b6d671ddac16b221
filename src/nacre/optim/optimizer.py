"""The base of all optimisers: parameter groups, state, hooks, and how they are saved."""

from __future__ import annotations

import functools
import warnings
from collections import OrderedDict, defaultdict
from collections.abc import Iterable
from copy import deepcopy
from itertools import chain, count
from typing import Any

from nacre.base.dtypes import float32
from nacre.base.errors import fail
from nacre.base.naming import shown_in
from nacre.ir.tape import HookHandle
from nacre.ir.trace import Value
from nacre.runtime.run import evaluate
from nacre.tensor.legacy import typename

_keys = count()
_before_all: OrderedDict = OrderedDict()
_after_all: OrderedDict = OrderedDict()

_HOOKS = (
    "_optimizer_step_pre_hooks",
    "_optimizer_step_post_hooks",
    "_optimizer_state_dict_pre_hooks",
    "_optimizer_state_dict_post_hooks",
    "_optimizer_load_state_dict_pre_hooks",
    "_optimizer_load_state_dict_post_hooks",
)


class _Required:
    """Stands in `defaults` for a setting that every group must give."""

    def __repr__(self):
        return "<required parameter>"


required = _Required()


def _hook(table, function, prepend=False):
    key = next(_keys)
    table[key] = function
    if prepend:
        table.move_to_end(key, last=False)
    return HookHandle(table, key)


def register_optimizer_step_pre_hook(hook):
    """Call `hook(optimizer, args, kwargs)` before the steps of every optimiser."""
    return _hook(_before_all, hook)


def register_optimizer_step_post_hook(hook):
    """Call `hook(optimizer, args, kwargs)` after the steps of every optimiser."""
    return _hook(_after_all, hook)


def stepping(step):
    """A class's `step` with the hooks around it; a step ends the stretch that is recorded."""
    if getattr(step, "hooked", False):
        return step

    @functools.wraps(step)
    def hooked_step(*args, **kwargs):
        self = args[0]
        self._opt_called = True
        before, after = self._optimizer_step_pre_hooks, self._optimizer_step_post_hooks
        if not (before or after or _before_all or _after_all):
            result = step(*args, **kwargs)
            evaluate()
            return result
        for hook in list(chain(_before_all.values(), before.values())):
            changed = hook(self, args, kwargs)
            if changed is None:
                continue
            if not isinstance(changed, tuple) or len(changed) != 2:
                fail(
                    RuntimeError,
                    f"{step} must return None or a tuple of (new_args, new_kwargs), but got "
                    f"{changed}.",
                )
            args, kwargs = changed
        result = step(*args, **kwargs)
        evaluate()
        for hook in list(chain(after.values(), _after_all.values())):
            hook(self, args, kwargs)
        return result

    hooked_step.hooked = True  # type: ignore[attr-defined]
    return hooked_step


@shown_in("torch.optim.optimizer")
class Optimizer:
    """The base class: `params` are tensors or dicts with the settings of a group.

    A subclass passes its settings as `defaults` and writes `step`. `param_groups` holds the groups,
    `state` what the optimiser remembers of each parameter. Raises TypeError or ValueError for what
    cannot be optimised. It may be made before a lazy module has seen data.

    Example:
        >>> w = nacre.ones(2, requires_grad=True)
        >>> opt = nacre.optim.SGD([w], lr=0.1)
        >>> (w * w).sum().backward()
        >>> opt.step()
        >>> w
        tensor([0.8000, 0.8000], requires_grad=True)
    """

    _opt_called = False
    _optimizer_step_pre_hooks: OrderedDict
    _optimizer_step_post_hooks: OrderedDict
    _optimizer_state_dict_pre_hooks: OrderedDict
    _optimizer_state_dict_post_hooks: OrderedDict
    _optimizer_load_state_dict_pre_hooks: OrderedDict
    _optimizer_load_state_dict_post_hooks: OrderedDict

    def __init_subclass__(cls, **kwargs):
        super().__init_subclass__(**kwargs)
        if "step" in cls.__dict__:
            cls.step = stepping(cls.__dict__["step"])

    def __init__(self, params, defaults: dict[str, Any]):
        self.defaults = defaults
        for name in _HOOKS:
            setattr(self, name, OrderedDict())
        if isinstance(params, Value):
            fail(
                TypeError,
                "params argument given to the optimizer should be an iterable of Tensors or dicts, "
                f"but got {typename(params)}",
                "put the tensor into a list",
            )
        self.state: defaultdict = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups = list(params)
        if not groups:
            fail(ValueError, "optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def __getstate__(self):
        return {"defaults": self.defaults, "state": self.state, "param_groups": self.param_groups}

    def __setstate__(self, state):
        self.__dict__.update(state)
        for name in _HOOKS:
            self.__dict__.setdefault(name, OrderedDict())
        self.defaults.setdefault("differentiable", False)

    def __repr__(self):
        text = f"{type(self).__name__} ("
        for i, group in enumerate(self.param_groups):
            text += f"\nParameter Group {i}\n"
            for name in sorted(group):
                if name != "params":
                    text += f"    {name}: {group[name]}\n"
        return text + ")"

    # ---- groups ---------------------------------------------------------------------------------
    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """Add a dict with "params" and settings of its own; the defaults fill in the rest."""
        if not isinstance(param_group, dict):
            fail(TypeError, f"param_group must be a dict, but got {type(param_group)}")
        _spread(param_group)
        for p in param_group["params"]:
            self._check(p)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                fail(
                    ValueError,
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}",
                )
            param_group.setdefault(name, default)
        chosen = set(map(id, param_group["params"]))
        if len(chosen) != len(param_group["params"]):
            warnings.warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error; see github.com/pytorch/pytorch/issues/40967 for more "
                "information",
                UserWarning,
                stacklevel=3,
            )
        named = "param_names" in param_group
        for group in self.param_groups:
            if named != ("param_names" in group):
                fail(
                    ValueError,
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {'with' if named else 'without'} names to the optimizer",
                )
        if any(id(p) in chosen for group in self.param_groups for p in group["params"]):
            fail(ValueError, "some parameters appear in more than one parameter group")
        self.param_groups.append(param_group)

    def _check(self, p):
        if not isinstance(p, Value):
            fail(
                TypeError,
                f"optimizer can only optimize Tensors, but one of the params is {typename(p)}",
            )
        if not (self.defaults.get("differentiable") or p.is_leaf or p.retains_grad):
            fail(
                ValueError,
                "can't optimize a non-leaf Tensor",
                "this tensor was computed from others: pass those, or its .detach() with "
                "requires_grad_()",
            )

    def zero_grad(self, set_to_none: bool = True) -> None:
        """Forget the gradients of all parameters, or set them to zero."""
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p._grad = None
                elif p._grad is not None:
                    if p._grad.grad_fn is not None:
                        p._grad.detach_()
                    else:
                        p._grad.requires_grad_(False)
                    p._grad.zero_()

    def step(self, closure=None):
        """Change the parameters by their gradients; returns what `closure()` returned."""
        raise NotImplementedError

    # ---- hooks ----------------------------------------------------------------------------------
    def register_step_pre_hook(self, hook):
        """Call `hook(optimizer, args, kwargs)` before `step`; it may return new (args, kwargs)."""
        return _hook(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook):
        """Call `hook(optimizer, args, kwargs)` after `step`."""
        return _hook(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(self, hook, prepend=False):
        """Call `hook(optimizer)` before `state_dict` gathers the state."""
        return _hook(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(self, hook, prepend=False):
        """Call `hook(optimizer, state_dict)`; what it returns replaces the dict."""
        return _hook(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(self, hook, prepend=False):
        """Call `hook(optimizer, state_dict)` before loading; it may return another dict."""
        return _hook(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(self, hook, prepend=False):
        """Call `hook(optimizer)` after loading."""
        return _hook(self._optimizer_load_state_dict_post_hooks, hook, prepend)

    # ---- saving ---------------------------------------------------------------------------------
    def state_dict(self) -> dict[str, Any]:
        """The state and the settings; parameters appear as numbers in the order of the groups.

        The tensors are the optimiser's own, not copies.
        """
        for hook in list(self._optimizer_state_dict_pre_hooks.values()):
            hook(self)
        places: dict[int, int] = {}
        groups = []
        start = 0
        for group in self.param_groups:
            for i, p in enumerate(group["params"], start):
                places.setdefault(id(p), i)
            start += len(group["params"])
            packed = {name: value for name, value in group.items() if name != "params"}
            packed["params"] = [places[id(p)] for p in group["params"]]
            groups.append(packed)
        state = {
            places[id(key)] if isinstance(key, Value) else key: value
            for key, value in self.state.items()
        }
        found = {"state": state, "param_groups": groups}
        for hook in list(self._optimizer_state_dict_post_hooks.values()):
            changed = hook(self, found)
            found = found if changed is None else changed
        return found

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Go on from what `state_dict` returned; ValueError if the groups do not match."""
        state_dict = dict(state_dict)
        for hook in list(self._optimizer_load_state_dict_pre_hooks.values()):
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved = deepcopy(state_dict["param_groups"])
        if len(saved) != len(self.param_groups):
            fail(
                ValueError,
                "loaded state dict has a different number of parameter groups",
                f"it has {len(saved)}, this optimizer {len(self.param_groups)}",
            )
        for i, (group, other) in enumerate(zip(self.param_groups, saved, strict=True)):
            if len(group["params"]) != len(other["params"]):
                fail(
                    ValueError,
                    "loaded state dict contains a parameter group that doesn't match the size of "
                    "optimizer's group",
                    f"group {i}: {len(other['params'])} parameters there, "
                    f"{len(group['params'])} here",
                )
        state = _placed(state_dict, saved, self.param_groups)
        for group, other in zip(self.param_groups, saved, strict=True):
            other["params"] = group["params"]
            if "param_names" in group:
                other.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in list(self._optimizer_load_state_dict_post_hooks.values()):
            hook(self)


Optimizer.step = stepping(Optimizer.step)  # type: ignore[method-assign]


def _spread(group):
    """Make "params" a list of tensors, and "param_names" of the names that came with them."""
    given = group["params"]
    if isinstance(given, Value):
        given = [given]
    elif isinstance(given, set):
        fail(
            TypeError,
            "optimizer parameters need to be organized in ordered collections, but the ordering of "
            "tensors in sets will change between runs. Please use a list instead.",
        )
    given = list(given)
    names = [p[0] for p in given if isinstance(p, tuple)]
    group["params"] = [p[1] if isinstance(p, tuple) else p for p in given]
    if not names:
        return
    if len(names) != len(given):
        fail(
            ValueError,
            "all optimizer params should be with/without names. Some param names are missing",
        )
    group["param_names"] = names


def _placed(state_dict, saved, groups):
    """The saved state by parameter, each value of its parameter's type."""
    tensors: dict = {}
    flags: dict = {}
    for group, other in zip(groups, saved, strict=True):
        for i, p in zip(other["params"], group["params"], strict=True):
            tensors[i] = p
            flags.setdefault(i, other.get("fused") or other.get("capturable"))
    state: defaultdict = defaultdict(dict)
    for i, value in state_dict["state"].items():
        if i in tensors:
            state[tensors[i]] = _fitted(value, tensors[i], flags[i])
        else:
            state[i] = value
    return state


def _fitted(value, p, as_float, name=None):
    """A saved value with its tensors in the parameter's type; step counts stay as they are."""
    if isinstance(value, Value):
        if name == "step":
            return value.to(dtype=float32) if as_float else value
        return value.to(dtype=p._m.dtype) if p._m.dtype.is_floating_point else value
    if isinstance(value, dict):
        return {k: _fitted(v, p, as_float, k) for k, v in value.items()}
    if isinstance(value, Iterable) and not isinstance(value, str):
        return type(value)(_fitted(v, p, as_float) for v in value)  # type: ignore[call-arg]
    return value
