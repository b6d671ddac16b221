"""Steps of the models that the books train, and of habits that lazy recording may serve badly.

    python benchmarks/steps.py [CASE ...]        under PyTorch
    nacre run benchmarks/steps.py [CASE ...]     under nacre

Plain PyTorch code. Every case is a function that prepares and returns a step; a step's inputs
change from one to the next. compare.py runs both sides and prints the ratios.
"""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable, Iterator
from typing import Any

import torch
from clock import report, time_steps
from torch import nn

Step = Callable[[], float]


def rotate(make: Callable[[], Any], count: int = 16) -> Iterator[Any]:
    """The same few inputs over and over, made beforehand."""
    return itertools.cycle([make() for _ in range(count)])


def digits(batch: int = 256) -> Iterator[Any]:
    """Images of 28×28 pixels and their labels."""
    return rotate(lambda: (torch.randn(batch, 1, 28, 28), torch.randint(0, 10, (batch,))))


def perceptron() -> nn.Module:
    """784-256-10."""
    return nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))


def regressor() -> nn.Sequential:
    """20-64-1."""
    return nn.Sequential(nn.Linear(20, 64), nn.ReLU(), nn.Linear(64, 1))


def sgd(net: nn.Module, lr: float = 0.05) -> torch.optim.Optimizer:
    """Plain stochastic gradient descent."""
    return torch.optim.SGD(net.parameters(), lr=lr)


def training(
    net: nn.Module, loss: nn.Module, batches: Iterator[Any], optimizer: torch.optim.Optimizer
) -> Step:
    """The training step of every tutorial."""

    def step() -> float:
        X, y = next(batches)
        batch_loss = loss(net(X), y)
        optimizer.zero_grad()
        batch_loss.backward()
        optimizer.step()
        return batch_loss.item()

    return step


def linreg() -> Step:
    """Linear regression on two features, batch 10."""
    net = nn.Sequential(nn.Linear(2, 1))
    batches = rotate(lambda: (torch.randn(10, 2), torch.randn(10, 1)))
    return training(net, nn.MSELoss(), batches, sgd(net))


def mlp() -> Step:
    """A perceptron with one hidden layer, batch 256."""
    net = perceptron()
    return training(net, nn.CrossEntropyLoss(), digits(), sgd(net))


def mlp_dropout_adam() -> Step:
    """Two hidden layers with dropout, trained by Adam."""
    net = nn.Sequential(
        nn.Flatten(),
        nn.Linear(784, 256),
        nn.ReLU(),
        nn.Dropout(0.2),
        nn.Linear(256, 256),
        nn.ReLU(),
        nn.Dropout(0.5),
        nn.Linear(256, 10),
    )
    adam = torch.optim.Adam(net.parameters(), lr=1e-3)
    return training(net, nn.CrossEntropyLoss(), digits(), adam)


def lenet() -> Step:
    """LeNet with sigmoids and maximum pooling, batch 256."""
    net = nn.Sequential(
        nn.Conv2d(1, 6, 5),
        nn.Sigmoid(),
        nn.MaxPool2d(2, 2),
        nn.Conv2d(6, 16, 5),
        nn.Sigmoid(),
        nn.MaxPool2d(2, 2),
        nn.Flatten(),
        nn.Linear(256, 120),
        nn.Sigmoid(),
        nn.Linear(120, 84),
        nn.Sigmoid(),
        nn.Linear(84, 10),
    )
    return training(net, nn.CrossEntropyLoss(), digits(), sgd(net))


def infer() -> Step:
    """Inference of a small network, batch 2."""
    net = nn.Sequential(nn.Linear(20, 256), nn.ReLU(), nn.Linear(256, 10))
    inputs = rotate(lambda: torch.rand(2, 20))

    def step() -> float:
        with torch.no_grad():
            return net(next(inputs)).sum().item()

    return step


def elementwise() -> Step:
    """A chain of elementwise functions over a million numbers."""
    inputs = rotate(lambda: torch.randn(1 << 20), count=4)

    def step() -> float:
        with torch.no_grad():
            x = next(inputs)
            y = torch.sigmoid(x * 1.5 + 0.5) * torch.tanh(x) + x.exp().log1p()
            return y.mean().item()

    return step


def lengths() -> Step:
    """Training on sequences of 200 different lengths."""
    net = nn.Sequential(nn.Linear(16, 32), nn.Tanh(), nn.Linear(32, 1))
    optimizer = sgd(net, lr=0.01)
    sequences = itertools.cycle([torch.randn(5 + 37 * i % 200, 16) for i in range(200)])

    def step() -> float:
        loss = net(next(sequences)).pow(2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


def setitem_loop() -> Step:
    """Two hundred assignments to single elements."""
    y = torch.zeros(200)
    inputs = rotate(lambda: torch.randn(200))

    def step() -> float:
        x = next(inputs)
        for i in range(200):
            y[i] = x[i] * 2
        return y.sum().item()

    return step


def item_before_backward() -> Step:
    """The loss is read in the middle of the step."""
    net = regressor()
    optimizer = sgd(net, lr=0.01)
    batches = rotate(lambda: (torch.randn(32, 20), torch.randn(32, 1)))

    def step() -> float:
        X, y = next(batches)
        loss = ((net(X) - y) ** 2).mean()
        value = loss.item()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        return value

    return step


def eval_unobserved() -> Step:
    """Twenty batches of evaluation, counted in a tensor that is read once."""
    net = perceptron()
    batches = digits(64)

    def step() -> float:
        right = torch.zeros(())
        with torch.no_grad():
            for X, y in itertools.islice(batches, 20):
                right += (net(X).argmax(1) == y).sum()
        return right.item()

    return step


def hooked() -> Step:
    """Training with a forward hook on every layer that keeps the last outputs."""
    net = regressor()
    seen: list[torch.Tensor] = []

    def keep(module: nn.Module, inputs: Any, output: torch.Tensor) -> None:
        if len(seen) == 8:
            seen.clear()
        seen.append(output.detach())

    for layer in net:
        layer.register_forward_hook(keep)
    batches = rotate(lambda: (torch.randn(32, 20), torch.randn(32, 1)))
    return training(net, nn.MSELoss(), batches, sgd(net))


def one_off() -> Step:
    """Shapes that no step has seen before."""
    sizes = itertools.count(3)

    def step() -> float:
        n = next(sizes) % 1000 + 2
        y = (torch.arange(float(n)).reshape(1, n) * 0.5 + 1).t()
        return (y @ y.t()[:, :1].expand(1, 3)).sum().item() / n**2

    return step


CASES = {
    case.__name__: case
    for case in (
        linreg,
        mlp,
        mlp_dropout_adam,
        lenet,
        infer,
        elementwise,
        lengths,
        setitem_loop,
        item_before_backward,
        eval_unobserved,
        hooked,
        one_off,
    )
}


def main(names: list[str]) -> None:
    """Time the cases named, or all; what a side cannot run is reported as an error."""
    for name in names or CASES:
        torch.manual_seed(0)
        try:
            us, value = time_steps(CASES[name]())
        except Exception as problem:
            report(name, error=f"{type(problem).__name__}: {problem}")
        else:
            report(name, us=round(us, 1), value=round(value, 4))


if __name__ == "__main__":
    main(sys.argv[1:])
