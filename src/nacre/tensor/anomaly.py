"""Anomaly detection: every grad_fn remembers the line that made it, and NaN gradients raise."""

from __future__ import annotations

import traceback
import warnings

from nacre.ir.trace import TRACE


class Watch:
    """What `TRACE.anomaly` holds while detection is on: tells where the program is."""

    def __init__(self, check_nan):
        self.check_nan = check_nan

    def __call__(self) -> str:
        """The stack of calls of the user's program."""
        frames = traceback.extract_stack()
        while frames and "/nacre/" in frames[-1].filename.replace("\\", "/"):
            frames.pop()
        return "".join(traceback.format_list(frames))


class set_detect_anomaly:
    """Switch anomaly detection; takes effect when called, undone at the end of a `with`.

    With `check_nan`, a gradient that holds NaN raises RuntimeError at the operation that made it.
    """

    def __init__(self, mode: bool, check_nan: bool = True):
        self._before = TRACE.anomaly
        TRACE.anomaly = Watch(check_nan) if mode else False

    def __enter__(self):
        return None

    def __exit__(self, *exc):
        TRACE.anomaly = self._before


class detect_anomaly(set_detect_anomaly):
    """Detect anomalies inside a `with`: errors of backward name the forward call they come from.

    Example:
        >>> x = nacre.tensor(-1.0, requires_grad=True)
        >>> with nacre.autograd.detect_anomaly():  # doctest: +SKIP
        ...     x.sqrt().backward()
        RuntimeError: Function 'SqrtBackward0' returned nan values in its 0th output.
    """

    def __init__(self, check_nan: bool = True):
        self._before = TRACE.anomaly
        self._check_nan = check_nan
        warnings.warn(
            "Anomaly Detection has been enabled. This mode will increase the runtime and should "
            "only be enabled for debugging.",
            UserWarning,
            stacklevel=2,
        )

    def __enter__(self):
        self._before = TRACE.anomaly
        TRACE.anomaly = Watch(self._check_nan)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return bool(TRACE.anomaly)


def is_anomaly_check_nan_enabled() -> bool:
    """Whether NaN gradients raise."""
    return bool(TRACE.anomaly) and TRACE.anomaly.check_nan
