"""Gradients: backward as a function from graph to graph, and the modes that switch recording of it.

`nacre.tensor.autograd` adds what needs the Tensor class: Function, gradcheck, anomaly detection.
"""

from nacre.autograd.gradients import backward, grad
from nacre.autograd.modes import enable_grad, inference_mode, no_grad, set_grad_enabled

__all__ = ["backward", "enable_grad", "grad", "inference_mode", "no_grad", "set_grad_enabled"]
