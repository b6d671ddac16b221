"""Mistakes that people make, as lines of code, and what a framework says of each.

python tests/error_cases.py --torch /path/to/a/python/with/torch

writes what PyTorch says to tests/recorded/errors.json: the exception's type and first line.
"""

from __future__ import annotations

import argparse
import copy
import json
import subprocess
import sys
import warnings
from pathlib import Path

import numpy as np

TABLE = Path(__file__).resolve().parent / "recorded" / "errors.json"

SHAPES = """
torch.ones(2, 3) + torch.ones(2, 4)
torch.ones(2, 3) * torch.ones(3, 2)
torch.ones(2, 3) @ torch.ones(2, 3)
torch.ones(3) @ torch.ones(4)
torch.ones(2, 3) @ torch.ones(2)
torch.ones(2) @ torch.ones(3, 2)
torch.ones(2, 3, 4) @ torch.ones(2, 3, 5)
torch.tensor(2.0) @ torch.ones(2)
torch.mm(torch.ones(2), torch.ones(2, 2))
torch.bmm(torch.ones(2, 2), torch.ones(2, 2, 2))
torch.dot(torch.ones(2), torch.ones(3))
torch.mv(torch.ones(2, 3), torch.ones(2))
torch.addmm(torch.ones(3), torch.ones(2, 3), torch.ones(2, 3))
torch.ones(2, 3).view(4)
torch.ones(2, 3).t().view(6)
torch.ones(2, 3).reshape(-1, 4)
torch.ones(2, 3).reshape(-1, -1)
torch.ones(2, 3).flatten(1, 0)
torch.ones(2, 3).reshape(6 / 2, 2)
torch.ones(2, 3).reshape((6 / 2, 2))
torch.ones(2, 3).reshape(6.0)
torch.ones(2, 3).reshape("6")
torch.ones(2, 3).reshape()
torch.ones(2, 3).expand(2.0, 3)
torch.ones(2, 3).permute(0.0, 1)
torch.cat(torch.ones(2), torch.ones(2))
torch.cat([torch.ones(2), 1])
torch.stack(torch.ones(2, 2))
torch.stack([1, torch.ones(2)])
torch.cat([torch.ones(2, 3), torch.ones(3, 2)])
torch.cat([torch.ones(2), torch.tensor(1.0)])
torch.cat([])
torch.stack([torch.ones(2), torch.ones(3)])
torch.ones(2, 3).expand(3, 3)
torch.ones(2, 3).expand(3)
torch.ones(2, 3).permute(0)
torch.ones(2, 3).permute(0, 0)
torch.ones(2, 3).transpose(0, 2)
torch.ones(2, 2, 2).t()
torch.ones(2, 3).squeeze(2)
torch.ones(2, 3).unsqueeze(4)
torch.ones(2, 3).sum(dim=2)
torch.ones(2, 3).sum(dim=(0, 0))
torch.ones(2, 3).argmax(dim=-3)
torch.ones(0).max()
torch.ones(0, 3).amax(0)
torch.ones(4).split([1, 2])
torch.ones(4).narrow(0, 3, 2)
torch.ones(3).add_(torch.ones(2, 3))
torch.ones(3).copy_(torch.ones(4))
torch.zeros(2, -1)
torch.ones(2, -1)
torch.empty(2, -1)
torch.full((2, -1), 1.0)
torch.rand(2, -1)
torch.randn(2, -1)
torch.ones(2, 3, 4) + torch.ones(5, 3, 2)
torch.ones(2, 4).unflatten(1, (3, 2))
torch.broadcast_to(torch.ones(3), (2, 4))
nn.Linear(3, 4)(torch.ones(2, 5))
nn.Linear(3, 4)(torch.ones(5))
nn.functional.cross_entropy(torch.ones(2, 3), torch.tensor([0, 1, 2]))
nn.functional.nll_loss(torch.ones(2, 3), torch.tensor([[0], [1]]))
nn.functional.mse_loss(torch.ones(3), torch.ones(2))
"""

TYPES = """
torch.arange(3).mean()
torch.arange(3).std()
torch.arange(3).add_(0.5)
torch.arange(3).div_(2)
torch.ones(2, 2) @ torch.ones(2, 2).double()
nn.Linear(2, 2)(torch.ones(1, 2).double())
nn.Linear(2, 2)(torch.arange(2))
torch.arange(3, requires_grad=True)
torch.arange(3).requires_grad_()
torch.arange(3).requires_grad = True
torch.ones(2, dtype=torch.int64, requires_grad=True)
torch.tensor([1, 2], requires_grad=True)
~torch.ones(2)
-torch.tensor([True])
torch.tensor([True]) - torch.tensor([True])
torch.ones(2) & torch.ones(2)
torch.arange(3) ** -1
torch.where(torch.ones(2), torch.ones(2), torch.zeros(2))
torch.ones(2).masked_fill(torch.ones(2), 0.0)
nn.functional.softmax(torch.arange(3), 0)
nn.functional.cross_entropy(torch.ones(2, 3), torch.ones(2))
torch.tensor("text")
torch.tensor([1, "a"])
torch.tensor([None])
torch.tensor(["a", "b"])
torch.tensor([["a"]])
torch.tensor([1.0, None])
torch.tensor(None)
torch.tensor([2**70])
torch.tensor([[1, 2], [3]])
torch.tensor([1, [2, 3]])
torch.tensor({"a": 1})
torch.ones(2) + "a"
"a" + torch.ones(2)
torch.add(torch.ones(2), "a")
torch.ones(2) @ 2
torch.exp(1.0)
torch.sum([1, 2])
torch.ones(2) - None
torch.ones(2) < "a"
torch.ones("a")
torch.zeros(2.5)
torch.zeros("a")
torch.rand("a")
torch.empty([2.5])
torch.arange("a")
torch.mean(1.0)
torch.relu("a")
torch.max([1, 2])
torch.reshape([1, 2], (2,))
torch.ones(2).sub_("a")
torch.matmul(torch.ones(2), 2)
torch.zeros(2, dtype=float) @ "a"
torch.ones(2) * None
torch.mul(torch.ones(2), None)
2 @ torch.ones(2)
torch.ones(2, dtype="float32")
torch.ones(2).to("nonsense")
torch.ones(2).type("nonsense")
torch.full((2,), "a")
torch.zeros(2, dtpye=torch.int64)
torch.ones(size=(2,), foo=1)
torch.full((2,), 1.0, foo=1)
torch.zeros_like(torch.ones(2), foo=1)
torch.exp(torch.ones(2, requires_grad=True), out=torch.zeros(2))
torch.add(torch.ones(2), 0.5, out=torch.zeros(2, dtype=torch.int64))
torch.gather(torch.ones(3), 0, torch.ones(1))
torch.logical_and(torch.ones(2), 1.0)
torch.maximum(torch.ones(2), 1.0)
torch.clamp(torch.ones(2))
torch.div(torch.ones(2), 2, rounding_mode="up")
torch.from_numpy(np.array(["a"]))
torch.from_numpy([1, 2])
torch.from_numpy(np.arange(3)[::-1])
torch.finfo(torch.int64)
torch.set_default_dtype(torch.int64)
torch.ones(2, 2).softmax()
torch.ones(2, 2).log_softmax()
torch.cumsum(torch.ones(2))
torch.ones(2).unsqueeze()
torch.logsumexp(torch.ones(2))
"""

INDICES = """
torch.ones(3)[3]
torch.ones(3)[-4]
torch.ones(2, 3)[0, 3]
torch.ones(3)[0, 0]
torch.ones(3)[[0, 5]]
torch.ones(3)[torch.tensor([-4])]
torch.ones(3)[1.5]
torch.ones(3)[torch.ones(2)]
torch.ones(3)[torch.tensor([True, False])]
torch.ones(3, 3)[torch.tensor([0, 1]), torch.tensor([0, 1, 2])]
torch.tensor(1.0)[0]
torch.ones(3)[::-1]
torch.ones(3)[::0]
torch.ones(3)["a":]
torch.select(torch.ones(3), 0, 5)
torch.gather(torch.ones(3), 0, torch.tensor([3])).sum().item()
torch.index_select(torch.ones(3), 0, torch.tensor([3])).sum().item()
torch.index_select(torch.ones(3), 0, torch.tensor([[0]]))
torch.take(torch.ones(3), torch.tensor([3])).sum().item()
nn.functional.nll_loss(torch.ones(2, 3), torch.tensor([0, 3])).item()
nn.functional.cross_entropy(torch.ones(2, 3), torch.tensor([0, -1])).item()
x = torch.ones(4); x[1:3] = torch.ones(3)
x = torch.ones(4); x[[0, 1]] = torch.ones(3)
x = torch.ones(4); x[4] = 1
x = torch.ones(4); x[0] = torch.ones(2)
x = torch.ones(4); x[torch.tensor([0, 1])] = torch.ones(2).double()
x = torch.ones(4); x[0] = "a"
len(torch.tensor(1.0))
list(torch.tensor(1.0))
for i in torch.tensor(3): pass
a, b = torch.ones(3)
"""

GRADIENTS = """
x = torch.ones(2, requires_grad=True); x += 1
x = torch.ones(2, requires_grad=True); x[0] = 1
x = torch.ones(2, requires_grad=True); x.zero_()
x = torch.ones(2, requires_grad=True); x.view(2).mul_(2)
x = torch.ones(2, requires_grad=True); y = (x * x).sum(); y.backward(); y.backward()
x = torch.ones(2, requires_grad=True); y = x.exp(); y.add_(1); y.sum().backward()
x = torch.ones(2, requires_grad=True); y = x * 1; z = y * y; y += 1; z.sum().backward()
x = torch.ones(2, requires_grad=True); y = x.sigmoid(); y[0] = 0; y.sum().backward()
torch.ones(2, requires_grad=True).exp().backward()
torch.ones(2).sum().backward()
x = torch.ones(2, requires_grad=True); x.detach().sum().backward()
x = torch.ones(2, requires_grad=True); x.sum().backward(torch.ones(2))
x = torch.ones(2, requires_grad=True); torch.autograd.grad(torch.ones(1, requires_grad=True), x)
x = torch.ones(2, requires_grad=True); torch.autograd.grad((x * 2).detach().sum(), x)
x = torch.ones(2); y = torch.ones(2, requires_grad=True); torch.autograd.grad(y.sum(), x)
torch.ones(2, requires_grad=True).numpy()
(torch.ones(2, requires_grad=True) * 2).numpy()
np.asarray(torch.ones(2, requires_grad=True))
x = torch.ones(2, requires_grad=True); y = x * 2; y.requires_grad = False
x = torch.ones(2, requires_grad=True); copy.deepcopy(x * 2)
x = torch.ones(2, requires_grad=True); x.grad = torch.ones(3)
x = torch.ones(2, requires_grad=True); x.grad = torch.ones(2).double()
x = torch.ones(2, requires_grad=True); x.grad = 1.0
x = torch.ones(2); x.requires_grad = 1.5
torch.ones(2).register_hook(print)
torch.ones(2).retain_grad()
x = torch.ones(2, requires_grad=True); x.view(2).detach_()
x = torch.ones(2, requires_grad=True); x.data = 1.0
x = torch.ones(1).expand(3); x += 1
x = torch.ones(4); x[1:].add_(x[:-1])
x = torch.ones(2, requires_grad=True); (x // 2).sum().backward()
w = torch.ones(2, requires_grad=True); nn.functional.nll_loss(w, torch.tensor(0), weight=w)
"""

VALUES = """
bool(torch.ones(2))
if torch.ones(2) > 0: pass
bool(torch.ones(0))
torch.ones(2).item()
int(torch.ones(2))
float(torch.ones(2))
[1, 2][torch.tensor(1.0)]
[1, 2][torch.tensor([0, 1])]
range(torch.tensor(1.5))
"a" in torch.ones(2)
format(torch.ones(2), ".2f")
torch.allclose(torch.ones(2), torch.ones(2).double())
torch.arange(3) // 0
torch.arange(0, 5, 0)
torch.arange(5, 1)
torch.linspace(0, 1, -1)
torch.eye(-1)
torch.randint(5, 5, (2,))
torch.multinomial(torch.tensor([-1.0, 2.0]), 1)
torch.multinomial(torch.tensor([0.0, 0.0]), 1)
torch.multinomial(torch.tensor([1.0, 1.0]), 3)
torch.bernoulli(torch.tensor([2.0]))
torch.normal(0.0, -1.0, (2,))
torch.ones(2).uniform_(1, 0)
torch.ones(2).cuda()
torch.device("nonsense")
torch.set_num_threads(0)
"""

BLOCKS = """
nn.Linear(2, 2).missing
nn.Sequential(nn.ReLU())[1]
nn.Linear(2, 2)()
nn.Module()(1)
nn.Dropout(1.5)
nn.Linear(2, 2).load_state_dict({})
nn.Linear(2, 2).load_state_dict(nn.Linear(2, 3).state_dict())
nn.Linear(2, 2).load_state_dict(1)
nn.Linear(2, 2).register_parameter("a.b", None)
nn.Linear(2, 2).register_parameter("weight", torch.ones(2))
nn.Linear(2, 2).register_buffer("weight", torch.ones(2))
nn.Linear(2, 2).add_module("x", 1)
nn.Linear(2, 2).get_submodule("x")
nn.Linear(2, 2).weight = torch.ones(2)
nn.ModuleList([1])
torch.optim.SGD([], lr=0.1)
torch.optim.SGD(torch.ones(2), lr=0.1)
torch.optim.SGD([torch.ones(2)], lr=-1)
torch.optim.SGD([torch.ones(2, requires_grad=True) * 2], lr=0.1)
torch.optim.SGD([torch.ones(2)], lr=0.1, nesterov=True)
nn.functional.mse_loss(torch.ones(2), torch.ones(2), reduction="most")
nn.functional.dropout(torch.ones(2), 2.0)
"""

CASES = [
    line
    for group in (SHAPES, TYPES, INDICES, GRADIENTS, VALUES, BLOCKS)
    for line in group.strip().split("\n")
]


def run(torch, line: str) -> list:
    """[type, first line] of what a line raises, [] if it raises nothing."""
    names = {"torch": torch, "nn": torch.nn, "np": np, "copy": copy}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            exec(compile(line, "<case>", "exec"), names)
        except Exception as error:
            return [type(error).__name__, str(error).split("\n")[0]]
    return []


def main() -> None:
    """Record what PyTorch says; without arguments, answer as the interpreter that has it."""
    p = argparse.ArgumentParser(description=__doc__)
    p.add_argument("--torch", help="an interpreter that has PyTorch")
    python = p.parse_args().torch
    if python is None:
        import torch

        json.dump({line: run(torch, line) for line in CASES}, sys.stdout)
        return
    done = subprocess.run([python, __file__], check=True, capture_output=True, text=True)
    found = json.loads(done.stdout)
    TABLE.write_text(json.dumps(found, indent=0) + "\n")
    print(f"{len(found)} cases, {sum(not v for v in found.values())} raise nothing")


if __name__ == "__main__":
    main()
