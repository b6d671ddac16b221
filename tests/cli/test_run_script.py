"""`nacre run FILE.py` runs a script as Python runs it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
from pathlib import Path

import pytest
from commands import COMMAND, nacre, script

import nacre as package


def test_a_script_is_main_with_its_arguments_and_folder(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    script(folder, "VALUE = 'beside the script'\n", "helper.py")
    script(
        folder,
        """
        import os, sys
        import helper
        print(__name__, sys.argv, os.path.isabs(__file__), sys.path[0] == os.path.dirname(__file__))
        print(helper.VALUE, sys.modules["__main__"].helper is helper, os.getcwd() == sys.argv[1])
        """,
    )
    ran = nacre("run", "inner/program.py", str(tmp_path), "--help", "--", "-x", cwd=tmp_path)
    assert ran.stderr == ""
    arguments = ["inner/program.py", str(tmp_path), "--help", "--", "-x"]
    assert ran.stdout.splitlines() == [
        f"__main__ {arguments} True True",
        "beside the script True True",
    ]
    assert ran.returncode == 0


@pytest.mark.parametrize(
    ("last", "code", "words"),
    [
        ("sys.exit(3)", 3, ""),
        ("sys.exit()", 0, ""),
        ("sys.exit('no such file')", 1, "no such file\n"),
        ("import os; os._exit(7)", 7, ""),
    ],
)
def test_the_exit_code_is_the_scripts(tmp_path: Path, last: str, code: int, words: str) -> None:
    name = script(tmp_path, f"import sys\n{last}\n")
    ran = nacre("run", name, cwd=tmp_path)
    assert (ran.returncode, ran.stderr) == (code, words)


def test_a_traceback_starts_at_the_script_and_ends_with_the_notes(tmp_path: Path) -> None:
    name = script(
        tmp_path,
        """
        import torch

        def product():
            return torch.ones(2, 16) @ torch.ones(20, 4)

        product()
        """,
    )
    ran = nacre("run", name, cwd=tmp_path)
    lines = ran.stderr.splitlines()
    assert ran.returncode == 1
    assert lines[0] == "Traceback (most recent call last):"
    assert lines[1] == f'  File "{tmp_path / name}", line 7, in <module>'
    assert lines[2] == "    product()"
    inner = f'  File "{tmp_path / name}", line 5, in product'
    assert inner in lines[3:5], "the line of the call may be underlined before it"
    assert "RuntimeError: mat1 and mat2 shapes cannot be multiplied (2x16 and 20x4)" in lines
    assert lines[-1].startswith("  "), "the remedy is printed"
    assert "/cli/" not in ran.stderr


@pytest.mark.parametrize("line", ["torch.frobnicate", "import torch.frobnicate"])
def test_the_traceback_of_a_missing_name_ends_at_the_scripts_line(
    tmp_path: Path, line: str
) -> None:
    ran = nacre("run", script(tmp_path, f"import torch\n{line}\n"), cwd=tmp_path)
    lines = ran.stderr.splitlines()
    assert lines[1:3] == [f'  File "{tmp_path / "program.py"}", line 2, in <module>', f"    {line}"]
    assert lines[-1] == "  nacre does not have torch.frobnicate (yet)"
    assert len([line for line in lines if line.startswith("  File ")]) == 1


def test_a_deep_recursion_is_shown(tmp_path: Path) -> None:
    name = script(tmp_path, "def f():\n    f()\n\nf()\n")
    ran = nacre("run", name, cwd=tmp_path)
    assert ran.returncode == 1
    last = "RecursionError: maximum recursion depth exceeded"
    assert ran.stderr.splitlines()[-1].startswith(last)
    assert f'  File "{tmp_path / name}", line 4, in <module>' in ran.stderr


@pytest.mark.skipif(os.name == "nt", reason="signals are POSIX's")
def test_an_interrupt_ends_it_as_it_ends_python(tmp_path: Path) -> None:
    text = "import time\nprint('ready', flush=True)\ntime.sleep(60)\n"
    words = [*COMMAND, "run", script(tmp_path, text)]
    pipe = subprocess.PIPE
    # What a shell runs in the background ignores SIGINT, and so do its children.
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    try:
        process = subprocess.Popen(words, cwd=tmp_path, stdout=pipe, stderr=pipe, text=True)
    finally:
        signal.signal(signal.SIGINT, before)
    with process:
        assert process.stdout is not None and process.stdout.readline() == "ready\n"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=60)
    assert process.returncode == -signal.SIGINT
    lines = errors.splitlines()
    assert re.fullmatch(r'  File ".*program.py", line [23], in <module>', lines[1])
    assert lines[-1] == "KeyboardInterrupt"


def test_a_syntax_error_shows_the_line_alone(tmp_path: Path) -> None:
    ran = nacre("run", script(tmp_path, "x = 1\ny = = 2\n"), cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[0] == f'  File "{tmp_path / "program.py"}", line 2'
    assert ran.stderr.splitlines()[-1] == "SyntaxError: invalid syntax"


def test_a_file_that_is_not_there(tmp_path: Path) -> None:
    ran = nacre("run", "absent.py", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr == "nacre: can't open file 'absent.py': No such file or directory\n"


def test_a_source_in_another_encoding(tmp_path: Path) -> None:
    (tmp_path / "latin.py").write_bytes(b"# coding: latin-1\nprint(ascii('\xe9'))\n")
    assert nacre("run", "latin.py", cwd=tmp_path).stdout == "'\\xe9'\n"


def test_the_version_and_the_usage(tmp_path: Path) -> None:
    assert nacre("--version", cwd=tmp_path).stdout == f"nacre {package.__version__}\n"
    assert nacre("--help", cwd=tmp_path).stdout.startswith("usage: nacre run")
    for words in ((), ("jump",), ("run",), ("demo", "--epochs")):
        ran = nacre(*words, cwd=tmp_path)
        assert ran.returncode == 2
        assert "usage: nacre" in ran.stderr
