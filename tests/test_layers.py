"""Imports point down: a file imports from its own level of the design or from lower ones only."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import nacre

ROOT = Path(nacre.__file__).parent
LEVELS = {
    "base": 0,
    "ir": 1,
    "ops": 2,
    "autograd": 3,
    "runtime": 3,
    "backends": 4,
    "tensor": 5,
    "nn": 6,
    "optim": 6,
    "data": 6,
    "utils": 6,
    "serialization": 6,
    "vision": 7,
    "distributed": 7,
    "diagnostics": 7,
    "d2l": 8,
    "compat": 8,
    "cli": 8,
}
# The package itself shows everything by one name, from the top.
TOP = 8
# The one file that loads backends by name, so that none of them is needed before it is used.
BY_NAME = {"runtime/backend.py"}
BASE_DEPENDENCIES = {"numpy", "llvmlite", "ml_dtypes", "safetensors", "rich"}
EXTRAS = {"PIL", "matplotlib", "matplotlib_inline", "IPython", "traitlets", "mpi4py"}
FILES = sorted(p.relative_to(ROOT) for p in ROOT.rglob("*.py"))


def level_of(module: str) -> int:
    """The level of a module of nacre's by its dotted name."""
    parts = module.split(".")
    return TOP if len(parts) == 1 or parts[1] not in LEVELS else LEVELS[parts[1]]


def level_of_file(path: Path) -> int:
    """The level of a file; those beside the folders are of the top."""
    return LEVELS[path.parts[0]] if len(path.parts) > 1 else TOP


def imports(tree) -> list:
    """(node, modules it imports, function it is inside of or None) of every import statement."""
    found = []

    def visit(node, function):
        for child in ast.iter_child_nodes(node):
            if isinstance(child, ast.Import):
                found.append((child, [a.name for a in child.names], function))
            elif isinstance(child, ast.ImportFrom):
                assert not child.level, "relative imports hide where a name comes from"
                names = [f"{child.module}.{a.name}" for a in child.names]
                found.append((child, names, function))
            inside = isinstance(child, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
            visit(child, child if inside else function)

    visit(tree, None)
    return found


def parsed(path: Path):
    """The syntax tree of a file of nacre's."""
    return ast.parse((ROOT / path).read_text(encoding="utf-8"))


def test_there_is_something_to_check():
    assert len(FILES) > 60
    assert {p.parts[0] for p in FILES if len(p.parts) > 1} <= set(LEVELS)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_imports_point_down(path):
    own = level_of_file(path)
    wrong = []
    for node, modules, _ in imports(parsed(path)):
        for module in modules:
            if module.split(".")[0] == "nacre" and level_of(module) > own:
                wrong.append(f"line {node.lineno}: {module} is of a higher level")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_no_imports_inside_functions(path):
    if path.parts[0] == "compat":
        return
    wrong = []
    for node, modules, function in imports(parsed(path)):
        optional = all(m.split(".")[0] in EXTRAS for m in modules)
        if function is not None and not optional:
            wrong.append(f"line {node.lineno}: {', '.join(modules)} inside of a function")
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_backends_and_users_files_are_imported_by_name(path):
    if path.parts[0] in ("compat", "cli") or path.as_posix() in BY_NAME:
        return
    names = {n.id for n in ast.walk(parsed(path)) if isinstance(n, ast.Name)}
    names |= {n.attr for n in ast.walk(parsed(path)) if isinstance(n, ast.Attribute)}
    assert not names & {"import_module", "__import__"}


@pytest.mark.parametrize("path", FILES, ids=str)
def test_only_dependencies_are_imported(path):
    standard = set(__import__("sys").stdlib_module_names) | {"__future__"}
    allowed = standard | BASE_DEPENDENCIES | {"nacre"}
    wrong = []
    for node, modules, function in imports(parsed(path)):
        for module in modules:
            name = module.split(".")[0]
            guarded = name in EXTRAS and (function is not None or _in_try(parsed(path), node))
            if name not in allowed and not guarded:
                wrong.append(f"line {node.lineno}: {module}")
    assert not wrong, "\n".join(wrong)


def _in_try(tree, node) -> bool:
    """Whether a statement of a freshly parsed tree is inside of a try statement."""
    return any(
        isinstance(outer, ast.Try) and any(_same(inner, node) for inner in ast.walk(outer))
        for outer in ast.walk(tree)
    )


def _same(a, b) -> bool:
    return type(a) is type(b) and getattr(a, "lineno", None) == getattr(b, "lineno", -1)


def test_a_higher_import_is_seen():
    tree = ast.parse("def f():\n    from nacre.tensor import cell\n")
    ((node, modules, function),) = imports(tree)
    assert modules == ["nacre.tensor.cell"] and function.name == "f" and node.lineno == 2
    assert level_of("nacre.tensor.cell") > level_of_file(Path("ops/view.py"))
