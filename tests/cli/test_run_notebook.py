"""`nacre run FILE.ipynb` runs the cells of a notebook in order."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path

import pytest
from commands import nacre, notebook

IPYTHON = importlib.util.find_spec("IPython") is not None
HIDE_IPYTHON = """
import sys
class Hidden:
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] == "IPython":
            raise ModuleNotFoundError(name)
sys.meta_path.insert(0, Hidden())
"""


def test_cells_share_names_and_show_their_last_value(tmp_path: Path) -> None:
    name = notebook(
        tmp_path,
        "import torch\nx = torch.arange(3)\nprint('first')\nx",
        "",
        "x + 1; x.sum()",
        "x = None\nx",
        "x = 5\nx;",
        "'text'",
        "for i in range(2):\n    i",
        "# nothing",
        "__name__, '__file__' in globals()",
    )
    ran = nacre("run", name, cwd=tmp_path)
    assert ran.stderr == ""
    assert ran.stdout.splitlines() == [
        "first",
        "tensor([0, 1, 2])",
        "tensor(3)",
        "'text'",
        "('__main__', False)",
    ]


def test_a_notebook_runs_in_its_own_folder(tmp_path: Path) -> None:
    folder = tmp_path / "inner"
    folder.mkdir()
    (folder / "helper.py").write_text("VALUE = 42\n")
    (folder / "data.txt").write_text("data")
    notebook(folder, "import sys, helper\nhelper.VALUE, sys.argv[1:]", "open('data.txt').close()")
    ran = nacre("run", "inner/lesson.ipynb", "-v", cwd=tmp_path)
    assert (ran.stdout, ran.stderr) == ("(42, ['-v'])\n", "")


def test_an_error_names_the_cell_and_shows_its_line(tmp_path: Path) -> None:
    name = notebook(
        tmp_path,
        "import torch",
        "def f(x):\n    return x @ torch.ones(3, 2)",
        "y = 1\nf(torch.ones(2, 2))",
        "print('not reached')",
    )
    ran = nacre("run", name, cwd=tmp_path)
    lines = ran.stderr.splitlines()
    assert ran.returncode == 1
    assert ran.stdout == ""
    assert lines[1:3] == [
        '  File "lesson.ipynb, cell 3", line 2, in <module>',
        "    f(torch.ones(2, 2))",
    ]
    assert '  File "lesson.ipynb, cell 2", line 2, in f' in lines
    assert "    return x @ torch.ones(3, 2)" in lines
    assert "/cli/" not in ran.stderr


def test_an_error_while_a_value_is_shown_names_the_cell(tmp_path: Path) -> None:
    name = notebook(
        tmp_path, "class Odd:\n    def __repr__(self):\n        return 1 // 0", "x = 1\nOdd()"
    )
    ran = nacre("run", name, cwd=tmp_path)
    assert ran.returncode == 1
    assert ran.stderr.splitlines()[1] == '  File "lesson.ipynb, cell 2", line 2, in <module>'


def test_exit_codes(tmp_path: Path) -> None:
    name = notebook(tmp_path, "print('once')\nimport sys", "sys.exit(4)", "print('never')")
    ran = nacre("run", name, cwd=tmp_path)
    assert (ran.returncode, ran.stdout, ran.stderr) == (4, "once\n", "")


def test_a_future_import_holds_for_later_cells(tmp_path: Path) -> None:
    name = notebook(
        tmp_path,
        "from __future__ import annotations",
        "def f(x: Later): return 1\nf.__annotations__",
    )
    assert nacre("run", name, cwd=tmp_path).stdout == "{'x': 'Later'}\n"


def test_functions_of_a_notebook_have_source_and_its_classes_pickle(tmp_path: Path) -> None:
    name = notebook(
        tmp_path,
        "class A:\n    value = 1\n\ndef f():\n    return 2",
        "import inspect, pickle\ninspect.getsource(f)",
        "pickle.loads(pickle.dumps(A())).value",
    )
    ran = nacre("run", name, cwd=tmp_path)
    assert (ran.stdout, ran.stderr) == ("'def f():\\n    return 2\\n'\n1\n", "")


MAGIC_CELLS = (
    "%matplotlib inline\nx = 1",
    "!echo 'from the (shell'\nnames = !echo a\nif x:\n    !echo it\\'s",
    "text = '''\n%not a magic\n!nor this\n'''\nz = (17\n% 5)\nprint(text.count('\\n'), z)",
    "%%time\nx + 1",
    "print?",
    "%%bash\necho $((1+2))",
)


def test_without_ipython_magics_are_left_out_with_a_note(tmp_path: Path) -> None:
    (tmp_path / "hide").mkdir()
    (tmp_path / "hide" / "sitecustomize.py").write_text(HIDE_IPYTHON)
    name = notebook(tmp_path, *MAGIC_CELLS)
    ran = nacre("run", name, cwd=tmp_path, PYTHONPATH=str(tmp_path / "hide"))
    assert ran.returncode == 0
    assert ran.stdout == "3 2\n2\n"
    notes = [
        line.removesuffix(" (pip install 'nacre[notebook]' to run it)")
        for line in ran.stderr.splitlines()
    ]
    assert sorted(notes) == [
        "nacre: lesson.ipynb, cell 1, line 1: left out: %matplotlib inline",
        "nacre: lesson.ipynb, cell 2, line 1: left out: !echo 'from the (shell'",
        "nacre: lesson.ipynb, cell 2, line 2: left out: names = !echo a",
        "nacre: lesson.ipynb, cell 2, line 4: left out: !echo it\\'s",
        "nacre: lesson.ipynb, cell 4, line 1: left out: %%time",
        "nacre: lesson.ipynb, cell 5, line 1: left out: print?",
        "nacre: lesson.ipynb, cell 6: left out, it is no Python: %%bash",
    ]


@pytest.mark.skipif(not IPYTHON, reason="IPython is not installed")
def test_ipython_runs_magics(tmp_path: Path) -> None:
    name = notebook(tmp_path, *MAGIC_CELLS[:4], "names", MAGIC_CELLS[5])
    ran = nacre("run", name, cwd=tmp_path, IPYTHONDIR=str(tmp_path))
    assert ran.returncode == 0
    assert "left out" not in ran.stderr
    lines = ran.stdout.splitlines()
    assert lines[:3] == ["from the (shell", "it's", "3 2"]
    assert lines[-3:] == ["2", "['a']", "3"]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("{", "is not a notebook: "),
        ("[]", "it has no list of cells"),
        (json.dumps({"worksheets": []}), "is not a notebook of format 4"),
        (
            json.dumps({"cells": [], "metadata": {"kernelspec": {"language": "R"}}}),
            "a notebook for R, not for Python",
        ),
        (json.dumps({"cells": [{"cell_type": "code"}]}), "a cell has no type or source"),
        (json.dumps({"cells": [3]}), "a cell has no type or source"),
    ],
)
def test_what_is_no_notebook_is_refused(tmp_path: Path, content: str, words: str) -> None:
    (tmp_path / "broken.ipynb").write_text(content)
    ran = nacre("run", "broken.ipynb", cwd=tmp_path)
    assert ran.returncode == 2
    assert ran.stderr.startswith("nacre: ")
    assert words in ran.stderr
