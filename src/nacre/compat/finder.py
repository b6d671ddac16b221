"""The finder: an import of `torch` or of a module in it ends at nacre's module, the same object.

It stands before all other finders, so an installed PyTorch does not matter. Processes that this
one starts find `path/torch` first on their path, which installs the finder there; forked ones
have it already.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import site
import sys
import sysconfig
from collections.abc import Callable, Sequence
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec, PathFinder
from pathlib import Path
from types import ModuleType
from typing import Any

from nacre.base.errors import E, fail, note
from nacre.compat.names import BOOKS, SERVED, ours, theirs

CHILDREN = str(Path(__file__).with_name("path"))


class _Alias(Loader):
    """Gives a module that nacre has to an import under another name."""

    def __init__(self, name: str, target: str):
        self.name = name
        self.target = target
        self.spec: ModuleSpec | None = None

    def create_module(self, spec: ModuleSpec) -> ModuleType:
        """The module itself, imported under its own name."""
        module = importlib.import_module(self.target)
        self.spec = module.__spec__
        return module

    def exec_module(self, module: ModuleType) -> None:
        """Give the module its own spec back, which the import has replaced by the alias's."""
        module.__spec__ = self.spec
        explain(module, self.name)


class Finder(MetaPathFinder):
    """Finds the modules named in a table; all others are left to Python.

    What nacre does not have stays unfound, even where an installed PyTorch has it: one program
    must not run on both.
    """

    def __init__(self, served: dict[str, str] = SERVED, books: Sequence[str] = BOOKS):
        self.served = served
        self.books = books
        self.roots = {name.partition(".")[0] for name in served}

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        """The spec of an alias; None for what Python's finders deal with, or do not find either.

        Raises ModuleNotFoundError for what only they would find: an installed torchvision, or a
        room of nacre's that PyTorch does not have.
        """
        root = name.partition(".")[0]
        if root not in self.roots:
            return None
        if root in self.books and self._is_users(root):
            return None
        module = ours(name, self.served)
        if module is not None and _exists(module):
            return ModuleSpec(name, _Alias(name, module), origin="nacre", is_package=True)
        if root in self.books or PathFinder.find_spec(name, path) is None:
            return None
        raise note_missing(ModuleNotFoundError(f"No module named {name!r}", name=name))

    def _is_users(self, root: str) -> bool:
        """Whether a book's package is one beside the user's program, not an installed one."""
        imported = sys.modules.get(root)
        if imported is not None:
            return imported is not sys.modules.get(self.served[root])
        found = PathFinder.find_spec(root)
        if found is None:
            return False
        if found.origin is not None:
            return not _is_installed(found.origin)
        folders = list(found.submodule_search_locations or ())
        return any(any(Path(folder).glob("*.py")) for folder in folders)


def _exists(module: str) -> bool:
    if module in sys.modules:
        return True
    try:
        return importlib.util.find_spec(module) is not None
    except ModuleNotFoundError:
        return False


def _is_installed(file: str) -> bool:
    folders = [sysconfig.get_path("purelib"), sysconfig.get_path("platlib")]
    folders.extend(site.getsitepackages())
    folders.append(site.getusersitepackages())
    return any(Path(file).is_relative_to(folder) for folder in folders)


def note_missing(problem: E) -> E:
    """Note on an error about a module of PyTorch's that nacre lacks; leave all others alone."""
    name = getattr(problem, "name", None) or ""
    if isinstance(problem, ModuleNotFoundError) and name.partition(".")[0] in SERVED:
        note(problem, f"nacre does not have {name} (yet)")
    return problem


class _Missing:
    """A module's `__getattr__`: says under PyTorch's name what the module does not have."""

    def __init__(self, module: ModuleType, name: str, own: Callable[[str], Any] | None):
        self.module = module
        self.name = name
        self.own = own

    def __call__(self, attribute: str) -> Any:
        """What the module's own `__getattr__` gives, if it has one; otherwise AttributeError."""
        if self.own is not None:
            try:
                return self.own(attribute)
            except AttributeError:
                pass
        words = f"module {self.name!r} has no attribute {attribute!r}"
        problem = AttributeError(words, name=attribute, obj=self.module)
        if not attribute.startswith("__"):
            note(problem, f"nacre does not have {self.name}.{attribute} (yet)")
        raise problem


def explain(module: ModuleType, name: str) -> None:
    """Let a module's AttributeErrors speak of `name`, and say that it is nacre that has not."""
    own = vars(module).get("__getattr__")
    if not isinstance(own, _Missing):
        vars(module)["__getattr__"] = _Missing(module, name, own)


def install() -> None:
    """Make `import torch` mean nacre, here and in the processes that this one starts.

    Raises ImportError if the real PyTorch has been imported already. Calling it again does
    nothing.
    """
    if any(isinstance(finder, Finder) for finder in sys.meta_path):
        return
    present = sys.modules.get("torch")
    if present is not None and not str(present.__file__).startswith(CHILDREN):
        fail(
            ImportError,
            "PyTorch is already imported",
            "install nacre's names first: import nacre.compat; nacre.compat.install()",
        )
    sys.meta_path.insert(0, Finder())
    sys.modules["torch"] = importlib.import_module("nacre")
    for name, module in list(sys.modules.items()):
        served = theirs(name)
        if served is not None:
            explain(module, served)
    _reach_children()


def _reach_children() -> None:
    """Put the folder whose `torch` installs the finder on the path of processes to come.

    Multiprocessing gives its children `sys.path`, other programs get the environment.
    """
    if CHILDREN not in sys.path:
        sys.path.insert(min(1, len(sys.path)), CHILDREN)
    paths = os.environ.get("PYTHONPATH", "")
    if CHILDREN not in paths.split(os.pathsep):
        os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (CHILDREN, paths)))
