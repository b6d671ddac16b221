"""Whole epochs as the books run them: a DataLoader, the training loop, running sums.

Use it like steps.py. `NAME_first` is the first epoch, compilation included, `NAME` the best of the
later ones.
"""

from __future__ import annotations

import sys
import time

import torch
from clock import report
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

EPOCHS = 4


def linreg_epoch() -> tuple[nn.Module, nn.Module, float, TensorDataset, int]:
    """A thousand points of a plane, batch 10."""
    X = torch.randn(1000, 2)
    y = X @ torch.tensor([[2.0], [-3.4]]) + 4.2
    return nn.Sequential(nn.Linear(2, 1)), nn.MSELoss(), 0.03, TensorDataset(X, y), 10


def mlp_epoch() -> tuple[nn.Module, nn.Module, float, TensorDataset, int]:
    """12 800 images, a perceptron with one hidden layer, batch 256."""
    X = torch.rand(12800, 1, 28, 28)
    y = torch.randint(0, 10, (12800,))
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    return net, nn.CrossEntropyLoss(), 0.1, TensorDataset(X, y), 256


def train(
    net: nn.Module, loss: nn.Module, optimizer: torch.optim.Optimizer, loader: DataLoader
) -> tuple[float, float]:
    """One epoch: its seconds and the sum of its losses."""
    start = time.perf_counter()
    total, right, count = 0.0, 0.0, 0
    for X, y in loader:
        output = net(X)
        batch_loss = loss(output, y)
        optimizer.zero_grad()
        batch_loss.backward()
        optimizer.step()
        total += batch_loss.item()
        if output.shape[1] > 1:
            right += (output.argmax(dim=1) == y).sum().item()
        count += y.shape[0]
    return time.perf_counter() - start, total


CASES = {case.__name__: case for case in (linreg_epoch, mlp_epoch)}


def main(names: list[str]) -> None:
    """Time the cases named, or all."""
    for name in names or CASES:
        torch.manual_seed(0)
        net, loss, lr, dataset, batch = CASES[name]()
        loader = DataLoader(dataset, batch, shuffle=True)
        optimizer = torch.optim.SGD(net.parameters(), lr=lr)
        epochs = [train(net, loss, optimizer, loader) for _ in range(EPOCHS)]
        times = [seconds * 1e6 for seconds, _ in epochs]
        value = round(epochs[-1][1], 3)
        report(f"{name}_first", us=round(times[0], 1), value=value)
        report(name, us=round(min(times[1:]), 1), value=value)


if __name__ == "__main__":
    main(sys.argv[1:])
