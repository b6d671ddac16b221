"""Time the same programs under PyTorch and under nacre, in turn, and print the ratios.

    python benchmarks/compare.py --torch PYTHON [--nacre COMMAND] [--rounds N] [CASE ...]

PYTHON is an interpreter that has PyTorch. A ratio is PyTorch's time over nacre's, the median over
the rounds: above 1, nacre is the faster one. A value that differs by more than a thousandth is
marked WRONG and makes the exit code 1. Besides the cases of steps.py and epochs.py there is
`import`, the time from starting Python to having imported the package.
"""

from __future__ import annotations

import argparse
import json
import math
import shlex
import statistics
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
EPOCHS = ("linreg_epoch", "mlp_epoch")
STEPS = (
    *("linreg", "mlp", "mlp_dropout_adam", "lenet", "infer", "elementwise", "lengths"),
    *("setitem_loop", "item_before_backward", "eval_unobserved", "hooked", "one_off"),
)

Figures = dict[str, dict[str, Any]]


def run(command: list[str], program: str, cases: list[str]) -> Figures:
    """What a program prints for the cases, by case."""
    words = [*command, str(HERE / program), *cases]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        print(f"{shlex.join(words)}: exit {done.returncode}\n{done.stderr}", file=sys.stderr)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return {line.pop("case"): line for line in lines}


def import_time(python: list[str], package: str) -> Figures:
    """Microseconds for a new interpreter to import a package; running nothing is subtracted."""
    seconds = []
    for code in ("pass", f"import {package}"):
        start = time.perf_counter()
        subprocess.run([*python, "-c", code], check=True)
        seconds.append(time.perf_counter() - start)
    return {"import": {"us": (seconds[1] - seconds[0]) * 1e6, "value": 0.0}}


def one_side(command: list[str], cases: list[str]) -> Figures:
    """All cases under one of the two."""
    figures: Figures = {}
    for program, names in (("steps.py", STEPS), ("epochs.py", EPOCHS)):
        chosen = [case for case in cases if case in names]
        if chosen:
            figures |= run(command, program, chosen)
    return figures


def line(case: str, rounds: list[tuple[Figures, Figures]]) -> tuple[str, bool]:
    """A case in words, and whether both sides agree on its value."""
    pairs = [(torch.get(case, {}), nacre.get(case, {})) for torch, nacre in rounds]
    for side, figures in (("PyTorch", pairs[0][0]), ("nacre", pairs[0][1])):
        if "us" not in figures:
            return f"{case:22} {side}: {figures.get('error', 'no answer')}", True
    pairs = [(torch, nacre) for torch, nacre in pairs if "us" in torch and "us" in nacre]
    ratio = statistics.median(torch["us"] / nacre["us"] for torch, nacre in pairs)
    times = [statistics.median(pair[side]["us"] for pair in pairs) for side in (0, 1)]
    text = f"{case:22} {times[0]:12.1f} us {times[1]:12.1f} us {ratio:8.2f}"
    for torch, nacre in pairs:
        if not math.isclose(torch["value"], nacre["value"], rel_tol=1e-3, abs_tol=2e-4):
            return f"{text}  WRONG: {torch['value']} and {nacre['value']}", False
    return text, True


def main() -> int:
    """Run the rounds, print the table."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("cases", nargs="*", metavar="CASE")
    parser.add_argument("--torch", required=True, metavar="PYTHON")
    parser.add_argument("--nacre", default=f"{sys.executable} -m nacre", metavar="COMMAND")
    parser.add_argument("--rounds", type=int, default=3, metavar="N")
    options = parser.parse_args()
    cases = options.cases or [*STEPS, *EPOCHS, "import"]
    unknown = set(cases) - {*STEPS, *EPOCHS, "import"}
    if unknown:
        parser.error(f"no such case: {', '.join(sorted(unknown))}")
    rounds = []
    for _ in range(options.rounds):
        torch = one_side([options.torch], cases)
        nacre = one_side([*shlex.split(options.nacre), "run"], cases)
        if "import" in cases:
            torch |= import_time([options.torch], "torch")
            nacre |= import_time([sys.executable], "nacre")
        rounds.append((torch, nacre))
    print(f"{'case':22} {'PyTorch':>15} {'nacre':>15} {'ratio':>8}")
    right = True
    for case in dict.fromkeys([*rounds[0][0], *rounds[0][1]]):
        text, agree = line(case, rounds)
        right = right and agree
        print(text)
    return 0 if right else 1


if __name__ == "__main__":
    sys.exit(main())
