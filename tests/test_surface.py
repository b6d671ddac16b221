"""The public names are a list, and they take the arguments that PyTorch's take."""

from __future__ import annotations

import ast
import json

import pytest

import nacre
from surface_cases import TABLE, look, parameters, public_names

RECORDED = json.loads(TABLE.read_text())
AGAIN = "python tests/surface_cases.py --torch /path/to/a/python/with/torch"
# Where PyTorch's documentation names an argument otherwise than PyTorch itself does, or takes it
# by its position only.
MISNAMED = {
    "broadcast_to": {"shape": "size"},
    "concatenate": {"axis": "dim"},
    "from_numpy": {"ndarray": "a"},
    "promote_types": {"type1": "a", "type2": "b"},
    "set_num_threads": {"int": "n"},
    "true_divide": {"dividend": "input", "divisor": "other"},
    "Tensor.type_as": {"tensor": "other"},
    "Tensor.where": {"y": "other"},
}
# Methods that take other arguments than the functions of their names.
OWN_ARGUMENTS = ("where", "norm", "normal_")
# Arguments that say which devices' state to keep, where there is one device.
LEFT_OUT = {"random.fork_rng": {"_caller", "_devices_kw", "device_type"}}
# An alias keeps its old, deprecated arguments in PyTorch.
LEFT_OUT["nn.Hardtanh"] = {"min_value", "max_value"}


def test_the_public_names_are_the_recorded_ones():
    names = set(public_names(nacre))
    assert names == set(RECORDED), (
        f"new: {sorted(names - set(RECORDED))}, gone: {sorted(set(RECORDED) - names)}; if that is "
        f"meant, record them: {AGAIN}"
    )


def test_every_public_name_is_pytorchs():
    assert [name for name, entry in RECORDED.items() if not entry["there"]] == []


def expected(name) -> list | None:
    """PyTorch's parameters of a name; those of methods as their functions have them."""
    found = RECORDED[name].get("parameters")
    home, _, last = name.rpartition(".")
    function = RECORDED.get(last.removesuffix("_"), {}).get("parameters")
    if home == "Tensor" and function and last not in OWN_ARGUMENTS:
        found = [p for p in function[1:] if p[0] != "out"]
    other = MISNAMED.get(name) or MISNAMED.get(last.removesuffix("_"), {})
    return found and [[other.get(p, p), kind, default] for p, kind, default in found]


def own(name) -> list | None:
    """The parameters of nacre's function, class or method."""
    found = parameters(look(nacre, name))
    if found and name.startswith("Tensor.") and found[0][0] in ("input", "tensor"):
        return found[1:]
    return found


def value(text):
    """A default as a value, so that 1 and 1.0 are the same."""
    try:
        return ast.literal_eval(text)
    except (SyntaxError, ValueError):
        return text


def complaints(name, mine, theirs) -> list[str]:
    """What PyTorch accepts and nacre's parameters do not."""
    theirs = [p for p in theirs if p[0] not in LEFT_OUT.get(name, ())]
    by_name = {p[0]: p for p in mine}
    positional = [p[0] for p in mine if p[1] == "p"]
    stars = {p[1] for p in mine}
    found = []
    for i, (p, kind, _) in enumerate(theirs):
        if kind == "p" and i < len(positional) and positional[i] != p and "*" not in stars:
            found.append(f"argument {i + 1} is {positional[i]}, PyTorch's {p}")
    for p, kind, default in theirs:
        if kind in ("*", "**"):
            continue
        if p not in by_name:
            if "**" not in stars and not (kind == "p" and "*" in stars):
                found.append(f"no {p}")
        elif default not in ("required", "?"):
            mine_default = by_name[p][2]
            if mine_default == "required" or (
                mine_default not in ("?", "None")
                and value(mine_default) != value(default)
                and default != "None"
            ):
                found.append(f"{p}={mine_default}, PyTorch's {default}")
    return found


COMPARED = [name for name in RECORDED if expected(name) is not None and own(name) is not None]


def test_most_signatures_are_compared():
    assert len(COMPARED) > 400


@pytest.mark.parametrize("name", COMPARED)
def test_arguments_are_pytorchs(name):
    assert not complaints(name, own(name), expected(name))


REDUCTIONS = "sum mean prod var std any all max min amax amin argmax argmin logsumexp".split()
ALONG = "cumsum softmax log_softmax squeeze unsqueeze unbind count_nonzero".split()


@pytest.mark.parametrize("name", [*REDUCTIONS, *ALONG])
def test_dimensions_may_have_numpys_name(name):
    x = nacre.arange(1.0, 7.0).reshape(2, 3)
    for axis in (0, -1):
        keep = [{}] if name in ALONG else [{}, {"keepdims": True}]
        for numpys in keep:
            torchs = {"dim": axis, **({"keepdim": True} if numpys else {})}
            expected = getattr(nacre, name)(x, **torchs)
            for found in (
                getattr(nacre, name)(x, axis=axis, **numpys),
                getattr(x, name)(axis=axis, **numpys),
                getattr(x, name)(dim=axis, **numpys),
            ):
                assert repr(found) == repr(expected)


@pytest.mark.parametrize("name", [*REDUCTIONS, *ALONG])
@pytest.mark.parametrize("dim", [1.0, "a"])
def test_dimensions_are_integers(name, dim):
    with pytest.raises(TypeError, match=f"must be int, not {type(dim).__name__}"):
        getattr(nacre.ones(2, 3), name)(dim=dim)


@pytest.mark.parametrize("kind", [float, int, bool])
def test_tensors_are_converted_to_the_dtypes_of_pythons_types(kind):
    x = nacre.ones(2, dtype=nacre.float32)
    expected = nacre.ones(2, dtype=kind).dtype
    assert x.to(kind).dtype is x.to(dtype=kind).dtype is expected
    assert x.to("cpu", kind).dtype is expected


def test_tensors_are_not_converted_to_other_types():
    with pytest.raises(TypeError, match="must be torch.dtype, not str"):
        nacre.ones(2).to(str)


def test_joined_dimensions_may_have_numpys_name():
    x = nacre.arange(3)
    assert nacre.equal(nacre.stack([x, x], axis=1), nacre.stack([x, x], dim=1))
    assert nacre.equal(nacre.cat([x[None], x[None]], axis=1), nacre.cat([x[None], x[None]], dim=1))


def test_a_mode_set_at_a_prompt_prints_what_it_is():
    shown = repr(nacre.set_grad_enabled(True))
    assert shown == "torch.autograd.grad_mode.set_grad_enabled(mode=True)"


def test_complaints_are_made():
    theirs = [["input", "p", "required"], ["dim", "p", "0"], ["out", "k", "None"]]
    assert complaints("x", theirs, theirs) == []
    assert complaints("x", theirs[:2], theirs) == ["no out"]
    assert complaints("x", [theirs[0], ["dim", "p", "1"], theirs[2]], theirs)
    assert complaints("x", [["x", "p", "required"], *theirs[1:]], theirs)
