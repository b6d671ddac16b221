"""Whether gradients are recorded: `no_grad` and its relatives, as context managers and
decorators.
"""

from __future__ import annotations

import functools
import inspect

from nacre.ir.trace import TRACE, set_inference


class _Mode:
    """A context manager that is also a decorator, for functions and generators."""

    __slots__ = ()

    def __call__(self, function):
        if inspect.isgeneratorfunction(function):

            @functools.wraps(function)
            def steps(*args, **kwargs):
                generator = function(*args, **kwargs)
                sent = None
                while True:
                    try:
                        with self.clone():
                            value = generator.send(sent)
                    except StopIteration as stop:
                        return stop.value
                    sent = yield value

            return steps

        @functools.wraps(function)
        def wrapped(*args, **kwargs):
            with self.clone():
                return function(*args, **kwargs)

        return wrapped


class _Fixed(_Mode):
    __slots__ = ("_before",)
    _to = False

    def __new__(cls, function=None):
        made = object.__new__(cls)
        return made if function is None else made(function)

    def clone(self):
        """A fresh manager of the same mode."""
        return type(self)()

    def __enter__(self):
        trace = TRACE
        self._before = trace.grad
        trace.grad = self._to and not trace.inference
        return self

    def __exit__(self, *exc):
        TRACE.grad = self._before


class no_grad(_Fixed):
    """Do not record gradients inside: results have `requires_grad=False`.

    Example:
        >>> x = nacre.ones(1, requires_grad=True)
        >>> with nacre.no_grad():
        ...     (x * 2).requires_grad
        False
    """


class enable_grad(_Fixed):
    """Record gradients inside, also within `no_grad`; never in inference mode."""

    _to = True


class set_grad_enabled(_Mode):
    """Record gradients or not by a flag; takes effect when called, undone when used in `with`."""

    def __init__(self, mode: bool):
        self._before = TRACE.grad
        self._to = bool(mode)
        TRACE.grad = self._to

    def clone(self):
        """A fresh manager of the same mode."""
        return set_grad_enabled(self._to)

    def __call__(self, function):
        """The function with this mode in force while it runs."""
        TRACE.grad = self._before
        return super().__call__(function)

    def __enter__(self):
        TRACE.grad = self._to
        return self

    def __exit__(self, *exc):
        TRACE.grad = self._before

    def __repr__(self):
        return f"torch.autograd.grad_mode.set_grad_enabled(mode={self._to})"


class inference_mode(_Mode):
    """Like `no_grad`, and what is made inside can never take part in autograd."""

    def __new__(cls, mode=True):
        """The manager, or a function given in place of the mode, decorated."""
        made = super().__new__(cls)
        if callable(mode):
            made._to = True
            return made(mode)
        return made

    def __init__(self, mode=True):
        self._to = bool(mode)
        self._before = (TRACE.grad, TRACE.inference)

    def clone(self):
        """A fresh manager of the same mode."""
        return inference_mode(self._to)

    def __enter__(self):
        self._before = (TRACE.grad, TRACE.inference)
        set_inference(self._to)
        TRACE.grad = not self._to
        return self

    def __exit__(self, *exc):
        TRACE.grad, inference = self._before
        set_inference(inference)


def is_grad_enabled() -> bool:
    """Whether operations record gradients now."""
    return TRACE.grad


def is_inference_mode_enabled() -> bool:
    """Whether `inference_mode` is on."""
    return TRACE.inference
