"""Hooks of modules: what users attach to run before and after forward and backward.

Hooks are kept in dictionaries by number, of each module and of all modules together; a handle takes
its hook out again. `call` is the way a module with hooks is called.
"""

from __future__ import annotations

import warnings
from collections import OrderedDict
from itertools import count

from nacre.base.errors import fail
from nacre.ir.node import meta_of
from nacre.ir.tape import Port, class_of, edge_of, requires
from nacre.ir.trace import TRACE, Value
from nacre.ops import view
from nacre.ops.create import full

_numbers = count()


class RemovableHandle:
    """Takes a hook out, by `remove()` or at the end of a with statement."""

    def __init__(self, table, *more):
        self.id = next(_numbers)
        self._tables = (table, *more)

    def remove(self):
        """Take the hook out; a second call does nothing."""
        for table in self._tables:
            table.pop(self.id, None)

    def __enter__(self):
        return self

    def __exit__(self, *exc):
        self.remove()


def add(table, hook, prepend=False, marks=()):
    """Put a hook into a table and its number into each of the tables of marks."""
    handle = RemovableHandle(table, *[m for m, _ in marks])
    table[handle.id] = hook
    for mark, on in marks:
        if on:
            mark[handle.id] = True
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


class Everywhere:
    """The hooks of all modules."""

    forward_pre: OrderedDict = OrderedDict()
    forward: OrderedDict = OrderedDict()
    with_kwargs: OrderedDict = OrderedDict()
    always_called: OrderedDict = OrderedDict()
    backward_pre: OrderedDict = OrderedDict()
    backward: OrderedDict = OrderedDict()
    backward_is_full: bool | None = None
    on_parameter: OrderedDict = OrderedDict()
    on_buffer: OrderedDict = OrderedDict()
    on_module: OrderedDict = OrderedDict()


# Module.__call__ asks two flags alone: ANY is empty exactly while no hooks are for all modules,
# and a module's `_has_hooks` is false only while it has none of its own.
_tables = (
    Everywhere.forward_pre,
    Everywhere.forward,
    Everywhere.backward_pre,
    Everywhere.backward,
)
ANY: list = []


class _GlobalHandle(RemovableHandle):
    def remove(self):
        super().remove()
        _count()


def _count():
    ANY[:] = [1] if any(_tables) else []


def _everywhere(table, hook, marks=()):
    handle = _GlobalHandle(table, *[m for m, _ in marks])
    table[handle.id] = hook
    for mark, on in marks:
        if on:
            mark[handle.id] = True
    _count()
    return handle


def register_module_forward_pre_hook(hook):
    """Call `hook(module, args)` before the forward of every module."""
    return _everywhere(Everywhere.forward_pre, hook)


def register_module_forward_hook(hook, *, with_kwargs=False, always_call=False):
    """Call `hook(module, args, output)` after the forward of every module."""
    marks = ((Everywhere.with_kwargs, with_kwargs), (Everywhere.always_called, always_call))
    return _everywhere(Everywhere.forward, hook, marks)


_BOTH_KINDS = (
    "Cannot use both regular backward hooks and full backward hooks as a global Module hook. "
    "Please use only one of them."
)


def register_module_backward_hook(hook):
    """Call `hook(module, grad_input, grad_output)` on the last operation of every module."""
    if Everywhere.backward_is_full is True:
        fail(RuntimeError, _BOTH_KINDS)
    Everywhere.backward_is_full = False
    return _everywhere(Everywhere.backward, hook)


def register_module_full_backward_pre_hook(hook):
    """Call `hook(module, grad_output)` before the backward of every module."""
    return _everywhere(Everywhere.backward_pre, hook)


def register_module_full_backward_hook(hook):
    """Call `hook(module, grad_input, grad_output)` after the backward of every module."""
    if Everywhere.backward_is_full is False:
        fail(RuntimeError, _BOTH_KINDS)
    Everywhere.backward_is_full = True
    return _everywhere(Everywhere.backward, hook)


def register_module_buffer_registration_hook(hook):
    """Call `hook(module, name, buffer)` when a buffer is registered; it may replace it."""
    return add(Everywhere.on_buffer, hook)


def register_module_module_registration_hook(hook):
    """Call `hook(module, name, submodule)` when a module is registered; it may replace it."""
    return add(Everywhere.on_module, hook)


def register_module_parameter_registration_hook(hook):
    """Call `hook(module, name, param)` when a parameter is registered; it may replace it."""
    return add(Everywhere.on_parameter, hook)


# ---- a call with hooks --------------------------------------------------------------------------
class _Call:
    """One call of a module with hooks: what it was given, and what has run."""

    __slots__ = ("args", "kwargs", "module", "ran", "result")

    def __init__(self, module, args, kwargs):
        self.module = module
        self.args = args
        self.kwargs = kwargs
        self.result = None
        self.ran = set()

    def before(self):
        """Run the forward pre-hooks, which may change the arguments."""
        module = self.module
        with_kwargs = module._forward_pre_hooks_with_kwargs
        for number, hook in (*Everywhere.forward_pre.items(), *module._forward_pre_hooks.items()):
            if number in with_kwargs:
                changed = hook(module, self.args, self.kwargs)
                if changed is None:
                    continue
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    fail(
                        RuntimeError,
                        "forward pre-hook must return None or a tuple of (new_args, new_kwargs), "
                        f"but got {changed}.",
                    )
                self.args, self.kwargs = changed
            else:
                changed = hook(module, self.args)
                if changed is not None:
                    self.args = changed if isinstance(changed, tuple) else (changed,)

    def after(self):
        """Run the forward hooks, which may change the result."""
        module = self.module
        for number, hook in (*Everywhere.forward.items(), *module._forward_hooks.items()):
            if number in module._forward_hooks_always_called or number in Everywhere.always_called:
                self.ran.add(number)
            self._run(number, hook)

    def _run(self, number, hook):
        module = self.module
        if number in module._forward_hooks_with_kwargs or number in Everywhere.with_kwargs:
            changed = hook(module, self.args, self.kwargs, self.result)
        else:
            changed = hook(module, self.args, self.result)
        if changed is not None:
            self.result = changed

    def failed(self):
        """Run the hooks that are always called and were not yet."""
        module = self.module
        for whose, table, always in (
            ("global module", Everywhere.forward, Everywhere.always_called),
            ("module", module._forward_hooks, module._forward_hooks_always_called),
        ):
            for number, hook in list(table.items()):
                if number not in always or number in self.ran:
                    continue
                try:
                    self._run(number, hook)
                except Exception as error:
                    warnings.warn(
                        f"{whose} forward hook with ``always_call=True`` raised an exception that "
                        f"was silenced as another error was raised in forward: {error}",
                        stacklevel=4,
                    )


def call(module, args, kwargs):
    """Call a module with its hooks and those of all modules."""
    if not (
        module._forward_hooks
        or module._forward_pre_hooks
        or module._backward_hooks
        or module._backward_pre_hooks
        or ANY
    ):
        module.__dict__["_has_hooks"] = False
        return module.forward(*args, **kwargs)
    running = _Call(module, args, kwargs)
    try:
        return _call(running, module)
    except Exception:
        running.failed()
        raise


def _call(running, module):
    before, full, plain = _backward_hooks(module)
    running.before()
    boundary = None
    if full or before:
        boundary = BackwardBoundary(module, full, before)
        running.args = boundary.enter(running.args)
    running.result = module.forward(*running.args, **running.kwargs)
    running.after()
    if boundary is not None:
        if not isinstance(running.result, (Value, tuple)):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of "
                f"Tensors but received {type(running.result)}",
                stacklevel=4,
            )
        running.result = boundary.leave(running.result)
    if plain:
        _hook_last_operation(module, plain, running)
    return running.result


def _backward_hooks(module):
    """The backward pre-hooks, the full backward hooks and the others that concern a module."""
    before = [*Everywhere.backward_pre.values(), *module._backward_pre_hooks.values()]
    full: list = []
    plain: list = []
    for table, is_full in (
        (Everywhere.backward, Everywhere.backward_is_full),
        (module._backward_hooks, module._is_full_backward_hook),
    ):
        (full if is_full else plain).extend(table.values())
    return before, full, plain


def _hook_last_operation(module, hooks, running):
    """Hooks of the older kind see the gradients of the operation that made the result."""
    found = running.result
    while not isinstance(found, Value):
        found = (
            next(v for v in found.values() if isinstance(v, Value))
            if isinstance(found, dict)
            else found[0]
        )
    grad_fn = found.grad_fn
    if grad_fn is None:
        return
    for hook in hooks:
        grad_fn.register_hook(Bound(hook, module))
    _warn_of_partial_gradients(running.args, running.result, grad_fn)


class Bound:
    """A hook with the module it is called for, or with none."""

    def __init__(self, hook, module=None):
        self.hook = hook
        self.module = module

    def __call__(self, *args, **kwargs):
        """Call the hook, with the module first if there is one."""
        if self.module is None:
            return self.hook(*args, **kwargs)
        return self.hook(self.module, *args, **kwargs)


_USE_FULL = "Please use register_full_backward_hook to get the documented behavior."


def _warn_of_partial_gradients(args, result, grad_fn):
    words = _partial(args, result, grad_fn)
    if words is not None:
        warnings.warn(f"Using {words}", FutureWarning, stacklevel=6)


def _all_tensors(values):
    return isinstance(values, tuple) and all(isinstance(v, Value) for v in values)


def _partial(args, result, grad_fn):
    """What gradients a hook of the older kind will miss, in PyTorch's words, or None."""
    outputs = (result,) if isinstance(result, Value) else result
    if not _all_tensors(outputs):
        return (
            "non-full backward hooks on a Module that does not return a single Tensor or a tuple "
            "of Tensors is deprecated and will be removed in future versions. This hook will be "
            f"missing some of the grad_output. {_USE_FULL}"
        )
    if not _all_tensors(args):
        return (
            "non-full backward hooks on a Module that does not take as input a single Tensor or a "
            "tuple of Tensors is deprecated and will be removed in future versions. This hook will "
            f"be missing some of the grad_input. {_USE_FULL}"
        )
    made = {id(r.grad_fn) for r in outputs if r.grad_fn is not None}
    if not made or (len(made) == 1 and id(grad_fn) not in made):
        return (
            "a non-full backward hook when outputs are nested in python data structure is "
            "deprecated and will be removed in future versions. This hook will be missing some "
            "grad_output."
        )
    if len(made) > 1:
        return (
            "a non-full backward hook when outputs are generated by different autograd Nodes is "
            "deprecated and will be removed in future versions. This hook will be missing some "
            f"grad_output. {_USE_FULL}"
        )
    given = {id(a.grad_fn) for a in args if a.grad_fn is not None}
    if given != {id(f) for f, _ in grad_fn.next_functions}:
        return (
            "a non-full backward hook when the forward contains multiple autograd Nodes is "
            "deprecated and will be removed in future versions. This hook will be missing some "
            f"grad_input. {_USE_FULL}"
        )
    return None


# ---- the gradients of a whole module ------------------------------------------------------------
class _Through:
    """The record of an identity on the tape that shows the gradients passing through it."""

    name = "module_boundary"
    grad_name = "BackwardHookFunctionBackward"
    kind = "view"

    def __init__(self, see):
        self.see = see

    def grad_many(self, node, grads):
        """The gradients, as whoever sees them leaves them."""
        return self.see(node, [grads.get(i) for i in range(len(node.next))])


def _pass(values, see):
    """The same values with their tensors behind one grad_fn, and the places of the tensors.

    The places are None where no gradients flow.
    """
    places = [i for i, v in enumerate(values) if isinstance(v, Value)]
    tensors = [values[i] for i in places]
    if not TRACE.grad or not any(requires(t) for t in tensors):
        return values, None
    edges = [edge_of(t) for t in tensors]
    needs = tuple([e is not None for e in edges])
    metas = [t._m for t in tensors]
    node = class_of(_Through.grad_name)(_Through(see), None, None, metas[0], edges, needs, metas)
    changed = list(values)
    for i, (place, t) in enumerate(zip(places, tensors, strict=True)):
        marked = view.detached(t)
        if needs[i]:
            marked._gf = Port(node, i)
            marked._rg = True
        changed[place] = marked
    kind = type(values)
    return tuple(changed) if kind is tuple else kind(*changed), places


def _zeros(m):
    return full(0.0, attrs=meta_of(tuple(m.shape), m.dtype, None, m.device))


def _spread(places, grads, size):
    """Gradients at their places among all values, None elsewhere."""
    full = [None] * size
    for place, g in zip(places, grads, strict=True):
        full[place] = g
    return tuple(full)


class BackwardBoundary:
    """Marks a module's inputs and outputs on the tape, to call its backward hooks between them."""

    def __init__(self, module, hooks, pre_hooks):
        self.module = module
        self.hooks = hooks
        self.pre_hooks = pre_hooks
        self.outgoing = None
        self.inputs = self.outputs = None
        self.given = self.made = 0

    def enter(self, args):
        """Mark the positional arguments."""
        args, self.inputs = _pass(args, self._on_inputs)
        self.given = len(args)
        return args

    def leave(self, result):
        """Mark the results, where hooks learn of their gradients."""
        alone = not isinstance(result, tuple)
        marked, self.outputs = _pass((result,) if alone else result, self._on_outputs)
        self.made = len(marked)
        return marked[0] if alone else marked

    def _on_outputs(self, node, grads):
        outgoing = _spread(self.outputs, grads, self.made)
        for hook in self.pre_hooks:
            changed = hook(self.module, outgoing)
            if changed is None:
                continue
            if len(changed) != self.made:
                fail(
                    RuntimeError,
                    "Backward pre hook returned an invalid number of grad_output, got "
                    f"{len(changed)}, but expected {self.made}",
                )
            outgoing = changed
        if self.inputs is None:
            self._without_inputs(outgoing)
        else:
            self.outgoing = outgoing
        return [outgoing[place] for place in self.outputs]

    def _without_inputs(self, outgoing):
        """No gradient leaves through an input, so the hooks run here."""
        warnings.warn(
            "Full backward hook is firing when gradients are computed with respect to module "
            "outputs since no inputs require gradients. See "
            "https://docs.pytorch.org/docs/main/generated/torch.nn.Module.html"
            "#torch.nn.Module.register_full_backward_hook for more details.",
            stacklevel=5,
        )
        for hook in self.hooks:
            changed = hook(self.module, (None,) * self.given, outgoing)
            if changed is None or (isinstance(changed, tuple) and all(g is None for g in changed)):
                continue
            fail(
                RuntimeError,
                "Backward hook for Modules where no input requires gradient should always return "
                "None or None for all gradients.",
            )

    def _on_inputs(self, node, grads):
        if self.outgoing is None:  # a gradient that reached the inputs past the outputs
            return grads
        grads = [_zeros(m) if g is None else g for g, m in zip(grads, node.metas, strict=True)]
        incoming = _spread(self.inputs, grads, self.given)
        for hook in self.hooks:
            changed = hook(self.module, incoming, self.outgoing)
            if changed is None:
                continue
            if len(changed) != len(incoming):
                fail(
                    RuntimeError,
                    "Backward hook returned an invalid number of grad_input, got "
                    f"{len(changed)}, but expected {len(incoming)}",
                )
            incoming = changed
        self.outgoing = None
        return [incoming[place] for place in self.inputs]
