"""The Tensor class, what makes and writes tensors, and what PyTorch's namespace holds of them."""

from nacre.ir.trace import Services
from nacre.tensor.tensor import Tensor

Services.tensor = Tensor
Tensor.__module__ = "torch"

from nacre.tensor import autograd, methods  # noqa: E402

__all__ = ["Tensor", "autograd", "methods"]
