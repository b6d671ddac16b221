"""The names that nacre shows, and the signatures that PyTorch gives them.

python tests/surface_cases.py --torch /path/to/a/python/with/torch

writes tests/recorded/surface.json: for every public name of nacre's the parameters that PyTorch's
documentation or Python source states, None where neither does.
"""

from __future__ import annotations
import __future__

import argparse
import ast
import inspect
import json
import re
import subprocess
import sys
import types
import warnings
from pathlib import Path

TABLE = Path(__file__).resolve().parent / "recorded" / "surface.json"
MISSING = object()
HOMES = (
    "",
    "Tensor",
    "autograd",
    "autograd.functional",
    "nn",
    "nn.functional",
    "nn.init",
    "nn.utils",
    "optim",
    "optim.lr_scheduler",
    "random",
    "utils.data",
)


def owner_of(torch, home: str):
    """The module or class of a home, or None."""
    found = torch
    for part in home.split(".") if home else ():
        found = getattr(found, part, None)
    return found


def public_names(torch) -> list[str]:
    """The names that a framework shows, without the parts it is made of."""
    found = []
    for home in HOMES:
        owner = owner_of(torch, home)
        for name in [] if owner is None else dir(owner):
            value = inspect.getattr_static(owner, name)
            if not name.startswith("_") and not _imported(owner, value):
                found.append(f"{home}.{name}" if home else name)
    return sorted(found)


def _imported(owner, value) -> bool:
    """Whether a module has a name only to use it; packages are made of imported names."""
    if isinstance(value, types.ModuleType | __future__._Feature):
        return True
    plain = isinstance(owner, types.ModuleType) and not hasattr(owner, "__path__")
    home = getattr(value, "__module__", None)
    return plain and (home is None or home != owner.__name__) and not isinstance(value, float)


def look(torch, name: str):
    """What a public name stands for, MISSING if there is none."""
    home, _, last = name.rpartition(".")
    return getattr(owner_of(torch, home), last, MISSING)


# ---- signatures ---------------------------------------------------------------------------------
def parameters(value) -> list | None:
    """[[name, kind, default], ...]: kinds are "p" positional, "k" keyword only, "*" and "**"."""
    if isinstance(value, type):
        value = value.__init__
    try:
        signature = inspect.signature(value)
    except (TypeError, ValueError):
        return documented(value)
    found = []
    for p in signature.parameters.values():
        if p.name in ("self", "cls") and not found:
            continue
        kind = {p.KEYWORD_ONLY: "k", p.VAR_POSITIONAL: "*", p.VAR_KEYWORD: "**"}.get(p.kind, "p")
        found.append([p.name, kind, plain(p.default) if p.default is not p.empty else "required"])
    return found


def plain(default) -> str:
    """A default as text, if text says it."""
    if default is None or isinstance(default, bool | int | float | str | tuple | list):
        return repr(default)
    return "?"


SIGNATURE = re.compile(r"^\s*([A-Za-z_.]+)\((.*?)\)(?:\s*->\s*.*)?$")


def documented(value) -> list | None:
    """The parameters that the first line of a docstring states."""
    for line in (value.__doc__ or "").strip().split("\n")[:3]:
        match = SIGNATURE.match(line.strip().replace("\\*", "*"))
        if match:
            return parsed(match.group(2))
    return None


def parsed(text: str) -> list | None:
    """Parameters from text such as `input, dim, keepdim=False, *, dtype=None`."""
    text = re.sub(r"\bTensor(\[\])? |\bint |\bbool |\bNumber |\bfloat ", "", text)
    try:
        arguments = ast.parse(f"def f({text}): pass").body[0].args
    except SyntaxError:
        return None
    required = len(arguments.args) - len(arguments.defaults)
    found = []
    for i, a in enumerate(arguments.args):
        default = "required" if i < required else literal(arguments.defaults[i - required])
        found.append([a.arg, "p", default])
    if arguments.vararg:
        found.append([arguments.vararg.arg, "*", "required"])
    for a, default in zip(arguments.kwonlyargs, arguments.kw_defaults, strict=True):
        found.append([a.arg, "k", "required" if default is None else literal(default)])
    return [p for p in found if p[0] not in ("self", "cls")]


def literal(node) -> str:
    """A default in a docstring as text."""
    try:
        return plain(ast.literal_eval(node))
    except ValueError:
        return "?"


def main() -> None:
    """Record; with names on the input, answer as the interpreter that has PyTorch."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--torch", help="an interpreter that has PyTorch")
    python = p.parse_args().torch
    if python is None:
        import torch

        warnings.simplefilter("ignore")
        found = {}
        for name in json.load(sys.stdin):
            value = look(torch, name)
            found[name] = {"there": value is not MISSING}
            if callable(value) and value is not MISSING:
                found[name]["parameters"] = parameters(value)
        json.dump(found, sys.stdout)
        return
    import nacre

    names = json.dumps(public_names(nacre))
    done = subprocess.run([python, __file__], input=names, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(done.stderr)
    found = json.loads(done.stdout)
    lines = [f"{json.dumps(k)}: {json.dumps(v)}" for k, v in found.items()]
    TABLE.write_text("{\n" + ",\n".join(lines) + "\n}\n")
    known = sum(bool(v.get("parameters")) for v in found.values())
    print(f"{len(found)} names, {known} signatures")
    print("not in PyTorch:", [k for k, v in found.items() if not v["there"]])


if __name__ == "__main__":
    main()
