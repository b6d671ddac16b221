"""The examples in docstrings of optimisers, data and random numbers run and print what they say.

Objects are looked up one by one, because `doctest` passes by those of other modules' names.
"""

from __future__ import annotations

import doctest
import importlib
import inspect

import pytest

import nacre

MODULES = (
    "base.naming",
    "data.collate",
    "data.dataset",
    "data.loader",
    "data.sampler",
    "optim.adadelta",
    "optim.adagrad",
    "optim.adam",
    "optim.lr_scheduler",
    "optim.optimizer",
    "optim.rmsprop",
    "optim.sgd",
    "random",
    "tensor.generator",
    "tensor.legacy",
    "tensor.printing",
    "tensor.rand",
)


def examples(module):
    """The docstring examples of what a module defines."""
    finder = doctest.DocTestFinder(exclude_empty=True)
    scope = {**vars(module), "nacre": nacre}
    for name, thing in vars(module).items():
        if inspect.isclass(thing) or inspect.isfunction(thing):
            plain = inspect.unwrap(thing)
            source = inspect.getsourcefile(plain) if inspect.isfunction(plain) else None
            if source in (None, module.__file__):
                yield from finder.find(thing, name, module=False, globs=scope)


@pytest.mark.parametrize("name", MODULES)
def test_examples_print_what_they_say(name):
    module = importlib.import_module(f"nacre.{name}")
    runner = doctest.DocTestRunner(optionflags=doctest.NORMALIZE_WHITESPACE)
    for test in examples(module):
        runner.run(test)
    assert runner.tries > 0
    assert runner.failures == 0
