"""The statement writers, by subject; importing them registers them with the generator."""

from . import grads, host, train, values, views, writes
from .train import finish, setup

__all__ = ["finish", "grads", "host", "setup", "train", "values", "views", "writes"]
