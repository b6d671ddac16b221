"""Ctrl-C at random moments leaves every parameter and buffer as before or after a whole step."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("interrupts.py")


def run(*arguments: str, **env: str) -> dict:
    """The report of the script."""
    done = subprocess.run(
        [sys.executable, str(SCRIPT), *arguments],
        env=os.environ | env,
        capture_output=True,
        text=True,
        timeout=100,
    )
    assert done.stdout, done.stderr
    return json.loads(done.stdout.splitlines()[-1])


@pytest.mark.parametrize("how", ["timer", "signals"])
def test_interrupts_leave_whole_steps(how: str) -> None:
    report = run("--count", "300", "--how", how, NACRE_VERIFY="0")
    assert report["wrong"] == []
    assert report["hits"] >= 300
    assert report["before"]
    assert report["after"]
