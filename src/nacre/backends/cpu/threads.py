"""The thread pool: Python threads that live in one native loop, outside the interpreter's lock.

Workers spin for a while after a job and then sleep (on a futex where the system has one, else on a
condition variable). They start at the first job large enough to share, and again after a fork.
"""

from __future__ import annotations

import ctypes
import os
import sys
import threading

from nacre.backends.cpu import compile as compiler
from nacre.backends.cpu import driver_ir, target
from nacre.base import config, forks

SPINS = 4000
_LOCK = threading.RLock()
_KEPT: list = []


def _default_threads() -> int:
    if config.NUM_THREADS:
        return config.NUM_THREADS
    try:
        return len(os.sched_getaffinity(0))
    except AttributeError:
        return os.cpu_count() or 1


class Pool:
    """The threads of the process; `address` goes to the driver, 0 while nobody helps."""

    def __init__(self):
        self.threads = _default_threads()
        self.address = 0
        self.futex = False
        self.native = None
        self.sleeping = 0
        self.condition = threading.Condition()

    def start(self) -> int:
        """The address of the running pool; starts its workers if they are not running."""
        if self.address or self.threads == 1:
            return self.address
        with _LOCK:
            if not self.address:
                memory = ctypes.create_string_buffer(driver_ir.SIZE + 64)
                _KEPT.append(memory)
                address = (ctypes.addressof(memory) + 63) // 64 * 64
                native = functions()
                for k in range(1, self.threads):
                    threading.Thread(
                        target=self._work, args=(native, address), name=f"nacre-{k}", daemon=True
                    ).start()
                self.address = address
        return self.address

    def ready(self) -> int:
        """The address of the running pool, its workers awake or about to be woken by a job."""
        address = self.address or self.start()
        if self.sleeping:
            self.wake()
        return address

    def _work(self, native, address):
        seen = 0
        while True:
            seen = native.worker(address, seen, SPINS)
            if seen < 0:
                return
            with self.condition:
                self.sleeping += 1
                self.condition.wait()
                self.sleeping -= 1
                if self.address != address:
                    return

    def wake(self) -> None:
        """Wake workers that sleep in Python, where there is no futex."""
        with self.condition:
            self.condition.notify_all()

    def stop(self) -> None:
        """End the workers; the next shared job starts new ones."""
        with _LOCK:
            if self.address:
                address, self.address = self.address, 0
                functions().stop(address)
                self.wake()

    def forget(self) -> None:
        """In a forked child: there are no workers, and the parent's memory is not ours to use."""
        self.address = 0
        self.sleeping = 0
        self.condition = threading.Condition()


class _Functions:
    """Driver and pool as ctypes functions; `drive_briefly` keeps the interpreter's lock."""

    def __init__(self):
        here = target.host()
        self.futex = sys.platform == "linux" and here.triple.split("-")[0] in driver_ir.FUTEX_CALL
        address = compiler.get_module(
            f"driver:{self.futex}",
            lambda: driver_ir.text(here, self.futex),
            ("drive", "worker", "stop"),
        )
        integer = ctypes.c_int64
        pointer = ctypes.c_void_p
        self.drive = ctypes.CFUNCTYPE(integer, pointer)(address["drive"])
        self.drive_briefly = ctypes.PYFUNCTYPE(integer, pointer)(address["drive"])
        self.worker = ctypes.CFUNCTYPE(integer, pointer, integer, integer)(address["worker"])
        self.stop = ctypes.CFUNCTYPE(None, pointer)(address["stop"])


POOL = Pool()


def functions() -> _Functions:
    """Driver and pool, compiled at the first call."""
    if POOL.native is None:
        with _LOCK:
            if POOL.native is None:
                POOL.native = _Functions()
                POOL.futex = POOL.native.futex
    return POOL.native


def set_num_threads(n: int) -> None:
    """Use n threads, the caller's among them. No result depends on it."""
    if type(n) is not int:
        raise TypeError(f"set_num_threads expects an int, but got {type(n).__name__}")
    if n < 1:
        raise RuntimeError("set_num_threads expects a positive integer")
    with _LOCK:
        if n != POOL.threads:
            POOL.stop()
            POOL.threads = n


def get_num_threads() -> int:
    """How many threads kernels may use: NACRE_NUM_THREADS, by default one for each processor."""
    return POOL.threads


forks.guard(forks.POOL, _LOCK, in_child=POOL.forget)
