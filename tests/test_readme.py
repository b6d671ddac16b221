"""What the README shows is true: its example runs and prints what it says."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
README = (ROOT / "README.md").read_text()
NUMBER = re.compile(r"-?\d+\.\d+")


def blocks(language: str) -> list[str]:
    """The code blocks of one language."""
    return re.findall(rf"^```{language}\n(.*?)^```", README, flags=re.MULTILINE | re.DOTALL)


def test_the_example_prints_what_the_readme_says() -> None:
    (example,) = blocks("python")
    (shown,) = blocks("text")
    lines = [line for line in example.splitlines() if line.strip()]
    assert len(lines) <= 20
    ran = subprocess.run(
        [sys.executable, "-W", "error", "-c", example], capture_output=True, text=True, timeout=120
    )
    assert (ran.returncode, ran.stderr) == (0, "")
    assert NUMBER.sub("#", ran.stdout) == NUMBER.sub("#", shown)
    printed = [float(number) for number in NUMBER.findall(ran.stdout)]
    # The last printed digit may differ between processors whose exp or sums differ.
    expected = [float(number) for number in NUMBER.findall(shown)]
    assert printed == pytest.approx(expected, rel=1e-3)


def test_there_are_two_commands_for_a_fresh_machine() -> None:
    commands = [block.strip() for block in blocks("sh") if block.startswith("python3 -m venv")]
    assert len(commands) == 2
    assert commands[0].endswith("/nacre demo")
    assert commands[1].endswith("-m pytest") or " -m pytest " in commands[1]
    for command in commands:
        assert "\n" not in command
        assert re.match(r"python3 -m venv (\S+) && \1/bin/pip install ", command)


def test_the_checks_run_the_readmes_second_command() -> None:
    pattern = re.search(r"grep -E '(.*)' README.md", (ROOT / ".ci" / "run").read_text())
    assert pattern is not None
    found = [line for line in README.splitlines() if re.search(pattern.group(1), line)]
    assert len(found) == 1
    assert found[0] in [block.strip() for block in blocks("sh")]


def test_the_files_it_speaks_of_exist() -> None:
    for name in re.findall(r"`?([\w/.]+\.(?:md|npz))`?", README):
        assert (ROOT / name).exists(), name
    for folder in re.findall(r"^- `([\w/]+)/`", README, flags=re.MULTILINE):
        assert (ROOT / folder).is_dir(), folder
