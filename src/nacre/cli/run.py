"""`nacre run FILE [ARGS]`: a program written for PyTorch runs on nacre, unchanged."""

from __future__ import annotations

import builtins
import os
import sys
from collections.abc import Sequence
from importlib.machinery import SourceFileLoader
from types import ModuleType

from nacre import compat
from nacre.cli import tracebacks
from nacre.cli.notebook import Notebook, NotebookError

USAGE = "usage: nacre run FILE.py|FILE.ipynb [ARGS]"


def main(arguments: Sequence[str]) -> int:
    """Run a file as Python would; returns 0, or 2 if it cannot be read.

    What the program raises, SystemExit included, is left to Python, which sets the exit code.
    """
    if not arguments or arguments[0] in ("-h", "--help"):
        print(USAGE, file=sys.stdout if arguments else sys.stderr)
        return 0 if arguments else 2
    path = arguments[0]
    try:
        with open(path, "rb") as file:
            source = file.read()
        notebook = Notebook.read(path, source) if path.endswith(".ipynb") else None
    except OSError as problem:
        print(f"nacre: can't open file {path!r}: {problem.strerror}", file=sys.stderr)
        return 2
    except NotebookError as problem:
        print(f"nacre: {problem}", file=sys.stderr)
        return 2
    module = _become_main(path, arguments, is_script=notebook is None)
    if notebook is None:
        code = compile(source, module.__file__ or path, "exec", dont_inherit=True)
        exec(code, vars(module))
    else:
        notebook.run(module)
    return 0


def _become_main(path: str, arguments: Sequence[str], is_script: bool) -> ModuleType:
    """The `__main__` of the program; argv and the module path are set as Python sets them.

    A notebook has no `__file__`, runs in its own folder and opens no windows, as under Jupyter.
    """
    module = ModuleType("__main__")
    vars(module)["__builtins__"] = builtins
    full = os.path.abspath(path)
    folder = os.path.dirname(os.path.realpath(path))
    if is_script:
        module.__file__ = full
        module.__loader__ = SourceFileLoader("__main__", full)
    else:
        os.chdir(os.path.dirname(full))
        os.environ.setdefault("MPLBACKEND", "agg")
    sys.modules["__main__"] = module
    sys.argv = list(arguments)
    if not sys.flags.safe_path:
        sys.path[0] = folder
    compat.install()
    tracebacks.start_at(module)
    return module
