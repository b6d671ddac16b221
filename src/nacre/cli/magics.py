"""Lines of a notebook that are not Python: `%magic`, `%%magic`, `!command`, `name?`.

IPython runs them where it is installed. Otherwise they are left out, each with a note on stderr;
of a cell magic whose body is Python, such as `%%time`, only the first line is left out.
"""

from __future__ import annotations

import ast
import re
import sys
from types import ModuleType
from typing import Any

BODY_IS_PYTHON = ("time", "timeit", "capture", "prun", "matplotlib")
MAGIC = re.compile(
    r"""\s*
    ( [%!?]                         # %magic, !command, ?name
    | [\w.,\s\[\]'"]+ = \s* [%!]    # files = !ls
    | .* \? \s* $                   # name?
    )""",
    re.VERBOSE,
)


class Magics:
    """Turns cells into Python."""

    def __init__(self, module: ModuleType):
        self.module = module
        self.shell: Any = None
        self.looked = False

    def translate(self, cell: str, title: str) -> str:
        """The cell as Python, with as many lines where IPython is not there to change them."""
        if not cell.lstrip().startswith("%%") and _problem(cell) is None:
            return cell
        if not self.looked:
            self.looked = True
            self.shell = _start(self.module)
        if self.shell is not None:
            return self.shell.transform_cell(cell)
        return _leave_out(cell, title)


def _problem(source: str) -> SyntaxError | None:
    try:
        ast.parse(source)
    except SyntaxError as problem:
        return problem
    return None


def _leave_out(cell: str, title: str) -> str:
    """The cell without its magics.

    A line is taken for one only if it looks like one and Python's parser stops there, so that
    text that looks like a magic inside a string or a long expression stays.
    """
    lines = cell.split("\n")
    first = next(i for i, line in enumerate(lines) if line.strip())
    if lines[first].lstrip().startswith("%%"):
        name = re.match(r"\s*%%(\w*)", lines[first])
        if name is None or name.group(1) not in BODY_IS_PYTHON:
            _note(f"{title}: left out, it is no Python: {lines[first].strip()}")
            return "\n" * (len(lines) - 1)
        _drop(lines, first, title)
    while (problem := _problem("\n".join(lines))) is not None:
        at = (problem.lineno or 1) - 1
        if at >= len(lines) or MAGIC.match(lines[at]) is None:
            break
        _drop(lines, at, title)
    return "\n".join(lines)


def _drop(lines: list[str], at: int, title: str) -> None:
    """Replace a line, and those it continues on, by as many that do nothing."""
    text = lines[at]
    _note(f"{title}, line {at + 1}: left out: {text.strip()}")
    indent = text[: len(text) - len(text.lstrip())]
    lines[at] = f"{indent}pass"
    while text.endswith("\\") and at + 1 < len(lines):
        at += 1
        text = lines[at]
        lines[at] = ""


def _note(text: str) -> None:
    print(f"nacre: {text} (pip install 'nacre[notebook]' to run it)", file=sys.stderr)


def _start(module: ModuleType) -> Any:
    """IPython's shell around a module, without a history or windows; None if not installed."""
    try:
        from IPython.core.interactiveshell import InteractiveShell
        from traitlets.config import Config
    except ImportError:
        return None

    class Shell(InteractiveShell):
        """A shell for magics alone; figures are drawn where matplotlib draws by default."""

        def enable_gui(self, gui: str | None = None) -> None:
            """No window will be opened."""

        def enable_matplotlib(self, gui: str | None = None) -> tuple[str | None, str]:
            """There is nothing to enable: figures are not shown, as in any script."""
            return gui, "agg"

    config = Config()
    config.HistoryManager.enabled = False
    return Shell.instance(config=config, user_module=module)
