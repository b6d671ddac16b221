"""Runs programs with a given torch module and returns what they let see, as plain lists.

As a script: `python runner.py MODULE` (torch or nacre) reads one JSON object a line, a program
(`setup`, `body`, `loops`, optional `prints` seed), and answers one JSON object: `obs`.
"""

from __future__ import annotations

import copy
import gc
import importlib
import io
import json
import re
import sys
import threading
import time
import types
import warnings

import numpy as np

BOUND = re.compile(r"^[ ]*([a-z]\w*(?:, ?[a-z]\w*)*),? = ", re.M)
NOT_TENSORS = ("see", "meta", "note", "val")


def mix(state: int) -> int:
    """One step of a 64-bit generator, for the places of the inserted prints."""
    state = (state + 0x9E3779B97F4A7C15) & (1 << 64) - 1
    z = ((state ^ state >> 30) * 0xBF58476D1CE4E5B9) & (1 << 64) - 1
    z = ((z ^ z >> 27) * 0x94D049BB133111EB) & (1 << 64) - 1
    return z ^ z >> 31


class Runner:
    """Executes the statements of one program after another in fresh namespaces."""

    def __init__(self, torch) -> None:
        self.torch = torch
        self.obs: list = []
        self.ns: dict = {}

    # --- what a program sees --------------------------------------------------------------

    def facts(self, t) -> list:
        """What can be known of a tensor without its values."""
        try:
            version = t._version
        except RuntimeError:
            version = "inference"
        grad_fn = t.grad_fn
        return [
            str(t.dtype).rsplit(".", 1)[-1],
            list(t.shape),
            list(t.stride()),
            t.storage_offset(),
            version,
            t.is_leaf,
            t.requires_grad,
            None if grad_fn is None else type(grad_fn).__name__,
        ]

    def values(self, t) -> list:
        """The elements in row-major order as Python numbers, exactly."""
        return t.detach().reshape(-1).tolist()

    def plain(self, x) -> object:
        """A JSON form of a Python value."""
        if isinstance(x, self.torch.Tensor):
            return ["tensor", str(x.dtype).rsplit(".", 1)[-1], list(x.shape), self.values(x)]
        if isinstance(x, list | tuple):
            return [self.plain(y) for y in x]
        if x is None or isinstance(x, bool | int | float | str):
            return x
        if isinstance(x, np.generic):
            return x.item()
        return type(x).__name__

    def see(self, *tensors) -> None:
        """Everything about tensors."""
        for t in tensors:
            if isinstance(t, self.torch.Tensor):
                self.obs.append(["T", *self.facts(t), self.values(t)])
            else:
                self.note(t)

    def meta(self, *tensors) -> None:
        """Everything but the values, which stay uncomputed."""
        for t in tensors:
            self.obs.append(["M", *self.facts(t)])

    def val(self, *tensors) -> None:
        """Values, shape and dtype only: what is fixed of a gradient on its way."""
        for t in tensors:
            if t is None:
                self.obs.append(["V", None])
            else:
                dtype = str(t.dtype).rsplit(".", 1)[-1]
                self.obs.append(["V", dtype, list(t.shape), t.requires_grad, self.values(t)])

    def note(self, *values) -> None:
        """Python values."""
        self.obs.append(["N", *[self.plain(x) for x in values]])

    def live(self) -> list[tuple[str, object]]:
        """The tensors bound to the generator's names."""
        tensor = self.torch.Tensor
        return [
            (k, v)
            for k, v in sorted(self.ns.items())
            if k[0] in "tpb" and k[1:].isdigit() and isinstance(v, tensor)
        ]

    def aliases(self) -> None:
        """Which names are one object, and which share storage."""
        objects: dict[int, int] = {}
        stores: dict[int, int] = {}
        entry = []
        for name, t in self.live():
            same = objects.setdefault(id(t), len(objects))
            pointer = t.untyped_storage().data_ptr() if t.numel() else 0
            store = stores.setdefault(pointer, len(stores)) if pointer else -1
            entry.append([name, same, store])
        self.obs.append(["A", entry])

    def everything(self) -> None:
        """All live tensors, their gradients and arrays."""
        for _, t in self.live():
            self.see(t)
            if t.is_leaf and t.requires_grad:
                self.see(t.grad)
        for k, v in sorted(self.ns.items()):
            if k[0] == "n" and isinstance(v, np.ndarray):
                self.note(v.tolist())
        self.aliases()

    # --- running ---------------------------------------------------------------------------

    def namespace(self) -> dict:
        """What the program's source may name."""
        torch = self.torch

        class Twice(torch.autograd.Function):
            """Doubles; its gradient is tripled on purpose."""

            @staticmethod
            def forward(ctx, x):
                ctx.save_for_backward(x)
                return x * 2

            @staticmethod
            def backward(ctx, d):
                (x,) = ctx.saved_tensors
                return d * 3 + x * 0

        return {
            "torch": torch,
            "np": np,
            "nn": torch.nn,
            "F": torch.nn.functional,
            "copy": copy,
            "threading": threading,
            "Twice": Twice,
            "sink": io.StringIO(),
            "it": 0,
            "held": [],
            **{k: getattr(self, k) for k in (*NOT_TENSORS, "aliases", "everything")},
        }

    def statement(self, code: types.CodeType | str, text: str) -> None:
        """Run one statement; note the type of what it raises and delete what it was to bind."""
        try:
            if isinstance(code, str):
                raise SyntaxError(code)
            exec(code, self.ns)
        except Exception as e:
            self.obs.append(["E", type(e).__name__, str(e).split("\n")[0][:160]])
            for match in BOUND.finditer(text):
                for name in match.group(1).split(","):
                    self.ns.pop(name.strip(), None)

    def disturb(self, state: int) -> None:
        """An observation that the program did not ask for and that must change nothing."""
        live = self.live()
        if not live:
            return
        tensor = live[state % len(live)][1]
        kind = state >> 20 & 3
        if kind == 0:
            str(tensor)
        elif kind == 1:
            tensor.tolist()
        elif kind == 2:
            repr(tensor.detach().sum())
        else:
            bool((tensor == tensor).all())

    def run(self, program: dict) -> list:
        """The observations of a program."""
        self.obs, self.ns = [], self.namespace()
        prints = program.get("prints")
        state = mix(prints) if prints is not None else 0
        compiled = [
            (compile(text, "<program>", "exec", dont_inherit=True), text)
            for text in (*program["setup"], *program["body"])
        ]
        first = len(program["setup"])
        for code, text in compiled[:first]:
            self.statement(code, text)
        for it in range(program["loops"]):
            self.ns["it"] = it
            for code, text in compiled[first:]:
                if prints is not None:
                    state = mix(state)
                    if state & 7 < 3:
                        self.disturb(state >> 8)
                self.statement(code, text)
        self.torch.set_grad_enabled(True)
        try:
            self.everything()
        except Exception as e:
            self.obs.append(["E", type(e).__name__, str(e).split("\n")[0][:160]])
        obs, self.obs, self.ns = self.obs, [], {}
        return obs


def serve(module: str) -> None:
    """Answer programs until the input ends."""
    warnings.simplefilter("ignore")
    threading.excepthook = lambda a: runner.obs.append(["E", a.exc_type.__name__, "in a thread"])
    np.seterr(all="ignore")
    answer = sys.stdout
    sys.stdout = io.StringIO()  # a program's prints must not be taken for answers
    torch = importlib.import_module(module)
    if module == "torch":
        torch.set_num_threads(1)
    runner = Runner(torch)
    for count, line in enumerate(sys.stdin):
        program = json.loads(line)
        start = time.perf_counter()
        obs = runner.run(program)
        seconds = time.perf_counter() - start
        answer.write(json.dumps({"obs": obs, "seconds": seconds}) + "\n")
        answer.flush()
        if count % 200 == 0:
            gc.collect()


if __name__ == "__main__":
    serve(sys.argv[1])
