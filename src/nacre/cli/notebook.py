"""Notebooks: their cells run in order and share one namespace.

A cell prints its output, then the repr of its last expression unless that is None or the cell
ends in a semicolon. Cells are numbered as Jupyter numbers them when it runs all of them.
"""

from __future__ import annotations
import __future__

import ast
import io
import json
import linecache
import os
import tokenize
from dataclasses import dataclass
from types import CodeType, ModuleType

from nacre.cli.magics import Magics

# What a `from __future__ import` of one cell means for the cells after it.
FUTURE = 0
for _feature in __future__.all_feature_names:
    FUTURE |= getattr(__future__, _feature).compiler_flag


class NotebookError(ValueError):
    """A file that is not a notebook, or one of a kind that cannot be run."""


@dataclass(frozen=True)
class Notebook:
    """The code cells of a notebook, empty ones left out."""

    name: str
    cells: tuple[str, ...]

    @classmethod
    def read(cls, path: str, content: bytes) -> Notebook:
        """Parse the content of an .ipynb file; raises NotebookError."""
        try:
            document = json.loads(content)
        except ValueError as problem:
            raise NotebookError(f"{path} is not a notebook: {problem}") from None
        cells = document.get("cells") if isinstance(document, dict) else None
        if not isinstance(cells, list):
            raise NotebookError(f"{path} is not a notebook of format 4: it has no list of cells")
        kernel = document.get("metadata", {}).get("kernelspec", {})
        language = kernel.get("language", "python")
        if language != "python":
            raise NotebookError(f"{path} is a notebook for {language}, not for Python")
        try:
            sources = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
        except (KeyError, TypeError):
            raise NotebookError(f"{path} is not a notebook: a cell has no type or source") from None
        return cls(os.path.basename(path), tuple(s for s in sources if s.strip()))

    def run(self, module: ModuleType) -> None:
        """Run the cells in a module's namespace; the first error ends the run."""
        magics = Magics(module)
        future = 0
        for number, cell in enumerate(self.cells, 1):
            title = f"{self.name}, cell {number}"
            source = magics.translate(cell, title) + "\n"
            linecache.cache[title] = (len(source), None, source.splitlines(True), title)
            for code in _compile(source, title, future):
                future |= code.co_flags & FUTURE
                exec(code, vars(module))


def _compile(source: str, title: str, future: int) -> list[CodeType]:
    """A cell's code; its last expression, to be displayed, apart from the rest."""
    tree = compile(source, title, "exec", future | ast.PyCF_ONLY_AST, dont_inherit=True)
    shown = []
    if tree.body and isinstance(tree.body[-1], ast.Expr) and not _ends_in_semicolon(source):
        shown.append(tree.body.pop())
    first = compile(tree, title, "exec", future, dont_inherit=True)
    if not shown:
        return [first]
    # "single" hands the value to sys.displayhook, with the cell's line in the traceback.
    future |= first.co_flags & FUTURE
    last = compile(ast.Interactive(shown), title, "single", future, dont_inherit=True)
    return [first, last]


def _ends_in_semicolon(source: str) -> bool:
    ignored = (tokenize.NEWLINE, tokenize.NL, tokenize.COMMENT, tokenize.ENDMARKER)
    last = ""
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in ignored and token.string:
            last = token.string
    return last == ";"
