"""Leaves whose `requires_grad` changes between forward and backward."""

from __future__ import annotations

import pytest

import nacre as torch


@pytest.mark.parametrize("hooked", [False, True])
def test_a_leaf_that_stopped_requiring_gradients_gets_none(hooked):
    for _ in range(4):  # recorded, then jumped
        a = torch.tensor([1.0, 2.0], requires_grad=True)
        b = torch.tensor([3.0, 4.0], requires_grad=True)
        calls = []
        if hooked:
            b.register_post_accumulate_grad_hook(calls.append)
        y = (a * b).sum()
        b.requires_grad_(False)
        y.backward()
        assert a.grad.tolist() == [3.0, 4.0]
        assert b.grad is None
        assert not calls


def test_an_older_gradient_of_such_a_leaf_stays():
    a = torch.tensor([1.0, 2.0], requires_grad=True)
    b = torch.tensor([3.0, 4.0], requires_grad=True)
    (a * b).sum().backward()
    y = (a * b).sum()
    b.requires_grad_(False)
    y.backward()
    assert b.grad.tolist() == [1.0, 2.0]
    assert a.grad.tolist() == [6.0, 8.0]
