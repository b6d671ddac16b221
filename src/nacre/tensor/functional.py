"""`autograd.functional`: Jacobians, Hessians and their products with vectors, of Python functions.

With f: inputs -> outputs and J its Jacobian, H the Hessian of a scalar f:

    vjp  v^T J      jvp  J v      vhp  v^T H      hvp  H v

The products with J and H from the right take the gradient of a gradient: v^T J is linear in v, so
its
own gradient with respect to v is J. Every function takes a tensor or a tuple of tensors as `inputs`
and returns results of the same form. `create_graph` makes the results differentiable; `strict`
raises
RuntimeError where a result would be zero because an output does not depend on an input.
"""

from __future__ import annotations

from nacre.autograd.gradients import grad
from nacre.autograd.modes import enable_grad, set_grad_enabled
from nacre.base.errors import fail
from nacre.ir.trace import TRACE, Value
from nacre.ops import join, view
from nacre.tensor.creation import zeros_like

_STRICT = " This is not allowed in strict mode."


# ---- arguments and results ----------------------------------------------------------------------
def _tuple_of(given, what, name):
    """(whether it was a tuple, the tuple); TypeError for what is no tensor."""
    was_tuple = isinstance(given, tuple)
    listed = given if was_tuple else (given,)
    for i, x in enumerate(listed):
        if not isinstance(x, Value):
            where = f"value at index {i}" if was_tuple else f"given {what}"
            fail(
                TypeError,
                f"The {what} given to {name} must be either a Tensor or a tuple of Tensors but the "
                f"{where} has type {type(x)}.",
            )
    return was_tuple, listed


def _entered(tensors, create_graph, needs_grad=True):
    """New tensor objects for the function, apart from the same tensors that it may capture."""
    return tuple(
        [
            view.whole(x)
            if create_graph and x.requires_grad
            else x.detach().requires_grad_(needs_grad)
            for x in tensors
        ]
    )


def _left(results, create_graph):
    return results if create_graph else tuple([x.detach() for x in results])


def _as_given(results, was_tuple):
    return results if was_tuple else results[0]


def _outputs_of(func, inputs, name, strict):
    was_tuple, outputs = _tuple_of(func(*inputs), "outputs of the user-provided function", name)
    if strict:
        for i, y in enumerate(outputs):
            if not y.requires_grad:
                fail(
                    RuntimeError,
                    f"Output {i} of the user-provided function does not require gradients. The "
                    "outputs must be computed in a differentiable manner from the input when "
                    "running in strict mode.",
                )
    return was_tuple, outputs


def _vector(v, like, like_is_tuple, create_graph, missing):
    """The vector of a product, checked against the tensors it belongs to."""
    if v is None:
        if len(like) != 1 or like[0].numel() != 1:
            fail(RuntimeError, missing)
        return None
    _, v = _tuple_of(v, "v", "the product")
    if len(v) != len(like):
        if like_is_tuple:
            fail(
                RuntimeError,
                f"v is a tuple of invalid length: should be {len(like)} but got {len(v)}.",
            )
        fail(RuntimeError, "The given v should contain a single Tensor.")
    for i, (given, wanted) in enumerate(zip(v, like, strict=True)):
        if given.shape != wanted.shape:
            entry = f"Entry {i} in " if like_is_tuple else ""
            fail(
                RuntimeError,
                f"{entry}v has invalid size: should be {wanted.shape} but got {given.shape}.",
            )
    return _entered(v, create_graph, needs_grad=False)


def _gradients(outputs, inputs, vector=None, create_graph=False, retain_graph=None):
    """Like `grad`, but outputs without gradient are left out and give None."""
    vector = vector or (None,) * len(outputs)
    kept = [
        (y, v) for y, v in zip(outputs, vector, strict=True) if y is not None and y.requires_grad
    ]
    if not kept:
        return (None,) * len(inputs)
    ys, vs = zip(*kept, strict=True)
    return grad(ys, inputs, vs, retain_graph, create_graph, allow_unused=True)


def _filled(grads, like, strict, create_graph, words, of):
    """Zeros for missing gradients; in strict mode an error that begins with these words."""
    results = []
    for i, (g, x) in enumerate(zip(grads, like, strict=True)):
        if g is None and strict:
            fail(RuntimeError, words.format(i) + _STRICT)
        if g is not None and strict and create_graph and not g.requires_grad:
            fail(
                RuntimeError,
                f"The {of} of the user-provided function is independent of input {i}. This is not "
                "allowed in strict mode when create_graph=True.",
            )
        results.append(zeros_like(x) if g is None else g)
    return tuple(results)


_NO_OUTPUT_VECTOR = (
    "The vector v can only be None if the user-provided function returns a single Tensor with a "
    "single element."
)
_NO_INPUT_VECTOR = (
    "The vector v can only be None if the input to the user-provided function is a single Tensor "
    "with a single element."
)
_INDEPENDENT = "The output of the user-provided function is independent of input {}."


# ---- products with the Jacobian -----------------------------------------------------------------
def vjp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), v^T J): v has the form of the outputs and may be left out for a scalar.

    Example:
        >>> nacre.autograd.functional.vjp(lambda x: x * x, nacre.ones(2), nacre.ones(2))
        (tensor([1., 1.]), tensor([2., 2.]))
    """
    with enable_grad():
        in_tuple, inputs = _tuple_of(inputs, "inputs", "vjp")
        inputs = _entered(inputs, create_graph)
        out_tuple, outputs = _outputs_of(func, inputs, "vjp", strict)
        v = _vector(v, outputs, out_tuple, create_graph, _NO_OUTPUT_VECTOR)
    with set_grad_enabled(create_graph or TRACE.grad):
        found = _gradients(outputs, inputs, v, create_graph)
        found = _filled(found, inputs, strict, create_graph, _INDEPENDENT, "jacobian")
    outputs = _as_given(_left(outputs, create_graph), out_tuple)
    return outputs, _as_given(_left(found, create_graph), in_tuple)


def jvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), J v): v has the form of the inputs and may be left out for a scalar.

    Example:
        >>> nacre.autograd.functional.jvp(lambda x: x * x, nacre.ones(2), nacre.ones(2))
        (tensor([1., 1.]), tensor([2., 2.]))
    """
    with enable_grad():
        in_tuple, inputs = _tuple_of(inputs, "inputs", "jvp")
        inputs = _entered(inputs, create_graph)
        v = _vector(v, inputs, in_tuple, create_graph, _NO_INPUT_VECTOR)
        out_tuple, outputs = _outputs_of(func, inputs, "jvp", strict)
        weights = tuple([zeros_like(y, requires_grad=True) for y in outputs])
        slopes = _gradients(outputs, inputs, weights, create_graph=True)
        if strict:
            _check_slopes(slopes)
    with set_grad_enabled(create_graph or TRACE.grad):
        found = _gradients(slopes, weights, v, create_graph)
        words = (
            "The gradient with respect to the input is independent of entry {} in the grad_outputs "
            "when using the double backward trick to compute forward mode gradients."
        )
        found = _filled(found, outputs, strict, create_graph, words, "jacobian")
    outputs = _left(outputs, create_graph)
    return _as_given(outputs, out_tuple), _as_given(_left(found, create_graph), out_tuple)


def _check_slopes(slopes):
    for i, g in enumerate(slopes):
        if g is None:
            fail(RuntimeError, _INDEPENDENT.format(i) + _STRICT)
        if not g.requires_grad:
            fail(
                RuntimeError,
                f"The gradient with respect to input {i} is independent of the inputs of the "
                "user-provided function." + _STRICT,
            )


# ---- products with the Hessian ------------------------------------------------------------------
def _scalar(func, inputs, name, strict):
    was_tuple, outputs = _outputs_of(func, inputs, name, strict)
    if was_tuple:
        fail(RuntimeError, f"The function given to {name} should return a single Tensor")
    if outputs[0].numel() != 1:
        fail(
            RuntimeError,
            f"The Tensor returned by the function given to {name} should contain a single element",
        )
    return outputs


def _check_jacobian(slopes):
    for i, g in enumerate(slopes):
        if g is None:
            fail(RuntimeError, _INDEPENDENT.format(i) + _STRICT)
        if not g.requires_grad:
            fail(
                RuntimeError,
                "While computing the hessian, found that the jacobian of the user-provided "
                "function "
                f"with respect to input {i} is independent of the input. This is not allowed in "
                "strict mode. You should ensure that your function is twice differentiable and "
                "that "
                "the jacobian depends on the inputs (this would be violated by a linear function "
                "for "
                "example).",
            )


def vhp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), v^T H) of a function that returns one number."""
    with enable_grad():
        in_tuple, inputs = _tuple_of(inputs, "inputs", "vhp")
        inputs = _entered(inputs, create_graph)
        v = _vector(v, inputs, in_tuple, create_graph, _NO_INPUT_VECTOR)
        outputs = _scalar(func, inputs, "vhp", strict)
        slopes = _gradients(outputs, inputs, create_graph=True)
        if strict:
            _check_jacobian(slopes)
    with set_grad_enabled(create_graph or TRACE.grad):
        found = _gradients(slopes, inputs, v, create_graph)
        words = "The jacobian of the user-provided function is independent of input {}."
        found = _filled(found, inputs, strict, create_graph, words, "hessian")
    return _left(outputs, create_graph)[0], _as_given(_left(found, create_graph), in_tuple)


def hvp(func, inputs, v=None, create_graph=False, strict=False):
    """(func(*inputs), H v) of a function that returns one number."""
    with enable_grad():
        in_tuple, inputs = _tuple_of(inputs, "inputs", "hvp")
        inputs = _entered(inputs, create_graph)
        v = _vector(v, inputs, in_tuple, create_graph, _NO_INPUT_VECTOR)
        outputs = _scalar(func, inputs, "hvp", strict)
        slopes = _gradients(outputs, inputs, create_graph=True)
        if strict:
            _check_jacobian(slopes)
        weights = tuple([zeros_like(x, requires_grad=True) for x in inputs])
        curves = _gradients(slopes, inputs, weights, create_graph=True)
        if strict:
            _check_slopes(curves)
    with set_grad_enabled(create_graph or TRACE.grad):
        found = _gradients(curves, weights, v, create_graph)
        words = (
            "The hessian of the user-provided function is independent of entry {} in the "
            "grad_jacobian. This is not allowed in strict mode as it prevents from using the "
            "double "
            "backward trick to replace forward mode AD."
        )
        found = _filled(found, inputs, strict, create_graph, words, "hessian")
    return _left(outputs, create_graph)[0], _as_given(_left(found, create_graph), in_tuple)


# ---- whole matrices -----------------------------------------------------------------------------
def jacobian(
    func, inputs, create_graph=False, strict=False, vectorize=False, strategy="reverse-mode"
):
    """The Jacobian: for output i and input j a tensor of the output's shape followed by the
    input's.

    Example:
        >>> nacre.autograd.functional.jacobian(lambda x: x * x, nacre.tensor([1.0, 2.0]))
        tensor([[2., 0.],
                [0., 4.]])
    """
    _check_strategy(strategy, create_graph, strict)
    with enable_grad():
        in_tuple, inputs = _tuple_of(inputs, "inputs", "jacobian")
        inputs = _entered(inputs, create_graph)
        out_tuple, outputs = _outputs_of(func, inputs, "jacobian", strict)
        table = []
        for y in outputs:
            rows = [_jacobian_row(y, k, inputs, create_graph, strict) for k in range(y.numel())]
            line = [
                view.reshape(join.stack(column, 0), (*y.shape, *x.shape))
                if rows
                else zeros_like(x).new_zeros((*y.shape, *x.shape))
                for x, column in zip(
                    inputs, zip(*rows, strict=True) if rows else inputs, strict=True
                )
            ]
            table.append(_left(tuple(line), create_graph))
    if not in_tuple:
        table = [line[0] for line in table]
    return tuple(table) if out_tuple else table[0]


def _jacobian_row(y, k, inputs, create_graph, strict):
    """The gradients of one element of an output."""
    element = view.select(view.reshape(y, (-1,)), 0, k)
    found = _gradients((element,), inputs, create_graph=create_graph, retain_graph=True)
    return _filled(found, inputs, strict, create_graph, _INDEPENDENT, "jacobian")


def _check_strategy(strategy, create_graph, strict):
    if strategy not in ("forward-mode", "reverse-mode"):
        fail(
            AssertionError,
            'Expected strategy to be either "forward-mode" or "reverse-mode". Hint: If your '
            'function has more outputs than inputs, "forward-mode" tends to be more performant. '
            "Otherwise, "
            'prefer to use "reverse-mode".',
        )
    if strategy == "forward-mode" and create_graph:
        fail(
            NotImplementedError,
            "torch.autograd.functional.jacobian: `create_graph=True` and "
            '`strategy="forward-mode"` are not supported together (yet). Please either set '
            '`create_graph=False` or `strategy="reverse-mode"`.',
        )
    if strategy == "forward-mode" and strict:
        fail(
            RuntimeError,
            "torch.autograd.functional.jacobian: `strict=True` and "
            '`strategy="forward-mode"` are not supported together (yet). Please either set '
            '`strict=False` or `strategy="reverse-mode"`.',
        )


def hessian(
    func,
    inputs,
    create_graph=False,
    strict=False,
    vectorize=False,
    outer_jacobian_strategy="reverse-mode",
):
    """The matrix of second derivatives of a function that returns one number.

    Example:
        >>> nacre.autograd.functional.hessian(lambda x: (x**3).sum(), nacre.tensor([1.0, 2.0]))
        tensor([[ 6.,  0.],
                [ 0., 12.]])
    """
    in_tuple, inputs = _tuple_of(inputs, "inputs", "hessian")

    def number(*given):
        return view.reshape(_scalar(func, given, "hessian", strict)[0], ())

    def slopes(*given):
        found = jacobian(number, given, create_graph=True)
        if strict:
            _check_jacobian(found)
        return found

    table = jacobian(slopes, inputs, create_graph, strict, vectorize, outer_jacobian_strategy)
    return table if in_tuple else table[0][0]
