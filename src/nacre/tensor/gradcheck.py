"""`gradcheck`: gradients of a function against finite differences."""

from __future__ import annotations

import warnings

import numpy as np

from nacre.autograd.gradients import grad
from nacre.autograd.modes import no_grad
from nacre.base.dtypes import float64
from nacre.base.errors import fail
from nacre.ir.trace import Value
from nacre.ops import view
from nacre.tensor.cell import array_of
from nacre.tensor.creation import from_array, zeros_like
from nacre.tensor.printing import tensor_text


class GradcheckError(RuntimeError):
    """A gradient is not what finite differences say."""


GradcheckError.__module__ = "torch.autograd.gradcheck"


def gradcheck(
    func,
    inputs,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    raise_exception=True,
    nondet_tol=0.0,
    check_undefined_grad=True,
    check_grad_dtypes=False,
    check_batched_grad=False,
    check_batched_forward_grad=False,
    check_forward_ad=False,
    check_backward_ad=True,
    fast_mode=False,
    masked=None,
):
    """Whether the gradients of `func(*inputs)` agree with (f(x + eps) - f(x - eps)) / (2 eps).

    Inputs that require grad are checked, element by element, and should be float64; differences of
    up to atol + rtol * |finite difference| are accepted. A gradient that comes out otherwise when
    it
    is computed again, by more than `nondet_tol`, is refused too. The options that check other modes
    of PyTorch's engine are accepted and change nothing.

    Raises:
        GradcheckError: they disagree (or False is returned, without `raise_exception`).

    Example:
        >>> x = nacre.tensor([0.5, 2.0], dtype=nacre.float64, requires_grad=True)
        >>> nacre.autograd.gradcheck(lambda x: x.log() * x, x)
        True
    """
    inputs = (inputs,) if isinstance(inputs, Value) else tuple(inputs)
    checked = _checked_inputs(inputs)
    try:
        outputs = _listed(func(*inputs))
        differentiable = [y for y in outputs if y.requires_grad]
        if not differentiable:
            _check_constant(func, inputs, checked, outputs, eps)
        for i, y in enumerate(differentiable):
            found = _analytical(y, checked)
            again = _analytical(y, checked)
            wanted = _numerical(func, inputs, checked, i, eps)
            for j in range(len(checked)):
                _compare(found[j], wanted[j], atol, rtol, i, j, checked[j].dtype)
                if found[j].size and np.abs(found[j] - again[j]).max() > nondet_tol:
                    _refuse(
                        "Backward is not reentrant, i.e., running backward with same input and "
                        "grad_output multiple times gives different values, although analytical "
                        "gradient matches numerical gradient. The tolerance for nondeterminism was "
                        f"{nondet_tol}."
                    )
    except GradcheckError:
        if raise_exception:
            raise
        return False
    return True


def gradgradcheck(
    func,
    inputs,
    grad_outputs=None,
    *,
    eps=1e-6,
    atol=1e-5,
    rtol=1e-3,
    gen_non_contig_grad_outputs=False,
    raise_exception=True,
    nondet_tol=0.0,
    **unused,
):
    """Whether the second derivatives of `func(*inputs)` agree with finite differences.

    `grad_outputs` are the gradients to start from, random numbers by default.
    """
    inputs = (inputs,) if isinstance(inputs, Value) else tuple(inputs)
    if grad_outputs is None:
        draw = np.random.default_rng(0)
        grad_outputs = [
            from_array(draw.uniform(-1, 1, tuple(y.shape)), y.dtype).requires_grad_()
            for y in _listed(func(*inputs))
            if y.requires_grad
        ]
    starts = (grad_outputs,) if isinstance(grad_outputs, Value) else tuple(grad_outputs)

    def slopes(*given):
        given, weights = given[: len(inputs)], given[len(inputs) :]
        outputs = [y for y in _listed(func(*given)) if y.requires_grad]
        wanted = [x for x in given if isinstance(x, Value) and x.requires_grad]
        found = grad(outputs, wanted, weights, create_graph=True, allow_unused=True)
        return tuple([g for g in found if g is not None])

    return gradcheck(
        slopes,
        (*inputs, *starts),
        eps=eps,
        atol=atol,
        rtol=rtol,
        raise_exception=raise_exception,
        nondet_tol=nondet_tol,
    )


def _checked_inputs(inputs):
    checked = [x for x in inputs if isinstance(x, Value) and x.requires_grad]
    if not checked:
        fail(
            ValueError,
            "gradcheck expects at least one input tensor to require gradient, but none of them "
            "have requires_grad=True.",
        )
    for i, x in enumerate(inputs):
        if isinstance(x, Value) and x.requires_grad and x.dtype is not float64:
            warnings.warn(
                f"Input #{i} requires gradient and is not a double precision floating point or "
                "complex. This check will likely fail if all the inputs are not of double "
                "precision "
                "floating point or complex. ",
                UserWarning,
                stacklevel=3,
            )
    return checked


def _listed(outputs):
    outputs = outputs if isinstance(outputs, tuple | list) else (outputs,)
    return [y for y in outputs if isinstance(y, Value)]


def _analytical(y, checked):
    """For each input the Jacobian of y by autograd, a matrix (input elements, output elements)."""
    found = [np.zeros((x.numel(), y.numel())) for x in checked]
    for k in range(y.numel()):
        start = zeros_like(y).detach()
        view.reshape(start, (-1,))[k] = 1
        slopes = grad(y, checked, start, retain_graph=True, allow_unused=True)
        for j, g in enumerate(slopes):
            if g is not None:
                found[j][:, k] = array_of(g).reshape(-1)
    return found


def _numerical(func, inputs, checked, number, eps):
    """For each input the Jacobian of one output by central differences."""

    def value():
        outputs = [y for y in _listed(func(*inputs)) if y.requires_grad]
        return np.array(array_of(outputs[number]), np.float64).reshape(-1)

    return [_differences(value, x, eps) for x in checked]


def _differences(value, x, eps):
    rows = []
    for place in np.ndindex(*x.shape):
        before = x.data[place].item()
        ends = []
        for moved in (before + eps, before - eps):
            _write(x, place, moved)
            ends.append(value())
        _write(x, place, before)
        rows.append((ends[0] - ends[1]) / (2 * eps))
    return np.array(rows) if rows else np.zeros((0, value().size))


def _write(x, place, number):
    with no_grad():
        x.data[place] = number


def _check_constant(func, inputs, checked, outputs, eps):
    for i in range(len(outputs)):

        def value(i=i):
            return np.array(array_of(_listed(func(*inputs))[i]), np.float64).reshape(-1)

        if any(np.any(_differences(value, x, eps) != 0) for x in checked):
            _refuse("Numerical gradient for function expected to be zero")


def _compare(found, wanted, atol, rtol, i, j, d):
    if not np.allclose(found, wanted, rtol, atol):
        _refuse(
            f"Jacobian mismatch for output {i} with respect to input {j},\n"
            f"numerical:{tensor_text(wanted, d)}\nanalytical:{tensor_text(found, d)}\n"
        )


def _refuse(words):
    raise GradcheckError(words)
