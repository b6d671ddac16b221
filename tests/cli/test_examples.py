"""The examples and a benchmark run, and learn what they say."""

from __future__ import annotations

import json
import re
from pathlib import Path

from commands import nacre

ROOT = Path(__file__).resolve().parents[2]


def output(*words: str) -> str:
    """What a program of the repository prints."""
    ran = nacre("run", *words, cwd=ROOT)
    assert (ran.returncode, ran.stderr) == (0, "")
    return ran.stdout


def test_linear_regression_finds_the_line() -> None:
    lines = output("examples/linear_regression.py").splitlines()
    assert lines[-2:] == ["error of w: True", "error of b: True"]


def test_the_perceptron_reads_digits() -> None:
    lines = output("examples/digits_mlp.py").splitlines()
    accuracies = [float(found) for found in re.findall(r"accuracy ([\d.]+)%", "\n".join(lines))]
    assert len(accuracies) == 10
    assert accuracies[-1] >= 95
    assert all(re.fullmatch(r"[ .:*#]{16}", line) for line in lines[-8:])


def test_the_custom_layer_trains_and_its_error_names_the_place() -> None:
    lines = output("examples/custom_layer.py").splitlines()
    assert "parameters: 301" in lines
    at = lines.index("RuntimeError: mat1 and mat2 shapes cannot be multiplied (8x5 and 4x16)")
    assert lines[at + 1].startswith("  in Sequential.0.inner.0: Dense(")


def test_a_benchmark_reports_a_time_and_a_value() -> None:
    line = json.loads(output("benchmarks/steps.py", "linreg"))
    assert line["case"] == "linreg"
    assert line["us"] > 0
    # PyTorch's value for the same seed
    assert abs(line["value"] - 1.9754) < 2e-3
