"""1 797 handwritten digits, 8×8 pixels from 0 to 16, that come with the package.

Source: E. Alpaydin and C. Kaynak, Optical Recognition of Handwritten Digits, UCI Machine Learning
Repository, 1998, https://doi.org/10.24432/C50P49: its test set, drawn by 13 people. Licence:
Creative Commons Attribution 4.0 International (CC BY 4.0),
https://creativecommons.org/licenses/by/4.0/. The numbers are unchanged; `digits.npz` holds them
as bytes.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np


def load() -> tuple[np.ndarray, np.ndarray]:
    """The images, uint8 of shape (1797, 8, 8), and the digits they show, uint8 of shape (1797,).

    >>> images, labels = load()
    >>> images.shape, labels[:5].tolist()
    ((1797, 8, 8), [0, 1, 2, 3, 4])
    """
    with np.load(Path(__file__).with_name("digits.npz"), allow_pickle=False) as arrays:
        return arrays["images"], arrays["labels"]
