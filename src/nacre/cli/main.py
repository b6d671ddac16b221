"""The command line: which command is meant."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Sequence

import nacre

USAGE = """\
usage: nacre run FILE.py|FILE.ipynb [ARGS]   run a PyTorch program or notebook on nacre
       nacre demo                            train a network on handwritten digits
       nacre --version                       print the version
"""

# A command is loaded when it is called: the progress bars of one must not slow another's start.
COMMANDS = {"run": "nacre.cli.run", "demo": "nacre.cli.demo"}


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code; 2 where the command line makes no sense."""
    words = list(sys.argv[1:] if arguments is None else arguments)
    first = words[0] if words else ""
    if first in ("-h", "--help"):
        print(USAGE, end="")
        return 0
    if first in ("-V", "--version"):
        print(f"nacre {nacre.__version__}")
        return 0
    if first not in COMMANDS:
        problem = f"no such command: {first}" if first else "a command is missing"
        print(f"nacre: {problem}\n{USAGE}", end="", file=sys.stderr)
        return 2
    return importlib.import_module(COMMANDS[first]).main(words[1:])
