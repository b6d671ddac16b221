"""Each rule of `ir/verify.py` catches what breaks it."""

from __future__ import annotations

import numpy as np
import pytest

import nacre
from nacre.base import config, dtypes
from nacre.ir import show
from nacre.ir.node import LEAF, MARK, ROOT, VIEW, WRITE, Meta, Node, meta_of
from nacre.ir.trace import TRACE, Storage
from nacre.ir.verify import IllegalGraph, check_node, check_order, check_stretch
from nacre.ops.create import full
from nacre.ops.elementwise import add
from nacre.runtime.run import evaluate

F = dtypes.float32
SMALL = meta_of((2, 3), F)
OTHER = meta_of((2, 3), dtypes.int64)


def leaf(before=ROOT, meta=SMALL, first=-1):
    return Node(before, LEAF, (), first, meta)


def operation(args, meta=SMALL, numbers=0, types=(F, F, F), before=None):
    node = Node(leaf() if before is None else before, add, args, None, meta, numbers)
    node.types = types
    return node


def test_tests_check_the_graph():
    assert config.VERIFY


def test_legal_nodes_pass():
    x = leaf()
    check_node(x)
    check_node(operation((0, 0)))
    check_node(operation((0, (0, float)), numbers=1))
    check_node(Node(x, VIEW, (0,), 1, meta_of((2,), F, (3,))))
    check_node(Node(x, WRITE, (0, 0), (0, SMALL), SMALL))
    check_node(Node(x, MARK, (), "step", None))


@pytest.mark.parametrize(
    ("node", "words"),
    [
        (lambda: operation((0, 1)), "%1 is used before it is defined"),
        (lambda: operation((0, -1)), "%-1 is used before it is defined"),
        (lambda: operation((0, (1, float)), numbers=1), "number 1 is not the next one, 0"),
        (lambda: operation((0, (0, str)), numbers=1), "is no kind of number"),
        (lambda: operation((0, (0, float))), "counts 0 numbers where 1 are"),
        (lambda: operation((0, "x")), "neither slot nor number"),
        (lambda: operation((0, 0), types=(F, F)), "2 types for 2 operands"),
        (lambda: operation((0, 0), types=(F, F, dtypes.int64)), "its own type is"),
        (lambda: operation((0, 0), meta_of((3, 2), F)), "its rule gives"),
        (lambda: operation((0, 0), meta_of((2, 3), dtypes.bool_)), "its rule gives"),
        (lambda: operation((0, 0), meta_of((2, 3), F, (6, 2))), "does not fill its memory"),
        (lambda: operation((0, 0), Meta((2, 3), (3, 1), F, "cpu")), "not the interned one"),
        (lambda: operation((0, 0), meta_of((2, 3), F, None, "cuda")), "are on {'cpu'}"),
        (lambda: Node(leaf(), "strange", (), None, SMALL), "not an operation's record"),
        (lambda: Node(leaf(), VIEW, (0,), 4, meta_of((2,), F, (2,))), "is not inside"),
        (lambda: Node(leaf(), VIEW, (0,), -1, meta_of((2,), F)), "is negative"),
        (lambda: Node(leaf(), VIEW, (0,), 0, OTHER), "has its dtype"),
        (lambda: Node(leaf(), WRITE, (0, 0), (0, SMALL), OTHER), "what is written is"),
        (lambda: Node(leaf(), WRITE, (0, 0), (0, meta_of((2,), F)), SMALL), "does not fit"),
        (lambda: Node(leaf(leaf(), OTHER), WRITE, (0, 1), (0, SMALL), SMALL), "the value"),
        (lambda: leaf(first=2, before=operation((0, 0))), "%2 is no value before it"),
        (lambda: Node(ROOT, MARK, (0,), "step", None), "a mark has no value"),
        (lambda: ROOT, "only the root"),
    ],
)
def test_illegal_nodes_are_caught(node, words):
    with pytest.raises(IllegalGraph, match=words):
        check_node(node())


def test_recording_an_illegal_node_leaves_no_edge(monkeypatch):
    evaluate()
    monkeypatch.setattr(full, "infer", lambda attrs, value: Meta((2,), (1,), F, "cpu"))
    before = TRACE.stretch.node
    with pytest.raises(IllegalGraph):
        full(1.5, attrs=meta_of((77,), F))
    assert TRACE.stretch.node is before
    monkeypatch.undo()
    assert full(1.5, attrs=meta_of((77,), F)).sum().item() == 115.5


def stretch():
    evaluate()
    x = nacre.ones(2, 3) + nacre.tensor([1.0, 2.0, 3.0])
    y = x * 2.5
    return TRACE.stretch, x, y


def test_a_recorded_stretch_is_legal():
    s, *held = stretch()
    check_stretch(s)
    assert len(held) == 2


def test_a_leaf_bound_to_too_little_memory_is_caught():
    s, *held = stretch()
    kept = dict(s.leaves)
    s.leaves[0] = (Storage(np.zeros(2, np.float32)), 0)
    with pytest.raises(IllegalGraph, match="bound to 2 elements"):
        check_stretch(s)
    s.leaves[0] = (Storage(np.zeros(3)), 0)
    with pytest.raises(IllegalGraph, match="its memory holds float64"):
        check_stretch(s)
    s.leaves.update(kept)
    assert held[1].sum().item() == 45.0


def test_a_number_of_another_kind_is_caught():
    s, *held = stretch()
    place = next(i for i, v in s.numbers.items() if v == 2.5)
    s.numbers[place] = 2
    with pytest.raises(IllegalGraph, match="is 2, no float"):
        check_stretch(s)
    s.numbers[place] = 2.5
    assert held[1].sum().item() == 45.0


def test_a_cell_that_is_no_value_is_caught():
    s, x, y = stretch()
    slot = y._c.slot
    y._c.slot = 99
    with pytest.raises(IllegalGraph, match="%99 is no value"):
        check_stretch(s)
    y._c.slot = slot
    assert y.sum().item() == 45.0


def test_kernels_in_order_pass_and_others_do_not():
    check_order([("map", {0}, {1}), ("reduce", {1}, {2})], {0}, {2})
    with pytest.raises(IllegalGraph, match="reads \\[1\\]"):
        check_order([("reduce", {1}, {2}), ("map", {0}, {1})], {0}, {2})
    with pytest.raises(IllegalGraph, match="a second time"):
        check_order([("map", {0}, {1}), ("map", {0}, {1})], {0}, {1})
    with pytest.raises(IllegalGraph, match="nothing stores \\[3\\]"):
        check_order([("map", {0}, {1})], {0}, {3})


def test_a_stretch_shows_as_text():
    s, x, y = stretch()
    shown = show.text(s.node, {y._c.slot}).splitlines()
    assert any(text.startswith("%") and "= leaf : float32[3]" in text for text in shown)
    assert any("= add(%" in text and text.endswith(": float32[2x3]") for text in shown)
    assert any(text.startswith("*%") and "mul(%" in text and "#" in text for text in shown)


def test_views_writes_and_marks_show():
    x = leaf()
    assert show.line(Node(x, VIEW, (0,), 1, meta_of((2,), F, (3,)))) == (
        "%1 = view(%0) at 1 : float32[2] strides (3,)"
    )
    assert show.line(Node(x, WRITE, (0, 0), (0, SMALL), SMALL)) == (
        "%1 = write(%0, %0) at 0, float32[2x3] : float32[2x3]"
    )
    assert show.line(Node(x, MARK, (), "backward", None)) == "-- backward"
    assert show.line(leaf(x, first=0)) == "%1 = leaf of the memory of %0 : float32[2x3]"


def test_a_stretch_draws_as_dot():
    s, x, y = stretch()
    drawn = show.dot(s.node, {y._c.slot})
    assert drawn.startswith("digraph stretch {") and drawn.endswith("}")
    assert f"v{x._c.slot} -> v{y._c.slot};" in drawn
    assert "style=bold" in drawn
    assert drawn.count("shape=box") == s.node.leaves
