"""What the machine under us is: LLVM started once, the processor's features, its vector width."""

from __future__ import annotations

import threading
from dataclasses import dataclass

import llvmlite
import llvmlite.binding as llvm

LOCK = threading.RLock()
_HOST: Host | None = None


@dataclass(frozen=True, slots=True)
class Host:
    """The processor that kernels are compiled for.

    `vector_bytes` is the width of its vector registers, `registers` their number.
    """

    triple: str
    cpu: str
    features: str
    vector_bytes: int
    registers: int
    half: bool
    masks: frozenset

    def lanes(self, itemsize: int = 4) -> int:
        """How many elements of `itemsize` bytes one vector register holds."""
        return self.vector_bytes // itemsize

    @property
    def x86(self) -> bool:
        """Whether it is an x86 in 64-bit mode."""
        return self.triple.startswith(("x86_64", "amd64"))

    @property
    def arm(self) -> bool:
        """Whether it is a 64-bit ARM."""
        return self.triple.startswith(("aarch64", "arm64"))

    def identity(self) -> str:
        """What object code depends on besides its source."""
        version = ".".join(map(str, llvm.llvm_version_info))
        return f"{self.triple}|{self.cpu}|{self.features}|{llvmlite.__version__}|{version}"


def host() -> Host:
    """The machine we run on; starts LLVM at the first call."""
    global _HOST
    if _HOST is None:
        with LOCK:
            if _HOST is None:
                _HOST = _detect()
    return _HOST


def _detect() -> Host:
    llvm.initialize_native_target()
    llvm.initialize_native_asmprinter()
    triple = llvm.get_process_triple()
    cpu = llvm.get_host_cpu_name()
    try:
        found = llvm.get_host_cpu_features()
    except RuntimeError:
        found = {}
    features = found.flatten() if found else ""
    return describe(triple, cpu, features, {name for name, on in found.items() if on})


def describe(triple: str, cpu: str, features: str, on: set) -> Host:
    """The Host of a triple whose features `on` are present."""
    masks: set = set()
    width, registers = 16, 16
    half = False
    if "avx512f" in on and "avx512bw" in on and "avx512vl" in on and "avx512dq" in on:
        width, registers = 64, 32
        masks = {1, 2, 4, 8}
        half = True
    elif "avx2" in on and "fma" in on:
        width = 32
        masks = {4, 8}
        half = "f16c" in on
    elif triple.startswith(("aarch64", "arm64")):
        registers = 32
        half = True
    return Host(triple, cpu, features, width, registers, half, frozenset(masks))


def machine(level: int = 2):
    """A fresh LLVM target machine for the host."""
    here = host()
    target = llvm.Target.from_triple(here.triple)
    return target.create_target_machine(
        cpu=here.cpu, features=here.features, opt=level, jit=True, codemodel="jitdefault"
    )
