"""Optimisers: what changes the parameters after `backward()`.

Each is a page: its formula, its settings, and the update of one parameter as recorded operations.
"""

from nacre.optim import lr_scheduler, optimizer
from nacre.optim.adadelta import Adadelta
from nacre.optim.adagrad import Adagrad
from nacre.optim.adam import Adam
from nacre.optim.adamw import AdamW
from nacre.optim.optimizer import Optimizer
from nacre.optim.rmsprop import RMSprop
from nacre.optim.sgd import SGD

__all__ = [
    "SGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Optimizer",
    "RMSprop",
    "lr_scheduler",
    "optimizer",
]
