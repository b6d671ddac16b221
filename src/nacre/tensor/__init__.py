"""The Tensor class, what makes and writes tensors, and what PyTorch's namespace holds of them."""

from nacre.tensor.tensor import Tensor
from nacre.ir.trace import Services

Services.tensor = Tensor
Tensor.__module__ = "torch"

from nacre.tensor import methods  # noqa: E402

__all__ = ["Tensor", "methods"]
