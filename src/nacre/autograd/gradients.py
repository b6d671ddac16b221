"""`backward` and `grad`: what users ask of a tape."""

from __future__ import annotations

from nacre.autograd.engine import Run, accumulate
from nacre.autograd.jump import by_jump
from nacre.base.errors import fail
from nacre.ir.node import meta_of
from nacre.ir.tape import GradNode, edge_of, requires
from nacre.ir.trace import TRACE, Value
from nacre.ops import create, join, view


def run_backward(tensors, gradients, retain_graph, create_graph, inputs):
    """Compute the gradients of tensors and accumulate them into the leaves' `.grad`."""
    roots = _roots(tensors, gradients, create_graph)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None and not create_graph and not TRACE.anomaly:
        if len(roots) == 1 and isinstance(roots[0][0], GradNode) and by_jump(*roots[0], keep):
            return
    if inputs is not None and not inputs:
        fail(RuntimeError, "`inputs` argument to `backward()` cannot be empty.")
    found = Run(create_graph, keep, inputs, accumulates=True).run(roots)
    for x in inputs or ():
        if edge_of(x) is not x and id(x) in found.captured:
            accumulate(x, found.captured[id(x)], create_graph)


def backward(
    tensors,
    grad_tensors=None,
    retain_graph=None,
    create_graph=False,
    grad_variables=None,
    inputs=None,
):
    """Compute the gradients of tensors and add them to the `.grad` of the leaves they come from.

    `grad_tensors` holds for each tensor the gradient to start from, of its shape; None stands for 1
    and is allowed for scalars only. `inputs` restricts accumulation to these tensors.

    Raises:
        RuntimeError: no gradient flows to a tensor, or one that is not a scalar has no gradient
        given.

    Example:
        >>> x = nacre.tensor([1.0, 2.0], requires_grad=True)
        >>> nacre.autograd.backward(x * x, nacre.ones(2))
        >>> x.grad
        tensor([2., 4.])
    """
    tensors = _listed(tensors)
    given = _given(grad_variables if grad_tensors is None else grad_tensors, len(tensors))
    run_backward(tensors, given, retain_graph, create_graph, _listed(inputs))


def grad(
    outputs,
    inputs,
    grad_outputs=None,
    retain_graph=None,
    create_graph=False,
    only_inputs=True,
    allow_unused=None,
    is_grads_batched=False,
    materialize_grads=False,
):
    """The gradients of outputs with respect to inputs, a tuple of tensors; nothing is accumulated.

    An input that the outputs do not depend on raises RuntimeError, unless `allow_unused` (its
    gradient
    is None) or `materialize_grads` (zeros). With `is_grads_batched` the first dimension of each of
    `grad_outputs` counts gradients to start from, and so does the first dimension of the results.

    Example:
        >>> x = nacre.tensor(3.0, requires_grad=True)
        >>> nacre.autograd.grad(x * x, x)
        (tensor(6.),)
    """
    outputs, inputs = _listed(outputs), _listed(inputs)
    if materialize_grads and allow_unused is False:
        fail(
            ValueError,
            "Expected allow_unused to be True or not passed when materialize_grads=True, "
            "but got: allow_unused=False.",
        )
    given = _given(grad_outputs, len(outputs))
    unused = materialize_grads if allow_unused is None else allow_unused
    keep = create_graph if retain_graph is None else retain_graph
    if is_grads_batched:
        results = _batched(outputs, inputs, given, keep, create_graph, unused)
    else:
        results = _gradients(outputs, inputs, given, keep, create_graph, unused)
    if materialize_grads:
        results = [_zeros(x._m) if g is None else g for x, g in zip(inputs, results, strict=True)]
    return tuple(results)


def _gradients(outputs, inputs, given, keep, create_graph, unused):
    roots = _roots(outputs, given, create_graph)
    for x in inputs:
        if not requires(x):
            fail(
                RuntimeError,
                "One of the differentiated Tensors does not require grad",
                "call .requires_grad_() on it before it is used",
            )
    found = Run(create_graph, keep, inputs).run(roots)
    results = []
    for i, x in enumerate(inputs):
        g = found.leaves.get(id(x)) if edge_of(x) is x else found.captured.get(id(x))
        if g is None and not unused:
            fail(
                RuntimeError,
                f"The differentiated Tensor at index {i} appears to not have been used in the "
                "graph. Set allow_unused=True if this is the desired behavior.",
            )
        results.append(g)
    return results


def _batched(outputs, inputs, given, keep, create_graph, unused):
    """One traversal for each gradient of a batch, the results stacked."""
    count = len(given[0])
    rows = []
    for i in range(count):
        part = [None if g is None else view.select(g, 0, i) for g in given]
        last = i == count - 1
        rows.append(_gradients(outputs, inputs, part, keep or not last, create_graph, unused))
    return [
        None if column[0] is None else join.stack(column, 0) for column in zip(*rows, strict=True)
    ]


def _zeros(meta):
    return create.full(0.0, attrs=meta_of(meta.shape, meta.dtype, None, meta.device))


def _listed(tensors):
    if tensors is None:
        return None
    return [tensors] if isinstance(tensors, Value) else list(tensors)


def _given(gradients, count):
    if gradients is None:
        return [None] * count
    gradients = _listed(gradients)
    if len(gradients) != count:
        fail(
            RuntimeError,
            f"got {count} tensors and {len(gradients)} gradients",
            "give one gradient, or None, for each tensor",
        )
    return gradients


def _roots(tensors, gradients, create_graph):
    roots = []
    for i, (t, g) in enumerate(zip(tensors, gradients, strict=True)):
        edge = edge_of(t)
        if edge is None:
            fail(
                RuntimeError,
                f"element {i} of tensors does not require grad and does not have a grad_fn",
                "nothing that it was computed from has requires_grad=True, or it was computed "
                "under "
                "no_grad, from .data or after detach()",
            )
        if g is None:
            if t._m.numel != 1:
                fail(
                    RuntimeError,
                    "grad can be implicitly created only for scalar outputs",
                    f"this tensor has shape {tuple(t._m.shape)}: call .sum() or .mean() first, or "
                    "pass gradient= of the same shape",
                )
        elif g._m.shape != t._m.shape:
            fail(
                RuntimeError,
                f"Mismatch in shape: grad_output[{i}] has a shape of {g._m.size!r} and output[{i}] "
                f"has a shape of {t._m.size!r}.",
            )
        roots.append((edge, g, t._m))
    return roots
