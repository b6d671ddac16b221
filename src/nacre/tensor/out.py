"""`out=`: a result written into a tensor that is there already."""

from __future__ import annotations

from nacre.base.errors import fail
from nacre.ir.tape import requires
from nacre.ir.trace import TRACE, check_dest
from nacre.ops.elementwise import cast
from nacre.ops.rules import elementwise_meta
from nacre.tensor.cell import set_data


def into(out, result, name):
    """Write `result` into `out`, which takes its shape, and return `out`; no gradient flows.

    Raises:
        RuntimeError: gradients would have to flow, or `out` cannot hold values of this type.
    """
    if TRACE.grad and (requires(result) or requires(out)):
        fail(
            RuntimeError,
            f"{name}(): functions with out=... arguments don't support automatic differentiation, "
            "but one of the arguments requires grad.",
            "assign the result to a name instead of passing out=, or compute under torch.no_grad()",
        )
    shaped = elementwise_meta(out._m.dtype, result._m)
    check_dest(result._m, shaped)
    if out._m.shape == result._m.shape:
        return out.copy_(result)
    set_data(out, cast(result, out._m.dtype).clone())
    return out
