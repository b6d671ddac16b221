"""Neural networks: modules, layers, losses, initialisation."""

from nacre.nn import functional, init, parameter
from nacre.nn.containers import Sequential
from nacre.nn.layers.activation import ReLU
from nacre.nn.layers.linear import Identity, Linear
from nacre.nn.layers.loss import CrossEntropyLoss, MSELoss
from nacre.nn.module import Module
from nacre.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "Buffer",
    "CrossEntropyLoss",
    "Identity",
    "Linear",
    "MSELoss",
    "Module",
    "Parameter",
    "ReLU",
    "Sequential",
    "UninitializedBuffer",
    "UninitializedParameter",
    "functional",
    "init",
    "parameter",
]
