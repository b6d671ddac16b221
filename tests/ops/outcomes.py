"""What a call gives, as plain lists: the same code asks PyTorch and nacre.

As a script, `python outcomes.py` reads one JSON case a line and answers with PyTorch's outcome.
"""

from __future__ import annotations

import json
import sys
import warnings

MOST_GRADIENTS = 100


# ---- arguments ----------------------------------------------------------------------------------
def build(torch, x, leaves=None):
    """An argument from its JSON form; floating tensors are appended to `leaves` if there is one."""
    if isinstance(x, list):
        return [build(torch, y, leaves) for y in x]
    if not isinstance(x, dict):
        return x
    ((kind, given),) = x.items()
    if kind == "tuple":
        return tuple(build(torch, y, leaves) for y in given)
    if kind == "dtype":
        return getattr(torch, given)
    if kind == "slice":
        return slice(*given)
    if kind == "ellipsis":
        return ...
    return tensor(torch, *given, leaves)


def tensor(torch, dtype, shape, layout, data, fixed, leaves):
    """A leaf tensor of this layout."""
    d = getattr(torch, dtype)
    shape = list(shape)
    if layout == "expanded":
        shape[0], count = 1, shape[0]
    t = torch.tensor(data, dtype=d).reshape(shape)
    if layout == "expanded":
        t = t.expand(count, *shape[1:])
    elif layout == "turned":
        order = list(range(len(shape)))[::-1]
        t = t.permute(order).contiguous().permute(order)
    elif layout == "step":
        wide = torch.zeros([*shape[:-1], 2 * shape[-1]], dtype=d)
        wide[..., ::2] = t
        t = wide[..., ::2]
    elif layout == "offset":
        flat = torch.zeros(t.numel() + 3, dtype=d)
        flat[3:] = t.reshape(-1)
        t = flat[3:].view(shape)
    t = t.detach()
    if leaves is not None and t.is_floating_point() and not fixed:
        t.requires_grad_()
        leaves.append(t)
    return t


# ---- calls --------------------------------------------------------------------------------------
def in_place(call: str) -> bool:
    """Whether a spelling writes its first argument."""
    name = call.rpartition(".")[2]
    plain = name.startswith("__")
    return name in IN_PLACE_OPERATORS if plain else name.endswith("_")


IN_PLACE_OPERATORS = {
    *("__iadd__", "__isub__", "__imul__", "__itruediv__", "__ifloordiv__", "__imod__", "__ipow__"),
    *("__iand__", "__ior__", "__ixor__", "__setitem__"),
}


def resolve(torch, call):
    """The function that a spelling names."""
    home, _, name = call.partition(".")
    owner = {"torch": torch, "Tensor": torch.Tensor}.get(home)
    if home == "F":
        owner = torch.nn.functional
    for part in name.split("."):
        owner = getattr(owner, part)
    return owner if callable(owner) else owner.__get__


def invoke(torch, call, args, kwargs):
    """Call it; what an in-place form wrote is its result."""
    result = resolve(torch, call)(*args, **kwargs)
    return args[0] if result is None else result


# ---- outcomes -----------------------------------------------------------------------------------
def number(v, digits):
    """A float in few digits, so that tables stay small."""
    return float(f"{v:.{digits}g}") if isinstance(v, float) else v


def described(t):
    """[dtype, shape, strides, values] of a tensor."""
    name = str(t.dtype).rpartition(".")[2]
    values = t.detach().reshape(-1).tolist()
    digits = 15 if name == "float64" else 9
    return [name, list(t.shape), list(t.stride()), [number(v, digits) for v in values]]


def weights(torch, t):
    """What a result's gradient is: distinct numbers, none of them 0."""
    n = t.numel()
    values = [((k * 7) % 11 + 1) / 8 * (-1) ** (k % 3 == 1) for k in range(n)]
    return torch.tensor(values, dtype=t.dtype).reshape(t.shape)


def first_line(error) -> str:
    """Of an exception's text."""
    return str(error).split("\n")[0]


def outcome(torch, case: dict) -> dict:
    """What a case gives: results, grad_fn and gradients, or the error."""
    leaves: list = []
    try:
        args = build(torch, case["args"], leaves)
        kwargs = {k: build(torch, v, leaves) for k, v in case["kwargs"].items()}
        if in_place(case["call"]) and hasattr(args[0], "clone"):
            args[0] = args[0].clone()
        result = invoke(torch, case["call"], args, kwargs)
        results = list(result) if isinstance(result, tuple | list) else [result]
        found: dict = {"out": [described(t) for t in results]}
    except Exception as error:
        return {"error": [type(error).__name__, first_line(error)]}
    first = results[0]
    made = first.grad_fn
    found["grad_fn"] = None if made is None else type(made).__name__
    if in_place(case["call"]):
        found["version"] = first._version
    if leaves and first.requires_grad and sum(t.numel() for t in leaves) <= MOST_GRADIENTS:
        try:
            grads = torch.autograd.grad(first, leaves, weights(torch, first), allow_unused=True)
        except RuntimeError as error:
            found["grads"] = ["error", first_line(error)]
        else:
            found["grads"] = [None if g is None else described(g) for g in grads]
    return found


def main() -> None:
    """Answer cases until the input ends."""
    import torch

    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    for line in sys.stdin:
        print(json.dumps(outcome(torch, json.loads(line))), flush=True)


if __name__ == "__main__":
    main()
