"""Tensors to print, one a line; options for a line stand before a bar.

Run with a Python that has PyTorch, this file writes tests/recorded/printing.json.gz.
"""

import gzip
import json
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded" / "printing.json.gz"

CASES = """
torch.tensor(1.0)
torch.tensor(-2.5)
torch.tensor(3)
torch.tensor(True)
torch.tensor(1e10)
torch.tensor(1e-10)
torch.tensor(0.0)
torch.tensor(-0.0)
torch.tensor(float("nan"))
torch.tensor(float("-inf"))
torch.tensor(123456789.0)
torch.tensor(1.5, dtype=torch.float64)
torch.tensor(7, dtype=torch.int32)
torch.tensor(200, dtype=torch.uint8)
torch.tensor([])
torch.tensor([], dtype=torch.int64)
torch.tensor([], dtype=torch.int32)
torch.tensor([], dtype=torch.bool)
torch.empty(0, 3)
torch.empty(2, 0)
torch.empty(2, 0, dtype=torch.int64)
torch.empty(0, requires_grad=True)
torch.empty(3, 0, 2, dtype=torch.float64)
torch.tensor([1.0])
torch.tensor([[1.0]])
torch.tensor([1.0, 2.0, 3.0])
torch.tensor([1.5, 2.25, -3.125])
torch.tensor([1, 2, 3])
torch.tensor([-1, 10, 100])
torch.tensor([True, False])
torch.tensor([True, True])
torch.tensor([False])
torch.tensor([1e-3, 1.0])
torch.tensor([1e-5, 1.0])
torch.tensor([1e-4, 1e-4])
torch.tensor([9.9e-5])
torch.tensor([1e5, 1.5])
torch.tensor([1e3, 1.5])
torch.tensor([1001.5, 1.0])
torch.tensor([1e8, 1.0])
torch.tensor([1.1e8])
torch.tensor([1e8])
torch.tensor([123456.0, 2.0])
torch.tensor([0.1, 0.2, 0.3]) * 3
torch.tensor([1.0, float("nan"), float("inf")])
torch.tensor([1.5, float("nan"), -float("inf")])
torch.tensor([float("nan")])
torch.tensor([float("inf"), -float("inf")])
torch.tensor([[float("inf"), 1], [2, 3]])
torch.tensor([0.0, 0.0])
torch.tensor([0.0, 1e-7])
torch.tensor([0.0, 12345.678])
torch.tensor([99999.0, 0.5])
torch.tensor([-1.0, 1.0])
torch.tensor([3.14159265], dtype=torch.float64)
torch.tensor([1e-20, 1e20], dtype=torch.float64)
torch.tensor([1e-200, 1e200], dtype=torch.float64)
torch.tensor([1e-40, 1.0])
torch.tensor([1, 2], dtype=torch.int32)
torch.tensor([1, 2], dtype=torch.int16)
torch.tensor([1, -2], dtype=torch.int8)
torch.tensor([1, 255], dtype=torch.uint8)
torch.tensor([1.5, 2], dtype=torch.float16)
torch.tensor([1.5, 2], dtype=torch.bfloat16)
torch.tensor([65504.0, 0.001], dtype=torch.float16)
torch.tensor([2**62, -1])
torch.tensor([[1, 2], [3, 4]])
torch.tensor([[1.0, 2.0], [3.0, 4.5]])
torch.tensor([[[1.0, 2.0], [3.0, 4.0]], [[5.0, 6.0], [7.0, 8.0]]])
torch.arange(10)
torch.arange(10.0)
torch.arange(24).reshape(2, 3, 4)
torch.arange(24.0).reshape(2, 3, 4) / 7
torch.arange(16.0).reshape(2, 2, 2, 2)
torch.arange(30)
torch.arange(100)
torch.arange(40.0) / 3
torch.arange(1000)
torch.arange(1001)
torch.arange(1001.0)
torch.arange(2000.0) / 7
torch.arange(10000).reshape(100, 100)
torch.arange(10000.0).reshape(100, 100) / 100
torch.arange(1200).reshape(2, 600)
torch.arange(1200).reshape(600, 2)
torch.arange(1200).reshape(4, 4, 75)
torch.arange(2400).reshape(10, 8, 30)
torch.arange(3000.0).reshape(3, 10, 10, 10)
torch.arange(1100) > 5
torch.zeros(1100)
torch.cat([torch.zeros(600), torch.tensor([1e-9]), torch.ones(600)])
torch.cat([torch.tensor([1e-9]), torch.zeros(1200)])
torch.zeros(3, 4)
torch.ones(2, 3)
torch.eye(3)
torch.full((2, 2), 7)
torch.full((2, 2), 0.1)
torch.ones(2, requires_grad=True)
torch.tensor(1.0, requires_grad=True)
torch.ones(2, dtype=torch.float64, requires_grad=True)
torch.ones(2, requires_grad=True) + 1
torch.ones(2, requires_grad=True) * 2
torch.ones(2, requires_grad=True) / 3
torch.ones(2, requires_grad=True) - 1
torch.ones(2, requires_grad=True).sum()
torch.ones(2, requires_grad=True).mean()
torch.ones(2, 2, requires_grad=True).sum(0)
torch.ones(2, 2, requires_grad=True) @ torch.ones(2, 2)
torch.ones(2, 2, requires_grad=True).t()
torch.ones(2, 2, requires_grad=True)[0]
torch.ones(2, 2, requires_grad=True)[:, 1:]
torch.ones(4, requires_grad=True).view(2, 2)
torch.ones(4, requires_grad=True).reshape(2, 2)
torch.ones(4, requires_grad=True).clone()
torch.ones(4, requires_grad=True).exp()
torch.ones(4, requires_grad=True).relu()
torch.ones(4, requires_grad=True).sigmoid()
torch.ones(4, requires_grad=True).detach()
torch.ones(4, requires_grad=True).data
torch.ones(4, requires_grad=True) ** 2
-torch.ones(4, requires_grad=True)
torch.ones(4, requires_grad=True).double()
torch.ones(30, requires_grad=True) * 1.5
torch.ones(2, 14, requires_grad=True) * 1.5
torch.ones(15, dtype=torch.float64, requires_grad=True) * 1.25
torch.nn.functional.linear(torch.ones(1, 2), torch.ones(3, 2, requires_grad=True), torch.ones(3))
torch.nn.functional.mse_loss(torch.ones(2, requires_grad=True), torch.zeros(2))
torch.ones(2, 3, requires_grad=True).softmax(1)
torch.nn.functional.cross_entropy(torch.ones(2, 3, requires_grad=True), torch.tensor([0, 2]))
torch.nn.Parameter(torch.ones(2, 2))
torch.nn.Parameter(torch.tensor([0.5, 1e-8]))
torch.nn.Parameter(torch.ones(2), requires_grad=False)
[torch.tensor(1.0), torch.tensor([1, 2])]
{"a": torch.ones(2), "b": (torch.tensor(3),)}
torch.tensor([[1.0, 2.0], [3.0, 4.0]]).t()
torch.arange(6.0)[::2]
torch.ones(1).expand(3)
torch.ones(2, 3) == 1
torch.ones(2, 3).argmax(1)
torch.ones(2, 3).max(1)
torch.rand(3, 4, generator=torch.Generator().manual_seed(0))
torch.randn(3, 4, generator=torch.Generator().manual_seed(0)) * 1000
torch.randn(60, generator=torch.Generator().manual_seed(1))
precision=2 | torch.tensor([1.23456, 2.0])
precision=8 | torch.tensor([1.23456, 2.0])
precision=0 | torch.tensor([1.5, 2.5])
sci_mode=True | torch.tensor([1.5, 2000.0])
sci_mode=False | torch.tensor([1e-9, 1e9])
sci_mode=True | torch.tensor([1.0, 2.0])
sci_mode=False | torch.tensor([1e-9, 1.0, float("nan")])
threshold=5 | torch.arange(10)
threshold=5, edgeitems=1 | torch.arange(24).reshape(4, 6)
threshold=5, edgeitems=2 | torch.arange(24.0).reshape(4, 6) / 7
edgeitems=1 | torch.arange(2000).reshape(2, 1000)
linewidth=40 | torch.arange(30)
linewidth=40 | torch.ones(8, requires_grad=True) * 1.5
linewidth=200 | torch.arange(50.0)
profile="short" | torch.arange(2000.0) / 3
profile="full" | torch.arange(1010)
profile="default" | torch.tensor([1.0])
threshold=float("inf") | torch.arange(1100.0)
precision=3, linewidth=50, edgeitems=2, threshold=10 | torch.arange(60.0).reshape(6, 10) / 11
precision=6 | torch.tensor(3.14159265, dtype=torch.float64)
""".strip().splitlines()

FORMATS = """
f"{torch.tensor(3.14159):.2f}"
f"{torch.tensor(5):>4d}"
f"{torch.tensor(1.5)}"
f"{torch.tensor([1.5, 2.0])}"
f"{torch.tensor(7)}"
"%.3f" % torch.tensor(2.0)
"%d" % torch.tensor(7)
"{}".format(torch.tensor([True]))
str(torch.float32), repr(torch.int64), str(torch.bool)
str(torch.Size([2, 3])), repr(torch.Size([])), str(torch.Size([1]))
str(torch.device("cpu")), repr(torch.device("cpu")), repr(torch.device("cuda:1"))
str(torch.finfo(torch.float32)), str(torch.finfo(torch.float16)), str(torch.finfo(torch.bfloat16))
str(torch.finfo(torch.float64)), str(torch.iinfo(torch.int32)), str(torch.iinfo(torch.uint8))
torch.finfo(torch.float32).eps, torch.finfo(torch.float64).tiny, torch.iinfo(torch.int64).max
torch.ones(2).type(), torch.ones(2, dtype=torch.int64).type(), torch.ones(2).bool().type()
repr(torch.ones(2).size()), torch.ones(2, 3).shape.numel()
torch.typename(torch.ones(2)), torch.typename(3), torch.typename([])
str(torch.strided), str(torch.contiguous_format), str(torch.channels_last)
str(torch.FloatTensor), str(torch.LongTensor), str(torch.FloatTensor([1, 2]))
str(type(torch.ones(1))), str(type(torch.nn.Parameter(torch.ones(1))))
""".strip().splitlines()


def text(torch, case):
    """How a tensor prints."""
    options, _, code = case.rpartition(" | ")
    before = {"profile": "default"}
    try:
        if options:
            exec(f"torch.set_printoptions({options})", {"torch": torch})
        return str(eval(code, {"torch": torch}))
    finally:
        torch.set_printoptions(**before)


def formatted(torch, code):
    """What an expression gives, as text."""
    try:
        return repr(eval(code, {"torch": torch}))
    except Exception as error:
        return f"{type(error).__name__}: {error}"


if __name__ == "__main__":
    import torch

    table = {
        "texts": [text(torch, case) for case in CASES],
        "formats": [formatted(torch, code) for code in FORMATS],
    }
    RECORDED.write_bytes(gzip.compress(json.dumps(table).encode(), mtime=0))
    print(f"{RECORDED}: {RECORDED.stat().st_size} bytes, {len(CASES)} texts")
