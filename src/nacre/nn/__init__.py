"""Neural networks: modules, layers, losses, initialisation.

Example:
    >>> net = nacre.nn.Sequential(nacre.nn.Linear(4, 8), nacre.nn.ReLU(), nacre.nn.Linear(8, 1))
    >>> net(nacre.zeros(2, 4)).shape
    torch.Size([2, 1])
"""

from nacre.nn import functional, init, parameter, utils
from nacre.nn import layers as modules
from nacre.nn.layers import *  # noqa: F403
from nacre.nn.layers import __all__ as _layers
from nacre.nn.parameter import Buffer, Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    *_layers,
    "Buffer",
    "Parameter",
    "UninitializedBuffer",
    "UninitializedParameter",
    "functional",
    "init",
    "modules",
    "parameter",
    "utils",
]
