"""Common mistakes raise PyTorch's exception and first line, at the line that makes them."""

from __future__ import annotations

import json
import warnings

import pytest

import nacre as torch
from error_cases import CASES, TABLE, run
from nacre import nn

RECORDED = json.loads(TABLE.read_text())


@pytest.mark.parametrize("line", CASES)
def test_the_first_line_is_pytorchs(line):
    assert run(torch, line) == RECORDED[line]


def caught(line) -> BaseException:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(Exception) as info:
            exec(compile(line, "<case>", "exec"), {"torch": torch, "nn": nn})
    return info.value


@pytest.mark.parametrize(
    ("line", "note"),
    [
        ("torch.ones(2, 3) @ torch.ones(2, 3)", "the columns of the first"),
        ("nn.Linear(3, 4)(torch.ones(2, 5))", "its last dimension must be 3"),
        ("torch.ones(2, 3).view(4)", "must multiply to 6"),
        ("torch.arange(3).mean()", "x.float().mean()"),
        ("torch.ones(2, requires_grad=True).add_(1)", "torch.no_grad()"),
        ("torch.ones(2).item()", ".tolist()"),
        ("if torch.ones(2) > 0: pass", ".any() or .all()"),
    ],
)
def test_notes_say_what_to_do(line, note):
    assert any(note in n for n in caught(line).__notes__)


def test_an_error_in_a_block_names_it():
    class Net(nn.Module):
        def __init__(self):
            super().__init__()
            self.hidden = nn.Linear(20, 256)

        def forward(self, x):
            return self.hidden(x)

    with pytest.raises(RuntimeError) as info:
        Net()(torch.ones(2, 16))
    notes = info.value.__notes__
    block = "  in Net.hidden: Linear(in_features=20, out_features=256, bias=True)"
    assert block in notes
    assert "  the input has shape (2, 16); its last dimension must be 20" in notes


def test_errors_are_raised_by_the_line_that_makes_them():
    x = torch.ones(2, 3)
    with pytest.raises(RuntimeError):
        x.view(4)
    y = x + 1
    with pytest.raises(RuntimeError):
        y @ y
    assert y.sum().item() == 12.0
