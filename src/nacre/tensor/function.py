"""`autograd.Function`: operations whose gradient is written in Python, run as Python every time."""

from __future__ import annotations

import functools
import warnings
import weakref

from nacre.base.errors import fail
from nacre.ir.node import Meta, meta_of
from nacre.ir.tape import GradNode, Port, SavedOutput, edge_of, node_of, requires, version_of
from nacre.ir.trace import TRACE, Value
from nacre.ops import view
from nacre.ops.create import full
from nacre.tensor import cell


class FunctionCtx:
    """What `forward` leaves for `backward`; attributes may be put on it freely."""

    def __init__(self, needs):
        self.needs_input_grad = needs
        self.materialize_grads = True
        self.to_save = ()
        self.dirty_tensors = ()
        self.non_differentiable = ()
        self._node = None

    def save_for_backward(self, *tensors):
        """Keep tensors (inputs or outputs) for backward, watched for writes in place."""
        for i, t in enumerate(tensors):
            if t is not None and not isinstance(t, Value):
                fail(
                    TypeError,
                    f"save_for_backward can only save variables, but argument {i} is of type "
                    f"{type(t).__name__}",
                    "put other values on ctx itself: ctx.name = value",
                )
        self.to_save = tensors

    def save_for_forward(self, *tensors):
        """Accepted for compatibility: there is no forward-mode differentiation."""

    @property
    def saved_tensors(self):
        """What `save_for_backward` was given.

        Raises:
            RuntimeError: one of them was written in place since, or an earlier backward freed them.
        """
        node = None if self._node is None else self._node()
        return () if node is None else node.unpacked()

    saved_variables = saved_tensors

    def mark_dirty(self, *tensors):
        """Say which inputs `forward` has written in place; all of them must be returned."""
        self.dirty_tensors = tensors

    def mark_non_differentiable(self, *tensors):
        """Say which outputs have no gradient."""
        self.non_differentiable = tensors

    def set_materialize_grads(self, value):
        """Whether outputs without a gradient give `backward` zeros (the default) or None."""
        self.materialize_grads = value


class FunctionNode(GradNode):
    """The grad_fn of a Function's results; reads attributes of its ctx as its own."""

    __slots__ = ("ctx", "places")

    def unpacked(self):
        """The saved values in their order, None where None was saved."""
        return tuple([None if k is None else self._unpack(k) for k in self.places])

    def save(self, values, outputs):
        """Hold on to what the ctx was given; results by reference to the tape, not to
        themselves.
        """
        numbers = {id(t): i for i, t in enumerate(outputs)}
        kept = []
        places = []
        for t in values:
            if t is None:
                places.append(None)
                continue
            places.append(len(kept))
            i = numbers.get(id(t))
            own = i is not None and node_of(t) is self
            kept.append(SavedOutput(t, i) if own else t)
        self.places = places
        self.plan.where = tuple(range(len(kept)))
        self.plan.frees = bool(kept)
        self.keep(kept)

    def _unpack(self, k):
        self.check_saved(k)
        return super()._unpack(k)

    def _is_detached(self, k, x):
        return False

    def __getattr__(self, name):
        if name in ("ctx", "places"):
            raise AttributeError(name)
        return getattr(self.ctx, name)


class _Rule:
    """What the engine asks for the gradients of a Function's inputs."""

    kind = "function"

    def __init__(self, function):
        self.function = function
        self.name = function.__name__
        self.grad_name = function.__name__ + "Backward"
        space = {"__slots__": (), "__module__": "torch.autograd.function"}
        self.node = type(self.grad_name, (FunctionNode,), space)
        self.context = type(self.grad_name, (FunctionCtx,), {"__module__": space["__module__"]})

    def grad_many(self, node, grads):
        """Run the user's backward; `grads` holds the known gradients by number of the output."""
        ctx = node.ctx
        given = []
        for i, m in enumerate(node.outputs):
            g = grads.get(i)
            if g is None and ctx.materialize_grads and m is not None:
                g = full(0, attrs=meta_of(tuple(m.shape), m.dtype, None, m.device))
            given.append(g)
        backward = _defined(self.function, "backward") or _defined(self.function, "vjp")
        if backward is None:
            fail(
                NotImplementedError,
                "You must implement either the backward or vjp method for your custom "
                "autograd.Function to use it with backward mode AD.",
            )
        results = backward(ctx, *given)
        return self._checked(node, results if isinstance(results, tuple) else (results,))

    def _checked(self, node, results):
        count = len(node.metas)
        if len(results) > count and all(r is None for r in results[count:]):
            results = results[:count]
        if len(results) != count:
            fail(
                RuntimeError,
                f"function {self.grad_name} returned an incorrect number of gradients (expected "
                f"{count}, got {len(results)})",
                "backward returns one gradient for each argument of forward after ctx, None for "
                "those that are not tensors",
            )
        for i, (r, m) in enumerate(zip(results, node.metas, strict=True)):
            if r is None:
                continue
            if isinstance(m, Meta):
                if not isinstance(r, Value):
                    fail(RuntimeError, f"expected Variable or None (got {type(r).__name__})")
            else:
                fail(
                    RuntimeError,
                    f"function {self.grad_name} returned a gradient different than None at "
                    f"position "
                    f"{i + 1}, but the corresponding forward input was not a Variable",
                )
        return results


def _defined(function, name):
    """A static method that the class has over Function's own, or None."""
    found = getattr(function, name)
    return None if found is getattr(Function, name) else found


class _FunctionMeta(type):
    def __init__(cls, name, bases, space):
        super().__init__(name, bases, space)
        cls._rule = _Rule(cls)


class Function(metaclass=_FunctionMeta):
    """An operation with a gradient of its own.

    Subclasses define `forward(ctx, *args)`, or `forward(*args)` and `setup_context(ctx, inputs,
    output)`, and `backward(ctx, *grad_outputs)`, all static; `backward` returns one gradient for
    each
    argument of `forward`. Called by `apply`.

    Example:
        >>> class Exp(nacre.autograd.Function):
        ...     @staticmethod
        ...     def forward(ctx, x):
        ...         y = x.exp()
        ...         ctx.save_for_backward(y)
        ...         return y
        ...
        ...     @staticmethod
        ...     def backward(ctx, grad):
        ...         (y,) = ctx.saved_tensors
        ...         return grad * y
        >>> x = nacre.zeros(2, requires_grad=True)
        >>> Exp.apply(x).sum().backward()
        >>> x.grad
        tensor([1., 1.])
    """

    def __init__(self, *args, **kwargs):
        warnings.warn(
            f"{self.__class__} should not be instantiated. Methods on autograd functions are all "
            "static, so you should invoke them on the class itself. Instantiating an autograd "
            "function will raise an error in a future version of PyTorch.",
            DeprecationWarning,
            stacklevel=2,
        )

    def __call__(self, *args, **kwargs):
        """Refused: functions are called through `apply`."""
        fail(
            RuntimeError,
            "Legacy autograd function with non-static forward method is deprecated. Please use "
            "new-style autograd function with static forward method. (Example: "
            "https://pytorch.org/docs/stable/autograd.html#torch.autograd.Function)",
            "call the class: Name.apply(...)",
        )

    @staticmethod
    def forward(*args, **kwargs):
        """Compute the results; must be defined."""
        fail(
            NotImplementedError,
            "You must implement the forward function for custom autograd.Function.",
        )

    @staticmethod
    def setup_context(ctx, inputs, output):
        """Save what backward needs, where `forward` takes no ctx."""
        fail(NotImplementedError, "setup_context is not implemented.")

    @staticmethod
    def backward(ctx, *grad_outputs):
        """The gradients of the arguments from those of the results."""
        fail(
            NotImplementedError,
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with backward mode AD.",
        )

    vjp = backward

    @classmethod
    def apply(cls, *args, **kwargs):
        """Run `forward`, and record `backward` where gradients flow to an argument."""
        rule = cls._rule
        needs = tuple([isinstance(a, Value) and requires(a) for a in args])
        ctx = rule.context(needs)
        node = None
        if TRACE.grad and True in needs:
            edges = [edge_of(a) if isinstance(a, Value) else None for a in args]
            metas = [a._m if isinstance(a, Value) else a.__class__ for a in args]
            node = rule.node(rule, None, None, None, edges, needs, metas)
            node.ctx = ctx
            node.places = ()
            ctx._node = weakref.ref(node)
        separate = _defined(cls, "setup_context")
        before, TRACE.grad = TRACE.grad, False
        try:
            if separate is None:
                output = cls.forward(ctx, *args, **kwargs)
            else:
                output = cls.forward(*args, **kwargs)
                separate(ctx, args, output)
        finally:
            TRACE.grad = before
        outputs = list(output) if isinstance(output, tuple) else [output]
        if not isinstance(output, tuple) and not isinstance(output, Value):
            return output
        _Wrapping(ctx, node, args, separate is not None).wrap(outputs)
        return tuple(outputs) if isinstance(output, tuple) else outputs[0]


class _Wrapping:
    """Puts the grad_fn on what `forward` returned."""

    def __init__(self, ctx, node, args, separate):
        self.ctx = ctx
        self.node = node
        self.inputs = {id(a) for a in args if isinstance(a, Value)}
        self.dirty = {id(t) for t in ctx.dirty_tensors}
        self.plain = {id(t) for t in ctx.non_differentiable}
        self.saved = {id(t) for t in ctx.to_save} if separate else set()

    def wrap(self, outputs):
        """Replace results in their list where they need another tensor object."""
        node = self.node
        returned = {id(t) for t in outputs}
        if not self.dirty <= returned:
            fail(
                RuntimeError,
                "Some elements marked as dirty during the forward method were not returned as "
                "output. The inputs that are modified inplace must all be outputs of the Function.",
            )
        for t in self.ctx.dirty_tensors:
            cell.bump(t)
        before, TRACE.grad = TRACE.grad, False
        originals = list(outputs)
        count = 0
        try:
            for i, t in enumerate(originals):
                if isinstance(t, Value):
                    flows = (
                        node is not None
                        and t._m.dtype.is_floating_point
                        and id(t) not in self.plain
                    )
                    count += flows
                    outputs[i] = self._differentiable(t, i) if flows else self._detached(t)
        finally:
            TRACE.grad = before
        if count > 1:
            for t in outputs:
                if isinstance(t, Value) and t._is_view() and id(t) not in self.dirty:
                    t._made = "multi_output"
        if node is not None:
            node.outputs = [t._m if isinstance(t, Value) else None for t in originals]
            names = {id(a): b for a, b in zip(originals, outputs, strict=True)}
            saved = [
                names.get(id(t), t) if id(t) not in self.inputs else t for t in self.ctx.to_save
            ]
            node.save(saved, outputs)
        self.ctx.to_save = ()

    def _detached(self, t):
        is_input = id(t) in self.inputs
        if not requires(t):
            if is_input and id(t) not in self.dirty:
                return self._view(t)
        elif is_input:
            return t.detach()
        elif not t._is_view():
            t.detach_()
        return t

    def _view(self, t):
        made = view.whole(t)
        made._made = "function"
        return made

    def _differentiable(self, t, number):
        node = self.node
        edge = Port(node, number) if number else node
        is_input = id(t) in self.inputs
        if id(t) in self.dirty:
            if edge_of(t) is t:
                fail(
                    RuntimeError,
                    "a leaf Variable that requires grad has been used in an in-place operation.",
                )
            cell.rebase(t, node, number)
            return t
        if is_input:
            if id(t) in self.saved:
                fail(
                    RuntimeError,
                    "An input that has been returned as-is as output is being saved for backward. "
                    "This is not supported if you override setup_context. You should return and "
                    "save a view of the input instead, e.g. with x.view_as(x) or setup ctx inside "
                    "the forward function itself.",
                )
            t = self._view(t)
        elif t._is_view():
            t._made = "function"
        t._gf = edge
        t._rg = True
        t._seen = version_of(t)
        return t


def once_differentiable(backward):
    """A decorator for `backward`s whose own gradient does not exist."""

    @functools.wraps(backward)
    def wrapped(ctx, *grads):
        recorded = TRACE.grad and any(isinstance(g, Value) and requires(g) for g in grads)
        before, TRACE.grad = TRACE.grad, False
        try:
            results = backward(ctx, *grads)
        finally:
            TRACE.grad = before
        if not recorded:
            return results
        listed = results if isinstance(results, tuple) else (results,)
        edges = [edge_of(g) for g in grads if isinstance(g, Value)]
        refused = tuple([_refusing(r, edges) for r in listed])
        return refused if isinstance(results, tuple) else refused[0]

    return wrapped


class _Twice:
    """The rule of gradients that have none."""

    kind = "function"
    name = "once_differentiable"
    grad_name = "torch::autograd::Error"

    @staticmethod
    def grad_many(node, grads):
        """Refuse."""
        fail(
            RuntimeError,
            "trying to differentiate twice a function that was marked with @once_differentiable",
        )


class Error(GradNode):
    """The grad_fn of what may not be differentiated."""

    __slots__ = ()


def _refusing(t, edges):
    if t is None:
        return None
    t = view.detached(t)
    needs = (True,) * len(edges)
    t._gf = Error(_Twice, None, None, t._m, edges, needs, [t._m] * len(edges))
    t._rg = True
    return t
