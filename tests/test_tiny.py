"""The whole of nacre in a few seconds: tensors, gradients, a training loop, printing."""

from __future__ import annotations

import numpy as np
import pytest

import nacre as torch
from nacre import nn


def test_a_tensor_is_made_computed_and_read():
    x = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
    y = (x * 2 + 1).T @ torch.ones(2)
    assert y.tolist() == [12.0, 16.0, 20.0]
    assert x.shape == (2, 3) and x.dtype is torch.float32
    assert x.sum().item() == 21.0
    assert (x > 3).sum().item() == 3


def test_views_share_memory_and_writes_are_seen():
    x = torch.zeros(2, 3)
    x[0] = 1
    row = x[1]
    row += 5
    x.T[2, 1] = 7
    assert x.tolist() == [[1.0, 1.0, 1.0], [5.0, 5.0, 7.0]]
    array = x.numpy()
    array[0, 0] = -1
    assert x[0, 0].item() == -1


def test_gradients_flow_and_accumulate():
    w = torch.tensor([1.0, 2.0], requires_grad=True)
    for _ in range(2):
        ((w * w).sum() * 0.5).backward()
    assert w.grad.tolist() == [2.0, 4.0]
    (second,) = torch.autograd.grad((w**3).sum(), w, create_graph=True)
    second.sum().backward()
    assert w.grad.tolist() == [2.0 + 6.0, 4.0 + 12.0]


def test_errors_say_what_pytorch_says_and_more():
    with pytest.raises(RuntimeError) as caught:
        torch.ones(2, 3) @ torch.ones(4, 5)
    words = "mat1 and mat2 shapes cannot be multiplied (2x3 and 4x5)"
    assert str(caught.value) == words
    assert caught.value.__notes__


def test_a_loop_trains_whatever_its_tier():
    torch.manual_seed(0)
    inputs = torch.randn(64, 4)
    targets = inputs @ torch.tensor([[1.0], [-2.0], [3.0], [0.5]]) + 0.25
    net = nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    losses = []
    for _ in range(60):
        optimizer.zero_grad()
        loss = nn.functional.mse_loss(net(inputs), targets)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    assert losses[-1] < 0.05 * losses[0]
    assert np.isfinite(losses).all()


def test_classes_are_learned():
    torch.manual_seed(1)
    x = torch.randn(90, 2)
    labels = torch.arange(90) % 3
    x = x * 0.3 + torch.tensor([[0.0, 2.0], [2.0, -1.0], [-2.0, -1.0]])[labels]
    net = nn.Linear(2, 3)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.5)
    for _ in range(40):
        loss = nn.functional.cross_entropy(net(x), labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        correct = (net(x).argmax(1) == labels).sum().item()
    assert correct >= 88


def test_random_numbers_are_pytorchs():
    torch.manual_seed(0)
    first = torch.rand(3).tolist()
    assert np.allclose(first, [0.4962566, 0.7682218, 0.0884774], atol=1e-7)
    torch.manual_seed(0)
    assert torch.rand(3).tolist() == first


def test_tensors_print_as_pytorchs():
    x = torch.tensor([1.0, 2.5, -3.0], requires_grad=True)
    assert repr(x) == "tensor([ 1.0000,  2.5000, -3.0000], requires_grad=True)"
    assert repr(x * 2) == "tensor([ 2.,  5., -6.], grad_fn=<MulBackward0>)"
    assert str(torch.arange(3)) == "tensor([0, 1, 2])"
    assert f"{torch.tensor(2.0):.3f}" == "2.000"
    assert repr(x.shape) == "torch.Size([3])"
    assert repr(x.dtype) == "torch.float32"
    assert repr(nn.Linear(2, 1)) == "Linear(in_features=2, out_features=1, bias=True)"
