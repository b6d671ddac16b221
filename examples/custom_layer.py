"""A layer of one's own, a block made of such layers, and how an error names the place.

nacre run examples/custom_layer.py
"""

import torch
from torch import nn
from torch.nn import functional as F


class Dense(nn.Module):
    """A linear layer followed by a ReLU."""

    def __init__(self, inputs, outputs):
        super().__init__()
        self.weight = nn.Parameter(torch.empty(inputs, outputs))
        self.bias = nn.Parameter(torch.zeros(outputs))
        nn.init.normal_(self.weight, std=0.1)

    def forward(self, X):
        return F.relu(X @ self.weight + self.bias)


class Residual(nn.Module):
    """Two such layers, and a way around them."""

    def __init__(self, size):
        super().__init__()
        self.inner = nn.Sequential(Dense(size, 16), Dense(16, size))

    def forward(self, X):
        return X + self.inner(X)


torch.manual_seed(0)
net = nn.Sequential(Residual(4), Residual(4), nn.Linear(4, 1))
print(net)
print("parameters:", sum(parameter.numel() for parameter in net.parameters()))

X = torch.randn(8, 4)
net(X).sum().backward()
print({name: tuple(p.grad.shape) for name, p in net[0].named_parameters()})

try:
    net(torch.randn(8, 5))
except RuntimeError as error:
    print(f"{type(error).__name__}: {error}", *getattr(error, "__notes__", []), sep="\n")
