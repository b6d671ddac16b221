"""From IR to addresses: refusals, the cost of a kernel, spills."""

import time

import numpy as np
import pytest
from kernel_harness import one

from nacre.backends.cpu import compile as compiler
from nacre.backends.cpu import target
from nacre.backends.cpu.gemm_micro import largest_tile, tiles_text
from nacre.backends.loops import Stream, map_ir
from nacre.base.dtypes import float32, float64

BODY = (("exp", (0,), float32, ()),)


def text(name, body=BODY):
    stream = Stream(float32, "c")
    host = target.host()
    return map_ir(name, 0, (stream,), body, ((len(body), stream),), host.lanes(4), host)


def test_refused_ir_is_a_compile_error_and_is_kept():
    with pytest.raises(compiler.CompileError, match="LLVM refused") as caught:
        compiler.get_function("bad kernel", lambda name: f"define void @{name}() {{ oops }}")
    assert "oops" in caught.value.ir
    assert one("exp", np.zeros(3, np.float32)).tolist() == [1, 1, 1]


def test_a_key_is_compiled_once():
    calls = []

    def factory(name):
        calls.append(name)
        return text(name)

    first = compiler.get_function("only once", factory)
    assert compiler.get_function("only once", factory) == first
    assert len(calls) <= 1


def test_a_small_kernel_compiles_quickly():
    compiler.emit_object(text("warm"))
    best = min(_seconds(lambda: compiler.emit_object(text("again"))) for _ in range(5))
    assert best < 0.1


def _seconds(work):
    start = time.perf_counter()
    work()
    return time.perf_counter() - start


def test_no_register_is_spilled_in_exp():
    if not target.host().x86:
        pytest.skip("reads x86 assembly")
    lines = compiler.assembly(text("look")).splitlines()
    spills = [line for line in lines if "-byte Spill" in line and "mm" in line.split("#")[0]]
    assert not spills, spills


def test_no_accumulator_of_a_product_is_spilled():
    host = target.host()
    if not host.x86 or host.vector_bytes < 32:
        pytest.skip("reads x86 assembly")
    for kind in (float32, float64):
        made = compiler.assembly(tiles_text(kind, largest_tile(kind, host), host))
        spills = [line for line in made.splitlines() if "Spill" in line or "Reload" in line]
        assert not [line for line in spills if "mm" in line.split("#")[0]]
