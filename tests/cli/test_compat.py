"""`import torch` is nacre: the same modules, in workers too, and what is missing is said."""

from __future__ import annotations

import doctest
import importlib
import json
import subprocess
import sys
from pathlib import Path

import pytest
from commands import nacre, script

from nacre.cli import digits
from nacre.compat import names
from nacre.compat.finder import Finder
from nacre.compat.names import ours, theirs


def run(folder: Path, text: str, **env: str) -> list[str]:
    """What a program prints under `nacre run`, line by line."""
    ran = nacre("run", script(folder, text), cwd=folder, **env)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout.splitlines()


def test_torch_and_its_modules_are_nacres(tmp_path: Path) -> None:
    lines = run(
        tmp_path,
        """
        import torch
        import torch.nn as nn
        import torch.nn.functional as F
        import torch.utils.data as d
        from torch import nn as also_nn, optim
        from torch.nn import init
        from torch.utils.data import DataLoader
        from torch.autograd import Function
        import nacre
        import nacre.data

        print(torch is nacre, nn is nacre.nn, nn is also_nn, F is nacre.nn.functional)
        print(d.DataLoader is nacre.data.DataLoader is DataLoader, torch.utils.data is d)
        print(init is nacre.nn.init, optim is nacre.optim, Function is torch.autograd.Function)
        print(nn.__spec__.name, nacre.__spec__.name)
        """,
    )
    assert lines == ["True True True True", "True True", "True True True", "nacre.nn nacre"]


def test_an_installed_pytorch_is_not_used(tmp_path: Path) -> None:
    (tmp_path / "installed" / "torch").mkdir(parents=True)
    (tmp_path / "installed" / "torch" / "__init__.py").write_text("raise SystemExit('the real')")
    lines = run(
        tmp_path,
        "import torch\nprint(torch.__name__)",
        PYTHONPATH=str(tmp_path / "installed"),
    )
    assert lines == ["nacre"]


def test_a_missing_name_is_an_attribute_error_that_says_so(tmp_path: Path) -> None:
    lines = run(
        tmp_path,
        """
        import torch
        for module, name in ((torch, "frobnicate"), (torch.nn, "Convolution9d")):
            try:
                getattr(module, name)
            except AttributeError as problem:
                print(problem, problem.__notes__)
        print(hasattr(torch, "frobnicate"), getattr(torch, "frobnicate", None))
        """,
    )
    missing = "  nacre does not have"
    assert lines == [
        f"module 'torch' has no attribute 'frobnicate' ['{missing} torch.frobnicate (yet)']",
        "module 'torch.nn' has no attribute 'Convolution9d' "
        f"['{missing} torch.nn.Convolution9d (yet)']",
        "False None",
    ]


def test_a_missing_module_is_not_found_even_if_pytorch_has_it(tmp_path: Path) -> None:
    installed = tmp_path / "installed" / "torchvision"
    installed.mkdir(parents=True)
    (installed / "__init__.py").write_text("")
    lines = run(
        tmp_path,
        """
        import importlib.util
        for name in ("torch.frobnicate", "torch.nn.frobnicate", "torch.runtime", "torchvision"):
            try:
                __import__(name)
            except ModuleNotFoundError as problem:
                print(problem, problem.name)
        print(importlib.util.find_spec("torch.frobnicate"))
        """,
        PYTHONPATH=str(tmp_path / "installed"),
    )
    names = ("torch.frobnicate", "torch.nn.frobnicate", "torch.runtime", "torchvision")
    assert lines == [*(f"No module named '{name}' {name}" for name in names), "None"]


@pytest.mark.parametrize("method", ["fork", "spawn", "forkserver"])
def test_workers_have_it_too(tmp_path: Path, method: str) -> None:
    lines = run(
        tmp_path,
        f"""
        import multiprocessing
        import torch
        from torch.nn import functional

        def work(queue):
            import torch.utils.data
            queue.put((torch.__name__, functional.__name__, torch.ones(3).sum().item()))

        if __name__ == "__main__":
            context = multiprocessing.get_context({method!r})
            queue = context.Queue()
            process = context.Process(target=work, args=(queue,))
            process.start()
            print(queue.get(timeout=60))
            process.join()
            print(process.exitcode)
        """,
    )
    assert lines == ["('nacre', 'nacre.nn.functional', 3.0)", "0"]


def test_other_python_programs_that_it_starts_have_it_too(tmp_path: Path) -> None:
    lines = run(
        tmp_path,
        """
        import subprocess, sys
        subprocess.run([sys.executable, "-c", "import torch.nn as n; print(n.__name__)"])
        """,
    )
    assert lines == ["nacre.nn"]


@pytest.mark.parametrize("package", ["d2l", "d2lzh_pytorch"])
def test_a_books_package_beside_the_program_is_the_users(tmp_path: Path, package: str) -> None:
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("NAME = 'the user'\n")
    (tmp_path / package / "torch.py").write_text("import torch\nNAME = torch.__name__\n")
    lines = run(
        tmp_path, f"import {package}, {package}.torch\nprint({package}.NAME, {package}.torch.NAME)"
    )
    assert lines == ["the user nacre"]


def test_a_books_package_is_served_unless_the_user_has_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    book = Finder({"d2lbook": "json"}, ("d2lbook",))
    monkeypatch.setattr(sys, "meta_path", [book, *sys.meta_path])
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    imported = dict(sys.modules)
    try:
        assert importlib.import_module("d2lbook") is json
        assert importlib.import_module("d2lbook.decoder") is json.decoder
        for name in ("d2lbook", "d2lbook.decoder"):
            del sys.modules[name]
        (tmp_path / "d2lbook.py").write_text("NAME = 'mine'\n")
        importlib.invalidate_caches()
        assert importlib.import_module("d2lbook").NAME == "mine"
    finally:
        for name in set(sys.modules) - set(imported):
            del sys.modules[name]
        vars(json).pop("__getattr__", None)
        vars(json.decoder).pop("__getattr__", None)


def test_a_real_pytorch_already_imported_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "torch.py").write_text("")
    text = """
        import torch
        from nacre.compat import install
        try:
            install()
        except ImportError as problem:
            print(problem, len(problem.__notes__))
        """
    script(tmp_path, text, "main.py")
    ran = subprocess.run(
        [sys.executable, "main.py"], cwd=tmp_path, capture_output=True, text=True, timeout=60
    )
    assert (ran.stdout, ran.stderr) == ("PyTorch is already imported 1\n", "")


def test_names_map_there_and_back() -> None:
    for torch, nacre_name in (
        ("torch", "nacre"),
        ("torch.nn", "nacre.nn"),
        ("torch.nn.init", "nacre.nn.init"),
        ("torch.utils.data", "nacre.utils.data"),
    ):
        assert ours(torch) == nacre_name
        assert theirs(nacre_name) == torch
    assert ours("torchtext") is None
    assert ours("torch.ops") is None
    assert theirs("nacre.runtime.run") is None
    assert theirs("numpy") is None


def test_examples_in_docstrings() -> None:
    for module in (names, digits):
        result = doctest.testmod(module)
        assert result.attempted > 0
        assert result.failed == 0


def test_the_command_alone_loads_no_progress_bars() -> None:
    code = "import sys, nacre.cli; print('rich' in sys.modules, 'nacre.cli.run' in sys.modules)"
    ran = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60)
    assert (ran.stdout, ran.stderr) == ("False False\n", "")
