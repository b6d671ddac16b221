"""How the benchmarks measure: medians of many steps, and a value that must agree."""

from __future__ import annotations

import json
import statistics
import time
from collections.abc import Callable
from typing import Any

WARM_STEPS = 40
CHECKED_STEP = 20
LONGEST_WARM_UP = 20.0
REPEATS = 7
SECONDS = 1.5


def report(case: str, **figures: Any) -> None:
    """Print the figures of a case as one line, for compare.py."""
    print(json.dumps({"case": case, **figures}), flush=True)


def time_steps(step: Callable[[], float]) -> tuple[float, float]:
    """Microseconds for a step once it has settled, and the value of the twentieth step.

    A step reads its result back, so nothing is left to be computed after the clock stops.
    """
    start = time.perf_counter()
    value = 0.0
    for number in range(1, WARM_STEPS + 1):
        result = step()
        if number == CHECKED_STEP:
            value = result
        if number >= CHECKED_STEP and time.perf_counter() - start > LONGEST_WARM_UP:
            break
    once = _seconds(step, 1)
    count = max(2, int(SECONDS / REPEATS / max(once, 1e-7)))
    times = [_seconds(step, count) / count for _ in range(REPEATS)]
    return statistics.median(times) * 1e6, value


def _seconds(step: Callable[[], float], count: int) -> float:
    start = time.perf_counter()
    for _ in range(count):
        step()
    return time.perf_counter() - start
