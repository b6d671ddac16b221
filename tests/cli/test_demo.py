"""`nacre demo` learns real digits."""

from __future__ import annotations

import re
import time
from pathlib import Path

import numpy as np
from commands import nacre

from nacre.cli import digits


def test_the_demo_reads_95_percent_of_unseen_digits_within_30_seconds(tmp_path: Path) -> None:
    start = time.perf_counter()
    ran = nacre("demo", cwd=tmp_path)
    seconds = time.perf_counter() - start
    assert (ran.returncode, ran.stderr) == (0, "")
    found = re.search(r"test accuracy ([\d.]+) ?% on (\d+) digits", ran.stdout)
    assert found is not None, ran.stdout
    assert float(found.group(1)) >= 95
    assert int(found.group(2)) >= 300
    assert seconds < 30


def test_the_digits_are_the_1797_of_the_repository() -> None:
    images, labels = digits.load()
    assert (images.shape, images.dtype, labels.dtype) == ((1797, 8, 8), np.uint8, np.uint8)
    assert (images.min(), images.max()) == (0, 16)
    assert np.bincount(labels).tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    # The repository's first image: a zero.
    assert images[0, 0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]
    size = Path(digits.__file__).with_name("digits.npz").stat().st_size
    assert size < 60_000
