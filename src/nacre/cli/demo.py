"""`nacre demo`: a multilayer perceptron learns to read digits, in PyTorch's language."""

from __future__ import annotations

import sys
import time
from collections.abc import Sequence

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn

import nacre as torch
from nacre import nn
from nacre.cli import digits
from nacre.data import DataLoader, TensorDataset

EPOCHS = 30
TEST = 360


def main(arguments: Sequence[str]) -> int:
    """Train, say what came of it, and return 0."""
    if arguments:
        print("usage: nacre demo", file=sys.stderr)
        return 2
    console = Console()
    train, test = split()
    net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Linear(64, 10))
    console.print(f"A multilayer perceptron learns to read {len(train)} handwritten digits.")
    console.print(str(net), highlight=False)
    start = time.perf_counter()
    fit(net, train, console)
    seconds = time.perf_counter() - start
    right = accuracy(net, test)
    console.print(f"trained in {seconds:.1f} s", highlight=False)
    console.print(f"test accuracy {right:.1%} on {len(test)} digits it had not seen")
    return 0


def split() -> tuple[TensorDataset, TensorDataset]:
    """The digits, pixels scaled to 0..1, shuffled into a training and a test set."""
    torch.manual_seed(0)
    images, labels = digits.load()
    X = torch.tensor(images.reshape(-1, 64), dtype=torch.float32) / 16
    y = torch.tensor(labels, dtype=torch.int64)
    order = torch.randperm(len(y))
    train, test = order[TEST:], order[:TEST]
    return TensorDataset(X[train], y[train]), TensorDataset(X[test], y[test])


def fit(net: nn.Module, train: TensorDataset, console: Console) -> None:
    """Train by stochastic gradient descent, with a bar that shows the loss of each epoch."""
    loader = DataLoader(train, batch_size=32, shuffle=True)
    loss = nn.CrossEntropyLoss()
    optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
    columns = (
        TextColumn("training"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("epochs, loss {task.fields[loss]:.4f}"),
    )
    with Progress(*columns, console=console) as progress:
        epochs = progress.add_task("training", total=EPOCHS, loss=0.0)
        for _ in range(EPOCHS):
            total = 0.0
            for X, y in loader:
                batch_loss = loss(net(X), y)
                optimizer.zero_grad()
                batch_loss.backward()
                optimizer.step()
                total += batch_loss.item() * len(y)
            progress.update(epochs, advance=1, loss=total / len(train))


def accuracy(net: nn.Module, test: TensorDataset) -> float:
    """The share of digits that the network reads correctly."""
    X, y = test.tensors
    with torch.no_grad():
        return (net(X).argmax(dim=1) == y).float().mean().item()
