"""What `torch.autograd` holds besides the engine: all that needs the Tensor class.

The package `nacre.autograd` lies below this room and cannot import it, so the names are put into it
when the Tensor class is there.
"""

from __future__ import annotations

import sys
import types

import nacre.autograd
from nacre.autograd import modes
from nacre.tensor import anomaly, function, functional, gradcheck
from nacre.tensor.tensor import Tensor

NAMES = {
    "Function": function.Function,
    "Variable": Tensor,
    "detect_anomaly": anomaly.detect_anomaly,
    "functional": functional,
    "gradcheck": gradcheck.gradcheck,
    "gradgradcheck": gradcheck.gradgradcheck,
    "set_detect_anomaly": anomaly.set_detect_anomaly,
}
# Submodules that programs import by their own names, such as torch.autograd.function.
MODULES = {
    "anomaly_mode": anomaly,
    "function": function,
    "functional": functional,
    "grad_mode": modes,
}


def publish(package: types.ModuleType) -> None:
    """Put the names into the package."""
    for name, value in NAMES.items():
        setattr(package, name, value)
    vars(package)["__all__"] = sorted({*vars(package)["__all__"], *NAMES})
    for name, module in MODULES.items():
        setattr(package, name, module)
        sys.modules[f"{package.__name__}.{name}"] = module


publish(nacre.autograd)
