"""From IR text to addresses: parse, a short pipeline, object code, one engine for many objects.

    get_function("key", factory) -> int      factory(name) returns the text that defines @name
    get_functions([(key, factory), ...]) -> [int, ...]      missing ones are loaded in one batch

Kernels are kept for the life of the process and, as object code, on disk (runtime/cache.py).
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable

import llvmlite.binding as llvm

from nacre.backends.cpu import target
from nacre.base import forks
from nacre.runtime import cache

_ADDRESSES: dict[str, int] = {}
_ENGINES: list = []
_MACHINE: list = []
STATS = {"compiled": 0, "loaded": 0}

forks.guard(forks.COMPILER, target.LOCK)


class CompileError(RuntimeError):
    """LLVM refused a kernel; the text it was given is in `.ir`."""

    def __init__(self, words: str, ir: str = ""):
        super().__init__(words)
        self.ir = ir


def get_function(key: str, factory: Callable[[str], str]) -> int:
    """The address of the function with this key, compiled if nobody has needed it before.

    Raises CompileError if LLVM cannot compile it.
    """
    found = _ADDRESSES.get(key)
    return found if found is not None else get_functions([(key, factory)])[0]


def get_functions(wanted) -> list[int]:
    """The addresses of several functions; those that are missing are loaded into one engine."""
    missing = {key: factory for key, factory in wanted if key not in _ADDRESSES}
    if missing:
        with target.LOCK:
            _load({k: f for k, f in missing.items() if k not in _ADDRESSES})
    return [_ADDRESSES[key] for key, _ in wanted]


def get_module(key: str, factory: Callable[[], str], names) -> dict[str, int]:
    """The addresses of several functions that one module defines, under their own names."""
    with target.LOCK:
        engine = _engine([_object(key, target.host().identity(), factory, names)])
        return {name: engine.get_function_address(name) for name in names}


def symbol(key: str) -> str:
    """The name in object code of the function with this key."""
    return "k" + hashlib.sha256(key.encode()).hexdigest()[:24]


def _load(missing) -> None:
    if not missing:
        return
    identity = target.host().identity()
    found = {key: _kernel(key, identity, factory) for key, factory in missing.items()}
    try:
        _link(found)
    except CompileError:
        for key in found:
            cache.forget(key, identity)
        _link({key: _kernel(key, identity, factory) for key, factory in missing.items()})


def _kernel(key: str, identity: str, factory) -> bytes:
    name = symbol(key)
    return _object(key, identity, lambda: factory(name), (name,))


def _object(key: str, identity: str, factory, names) -> bytes:
    """The object code of a key, which defines `names`: from disk, else compiled and put there.

    What LLVM would stumble over when asked for these names is not given to it.
    """
    stored = cache.load(key, identity)
    if stored is not None and all(name.encode() in stored for name in names):
        STATS["loaded"] += 1
        return stored
    made = emit_object(factory())
    STATS["compiled"] += 1
    cache.store(key, identity, made)
    return made


def _engine(objects):
    """One engine that holds some object code, for the life of the process."""
    try:
        engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _machine())
        for stored in objects:
            engine.add_object_file(llvm.ObjectFileRef.from_data(stored))
        engine.finalize_object()
    except RuntimeError as error:
        raise CompileError(f"LLVM could not load object code: {error}") from error
    _ENGINES.append(engine)
    return engine


def _link(objects) -> None:
    """Put objects into one engine and note where their functions are."""
    engine = _engine(objects.values())
    for key in objects:
        address = engine.get_function_address(symbol(key))
        if not address:
            raise CompileError(f"the object code of {key!r} does not define it")
        _ADDRESSES[key] = address


def _machine():
    if not _MACHINE:
        llvm.set_option("nacre", "-disable-lsr")
        _MACHINE.append(target.machine())
    return target.machine()


def parse(text: str):
    """The verified LLVM module of some IR text."""
    try:
        module = llvm.parse_assembly(text)
        module.verify()
    except RuntimeError as error:
        raise CompileError(f"LLVM refused a kernel: {error}", text) from error
    return module


def emit_object(text: str) -> bytes:
    """Object code of some IR text for this machine."""
    with target.LOCK:
        machine = _prepared(text)
        return machine[1].emit_object(machine[0])


def assembly(text: str) -> str:
    """What `emit_object` would produce, readable; for tests that look for spills."""
    with target.LOCK:
        machine = _prepared(text)
        return machine[1].emit_assembly(machine[0])


def _prepared(text: str):
    machine = _machine()
    module = parse(text)
    tuning = llvm.create_pipeline_tuning_options(speed_level=2)
    builder = llvm.create_pass_builder(machine, tuning)
    passes = llvm.create_new_module_pass_manager()
    passes.add_sroa_pass()
    passes.add_simplify_cfg_pass()
    passes.run(module, builder)
    return module, machine
