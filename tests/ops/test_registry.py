"""Every operation on every sample: results, gradients, layouts, spellings and refusals."""

from __future__ import annotations

import json
import os
import sys
import warnings
from importlib.util import find_spec
from inspect import signature

import numpy as np
import pytest

import nacre
from nacre.base import config
from nacre.ir.trace import TRACE
from nacre.ops.record import REGISTRY, Operation
from nacre.ops.samples import FLOATS, Array, Sample
from nacre.runtime.interpreter import interpret, shaped
from nacre.runtime.run import evaluate

from . import gradients
from .agreement import RELATIVE, close, differ
from .cases import (
    RECORDS,
    ask,
    case,
    digest,
    every_case,
    judged,
    read,
    samples,
    spellings,
)
from .outcomes import build, in_place, invoke, outcome, resolve

TABLE = read()
each = pytest.mark.parametrize("record", RECORDS, ids=str)
AGAIN = "python tests/ops/record.py --torch /path/to/a/python/with/torch"


@pytest.fixture(autouse=True)
def cold(monkeypatch):
    """One operation at a time; what compiled stretches do is another test's subject."""
    monkeypatch.setattr(config, "HOT", 10**9)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        yield


def shown(sample: Sample, call: str, why: str) -> str:
    """A failure as one line."""
    args = ", ".join(_shown(x) for x in sample.args)
    more = "".join(f", {k}={_shown(v)}" for k, v in sample.kwargs.items())
    return f"{call}({args}{more}): {why}"


def _shown(x) -> str:
    if isinstance(x, Array):
        inside = "" if x.data is None else f" {list(x.data)}"
        return f"{x.dtype}{list(x.shape)}{x.layout and ' ' + x.layout}{inside}"
    return repr(x)


def none(failures: list[str]) -> None:
    """Fail with all lines."""
    assert not failures, "\n" + "\n".join(failures[:40])


def plain(found: dict) -> dict:
    """An outcome as the table has it."""
    return json.loads(json.dumps(found))


# ---- against PyTorch ----------------------------------------------------------------------------
@each
def test_results_gradients_and_refusals_are_those_of_pytorch(record):
    # PyTorch's square roots of vectors may be off by an ulp
    exact = record.kind == "map" and record.exact and "sqrt" not in record.name
    failures = []
    for sample in samples(record):
        for call in judged(record, sample):
            made = case(sample, call)
            theirs = TABLE.get(digest(made))
            if theirs is None:
                failures.append(shown(sample, call, f"not recorded: {AGAIN}"))
                continue
            why = differ(plain(outcome(nacre, made)), theirs, exact)
            if why is not None:
                failures.append(shown(sample, call, why))
    none(failures)


def test_the_table_is_what_pytorch_says_here():
    python = os.environ.get("TORCH_PYTHON") or (sys.executable if find_spec("torch") else None)
    if python is None:
        pytest.skip("PyTorch is not installed; TORCH_PYTHON can name an interpreter that has it")
    cases = every_case()
    live = ask(python, cases)
    failures = []
    for key, theirs in live.items():
        why = differ(TABLE[key], theirs)
        if why is not None:
            failures.append(f"{cases[key]}: {why}")
    none(failures)


# ---- what a record says -------------------------------------------------------------------------
def test_an_operation_without_samples_does_not_register():
    with pytest.raises(ValueError, match="has no samples"):
        Operation("without_samples", lambda attrs, x: x)
    assert "without_samples" not in REGISTRY


@each
def test_all_spellings_give_the_same(record):
    failures = []
    for sample in record.samples():
        calls = [c for c in spellings(record, sample) if not in_place(c)]
        if sample.calls or not calls:
            continue
        want = outcome(nacre, case(sample, calls[0]))
        for call in calls[1:]:
            got = outcome(nacre, case(sample, call))
            if repr(got) != repr(want):
                failures.append(shown(sample, call, f"{got} by {calls[0]}: {want}"))
    none(failures)


@each
def test_every_spelling_has_a_sample(record):
    called = {c for s in record.samples() for c in spellings(record, s)}
    assert {c for c in record.torch if not c.startswith("nn.")} <= called


@each
def test_refusals_say_what_the_record_says(record):
    failures = []
    for sample in record.errors() if record.errors else ():
        for call in spellings(record, sample):
            found = outcome(nacre, case(sample, call))
            kind, words = found.get("error", ("nothing", ""))
            if kind != sample.error.__name__ or sample.words not in words:
                want = f"{sample.error.__name__}: {sample.words}"
                failures.append(shown(sample, call, f"{kind}: {words}; expected {want}"))
    none(failures)


def takes_tensors(record):
    """Whether users give it tensors: `arange` is a map too, over places."""
    return any(isinstance(x, Array) for s in record.samples() for x in s.args)


OF_TENSORS = [r for r in RECORDS if r.kind in ("map", "reduce") and takes_tensors(r)]


@pytest.mark.parametrize("record", OF_TENSORS, ids=str)
def test_samples_cover_types_and_layouts(record):
    arrays = [x for s in record.samples() for x in s.args if isinstance(x, Array)]
    shapes = {x.shape for x in arrays}
    assert () in shapes
    extreme = record.name.startswith(("arg", "amax", "amin", "max", "min"))
    assert extreme or any(0 in shape for shape in shapes)
    assert any(x.layout for x in arrays)
    assert len({x.dtype for x in arrays}) > 1


def made_by(record, t) -> bool:
    """Whether a record is what made a tensor, by its grad_fn or by the nodes."""
    if t.grad_fn is not None and t.grad_fn.op is record:
        return True
    if record.kind == "view":
        return t.grad_fn is None and t._is_view()
    return any(n.op is record for n in TRACE.stretch.node.path())


@each
def test_samples_reach_the_operation(record, monkeypatch):
    reached = []
    for kind in {type(r) for r in RECORDS if callable(r)}:
        call = kind.__call__

        def seen(self, *operands, attrs=None, call=call):
            reached.append(self)
            return call(self, *operands, attrs=attrs)

        monkeypatch.setattr(kind, "__call__", seen)
    failures = []
    for sample in record.samples():
        call = spellings(record, sample)[0]
        evaluate()
        reached.clear()
        t, _ = gradients.called(case(sample, call))
        if record not in reached and not made_by(record, t):
            failures.append(shown(sample, call, f"recorded {[r.name for r in reached]}"))
    none(failures)


# ---- meaning ------------------------------------------------------------------------------------
def nodes_of(sample, call):
    """The recorded nodes of a sample, with their values."""
    evaluate()
    args = build(nacre, case(sample, call)["args"])
    kwargs = {k: build(nacre, v) for k, v in case(sample, call)["kwargs"].items()}
    evaluate()
    kept = invoke(nacre, call, args, kwargs)
    s = TRACE.stretch
    nodes = s.node.path()
    valued = [n for n in nodes if n.meta is not None]
    flats = interpret(valued, s.leaves, s.numbers, {n.slot for n in valued})
    arrays = {n.slot: shaped(flats[n.slot], n.meta) for n in valued}
    assert kept is not None
    return nodes, arrays, s.numbers


def meaning(node, arrays, numbers):
    """What the NumPy meaning of a node gives on its operands."""
    args = [
        arrays[a] if type(a) is int else np.array(numbers[a[0]] if type(a) is tuple else a.value)
        for a in node.args
    ]
    if node.types:
        args = [np.asarray(a).astype(d.np) for a, d in zip(args, node.types, strict=False)]
    with np.errstate(all="ignore"):
        return np.asarray(node.op.numpy(node.attrs, node.meta, *args))


@each
def test_metas_and_kernels_agree_with_the_meaning(record):
    failures = []
    for sample in record.samples():
        call = spellings(record, sample)[0]
        nodes, arrays, numbers = nodes_of(sample, call)
        for node in nodes:
            if isinstance(node.op, str):
                continue
            why = _disagreement(node, meaning(node, arrays, numbers), arrays[node.slot])
            if why is not None:
                failures.append(shown(sample, call, f"{node}: {why}"))
    none(failures)


def _disagreement(node, meant, got):
    meta = node.meta
    if meant.shape != tuple(meta.shape) and node.op.name != "copy":
        return f"the meaning has shape {meant.shape}"
    if got.shape != tuple(meta.shape) or got.dtype != meta.dtype.np:
        return f"the value is {got.dtype}{got.shape}"
    with np.errstate(all="ignore"):
        meant = np.broadcast_to(meant, meta.shape).astype(meta.dtype.np)
    if node.op.exact:
        same = np.array_equal(meant, got, equal_nan=meta.dtype.is_floating_point)
        return None if same else f"{got} is not {meant} exactly"
    scale = float(np.abs(meant[np.isfinite(meant)]).max(initial=0.0)) * 0.1
    for a, b in zip(got.reshape(-1).tolist(), meant.reshape(-1).tolist(), strict=True):
        if not close(a, b, scale, RELATIVE.get(meta.dtype.name, 0.0)):
            return f"{a!r}, the meaning is {b!r}"
    return None


LAYOUTS = ("turned", "step", "offset")


def laid(x, layout):
    """An argument with its tensors in another layout."""
    if isinstance(x, Array):
        fits = x.layout == "" and (layout == "offset" or x.shape[-1:] > (1,))
        return x.laid(layout) if fits else x
    return [laid(y, layout) for y in x] if isinstance(x, list) else x


@pytest.mark.parametrize("record", [r for r in RECORDS if r.kind != "view"], ids=str)
def test_layouts_do_not_change_the_bits(record):
    failures = []
    for sample in record.samples():
        call = spellings(record, sample)[0]
        want = outcome(nacre, case(sample, call))
        for layout in LAYOUTS:
            args = tuple(laid(x, layout) for x in sample.args)
            if args == sample.args:
                continue
            got = outcome(nacre, case(Sample(args, sample.kwargs), call))
            if [t[3] for t in got["out"]].__repr__() != [t[3] for t in want["out"]].__repr__():
                failures.append(shown(sample, call, f"{layout}: {got['out']}, not {want['out']}"))
    none(failures)


@each
def test_gradients_of_one_operand_alone_are_the_same(record):
    failures = []
    for sample in record.samples():
        whole = [x for x in (*sample.args, *sample.kwargs.values())]
        if sum(isinstance(x, Array) and x.dtype in FLOATS and not x.fixed for x in whole) < 2:
            continue
        call = spellings(record, sample)[0]
        want = outcome(nacre, case(sample, call)).get("grads", ())
        for k, alone in enumerate(want or ()):
            if want[0] == "error" or alone is None:
                continue
            got = outcome(nacre, _alone(case(sample, call), k))
            if repr(got.get("grads")) != repr([alone]):
                failures.append(shown(sample, call, f"operand {k}: {got}, not {alone}"))
    none(failures)


def _alone(made, k):
    """A case where gradients are asked for one tensor only."""
    entries = gradients.arrays([made["args"], list(made["kwargs"].values())])
    for i, entry in enumerate(entries):
        entry[4] = i != k
    return made


@each
def test_inputs_are_untouched(record):
    failures = []
    for sample in record.samples():
        for call in spellings(record, sample):
            if in_place(call):
                continue
            made = case(sample, call)
            tensors: list = []
            args = build(nacre, made["args"], tensors)
            kwargs = {k: build(nacre, v, tensors) for k, v in made["kwargs"].items()}
            before = [(t.tolist(), t._version, t.stride()) for t in tensors]
            result = invoke(nacre, call, args, kwargs)
            repr(result)
            if repr([(t.tolist(), t._version, t.stride()) for t in tensors]) != repr(before):
                failures.append(shown(sample, call, f"{before} became {tensors}"))
    none(failures)


@each
def test_in_place_forms_give_the_same_bits(record):
    failures = []
    for sample in record.samples():
        calls = spellings(record, sample)
        if sample.calls or in_place(calls[0]):
            continue
        want = outcome(nacre, case(sample, calls[0]))["out"][0]
        for call in calls:
            if not in_place(call):
                continue
            got = outcome(nacre, case(sample, call))
            if "error" not in got and got["out"][0][0] == want[0]:
                if repr(got["out"][0][3]) != repr(want[3]):
                    failures.append(shown(sample, call, f"{got['out'][0]}, not {want}"))
    none(failures)


def _takes_out(call) -> bool:
    """Whether a spelling is a function that writes `out=`."""
    return call.startswith("torch.") and "out" in signature(resolve(nacre, call)).parameters


@each
def test_out_is_written(record):
    failures = []
    for sample in record.samples():
        for call in spellings(record, sample):
            if not _takes_out(call):
                continue
            with nacre.no_grad():
                made = case(sample, call)
                args = build(nacre, made["args"])
                kwargs = {k: build(nacre, v) for k, v in made["kwargs"].items()}
                want = invoke(nacre, call, args, kwargs)
                if isinstance(want, tuple):
                    continue
                out = nacre.empty(3, dtype=want.dtype)
                got = resolve(nacre, call)(*args, **kwargs, out=out)
                fits = nacre.zeros(want.shape, dtype=want.dtype)
                again = resolve(nacre, call)(*args, **kwargs, out=fits)
            if got is not out or again is not fits:
                failures.append(shown(sample, call, "returns another tensor"))
            if not repr(out.tolist()) == repr(fits.tolist()) == repr(want.tolist()):
                failures.append(shown(sample, call, f"{out}, {fits}, not {want}"))
    none(failures)


# ---- derivatives --------------------------------------------------------------------------------
def smooth_cases(record):
    """(sample, case in float64) of the samples where finite differences mean something."""
    seen = set()
    for sample in record.samples():
        if not sample.smooth:
            continue
        call = spellings(record, sample)[0]
        made = gradients.doubled(case(sample, call))
        key = digest(made)
        if key in seen:
            continue
        seen.add(key)
        t, leaves = gradients.called(made)
        if t.requires_grad and t.dtype is nacre.float64:
            yield sample, call, made


# comparisons have a gradient only where they write a tensor of another type in place
COMPARISONS = ("eq", "ne", "lt", "le", "gt", "ge")
DIFFERENTIABLE = [
    r
    for r in RECORDS
    if r.grad is not None and r.grad_name != "NotImplemented" and r.name not in COMPARISONS
]


@pytest.mark.parametrize("record", DIFFERENTIABLE, ids=str)
def test_gradients_agree_with_finite_differences(record):
    failures = []
    count = 0
    for sample, call, made in smooth_cases(record):
        count += 1
        why = gradients.worst(*gradients.first(made), 1e-6)
        if why is not None:
            failures.append(shown(sample, call, why))
    assert count
    none(failures)


@pytest.mark.parametrize("record", DIFFERENTIABLE, ids=str)
def test_second_derivatives_agree_with_finite_differences(record):
    failures = []
    for count, (sample, call, made) in enumerate(smooth_cases(record)):
        if count == 6:
            break
        why = gradients.worst(*gradients.second(made), 1e-5)
        if why is not None:
            failures.append(shown(sample, call, why))
    none(failures)
