"""The command in a process of its own, with warnings as errors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import textwrap
from pathlib import Path

COMMAND = [sys.executable, "-W", "error", "-m", "nacre"]


def nacre(*words: str, cwd: Path, timeout: float = 120, **env: str) -> subprocess.CompletedProcess:
    """Run `nacre WORDS` in a folder."""
    return subprocess.run(
        [*COMMAND, *words],
        cwd=cwd,
        env={**os.environ, **env},
        capture_output=True,
        text=True,
        timeout=timeout,
    )


def script(folder: Path, text: str, name: str = "program.py") -> str:
    """Write a program into a folder; returns its name."""
    (folder / name).write_text(textwrap.dedent(text))
    return name


def notebook(folder: Path, *cells: str, name: str = "lesson.ipynb", **metadata: object) -> str:
    """Write a notebook of code cells, with a text cell before each; returns its name."""
    written = []
    for cell in cells:
        source = textwrap.dedent(cell).strip("\n")
        written.append({"cell_type": "markdown", "metadata": {}, "source": ["# a title"]})
        written.append({"cell_type": "code", "metadata": {}, "source": source.splitlines(True)})
    document = {"nbformat": 4, "nbformat_minor": 5, "metadata": metadata, "cells": written}
    (folder / name).write_text(json.dumps(document))
    return name
