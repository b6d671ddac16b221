"""Programs that draw random numbers, apart by empty lines; each leaves what is compared in
`r`.

Run with a Python that has PyTorch, this file writes tests/recorded/random.json.gz.
"""

import gzip
import json
from pathlib import Path

RECORDED = Path(__file__).parent / "recorded" / "random.json.gz"

CASES = """
r = torch.rand(3, 4)

r = torch.rand(5, dtype=torch.float64)

r = torch.rand((2, 3), dtype=torch.float16)

r = torch.rand(2, dtype=torch.bfloat16)

r = torch.rand(0), torch.rand(())

r = torch.randn(3, 5)

r = torch.randn(4, 4)

r = torch.randn(37)

r = torch.randn(5), torch.randn(4), torch.randn(2)

r = torch.randn(3), torch.rand(2), torch.randn(3)

r = torch.randn(20, dtype=torch.float64)

r = torch.randn(7, dtype=torch.float64)

r = torch.randn(19, dtype=torch.float16)

r = torch.randn(33, dtype=torch.bfloat16)

r = torch.randint(10, (7,))

r = torch.randint(-5, 5, (2, 3))

r = torch.randint(0, 2**40, (4,))

r = torch.randint(low=3, high=9, size=(4,))

r = torch.randint(0, 255, (4,), dtype=torch.uint8)

r = torch.randint(0, 7, (4,), dtype=torch.float32)

r = torch.randperm(10)

r = torch.randperm(1), torch.randperm(0), torch.randperm(5, dtype=torch.int32)

r = torch.rand_like(torch.ones(2, 3))

r = torch.rand_like(torch.ones(2, 3).t())

r = torch.randn_like(torch.ones(3, dtype=torch.float64))

r = torch.randn_like(torch.ones(5, 4).t())

r = torch.randint_like(torch.ones(3, 2), 9)

r = torch.randint_like(torch.ones(3, 2, dtype=torch.int64), -4, 4)

r = torch.normal(2.0, 3.0, (4,))

r = torch.normal(2.0, 3.0, (2, 20))

r = torch.normal(torch.arange(3.0), torch.tensor([1.0, 2.0, 3.0]))

r = torch.normal(torch.arange(18.0), 2.0)

r = torch.normal(1.5, torch.arange(1.0, 5.0))

r = torch.normal(torch.zeros(3, 1), torch.ones(2))

r = torch.normal(mean=0.0, std=0.01, size=(3, 2))

r = torch.bernoulli(torch.full((8,), 0.3))

r = torch.bernoulli(torch.full((2, 4), 0.3).t())

r = torch.bernoulli(torch.full((6,), 0.7, dtype=torch.float64))

r = torch.bernoulli(torch.ones(6), 0.5)

r = torch.multinomial(torch.tensor([1.0, 2.0, 3.0, 4.0]), 3)

r = torch.multinomial(torch.tensor([1.0, 2.0, 3.0, 4.0]), 9, replacement=True)

r = torch.multinomial(torch.tensor([[1.0, 0.0, 3.0], [1.0, 1.0, 1.0]]), 2)

r = torch.multinomial(torch.tensor([[1.0, 0.0, 3.0], [1.0, 1.0, 1.0]]), 1)

r = torch.poisson(torch.tensor([0.5, 3.0, 20.0]))

r = torch.empty(5).uniform_()

r = torch.empty(5).uniform_(-2, 3)

r = torch.empty(2, 3).t().uniform_()

r = torch.empty(2, 3, 4).permute(2, 0, 1).uniform_(1.0, 2.0)

r = torch.empty(6)[::2].uniform_()

x = torch.zeros(4, 6)
x[:, 1:3].uniform_()
r = x

x = torch.zeros(4, 6)
x[1::2, ::3].uniform_()
r = x

r = torch.empty(5, dtype=torch.float64).uniform_(-1, 1)

r = torch.empty(5).normal_()

r = torch.empty(20).normal_(1.0, 2.0)

r = torch.empty(6, 5).t().normal_()

r = torch.empty(2, 3).t().normal_()

r = torch.empty(40)[::2].normal_()

x = torch.zeros(4, 12)
x[:, 2:7].normal_()
r = x

x = torch.zeros(4, 12)
x[1:3].normal_()
r = x

x = torch.zeros(4, 5, 3)
x.transpose(0, 2).normal_(1.0, 0.5)
r = x

r = torch.empty(17, dtype=torch.float64).normal_(-1, 3)

r = torch.empty(5, dtype=torch.int64).random_()

r = torch.empty(5, dtype=torch.int32).random_()

r = torch.empty(5, dtype=torch.uint8).random_()

r = torch.empty(5).random_()

r = torch.empty(5, dtype=torch.int64).random_(10)

r = torch.empty(2, 3, dtype=torch.int64).t().random_(-3, 10)

r = torch.empty(4, dtype=torch.bool).random_()

r = torch.empty(9).bernoulli_(torch.full((9,), 0.4))

r = torch.empty(2, 3).t().bernoulli_(torch.arange(6.0).reshape(3, 2) / 6)

r = torch.empty(5).exponential_().gt(0)

r = torch.empty(5).geometric_(0.3)

r = torch.empty(3, 2).t().log_normal_()

r = torch.empty(3, 2).t().cauchy_(1.0, 2.0)

x = torch.zeros(3)
y = x.uniform_()
r = x, y is x, x._version

g = torch.Generator()
r = g.initial_seed(), torch.rand(3, generator=g)

g = torch.Generator().manual_seed(5)
r = torch.randn(3, generator=g), torch.rand(2)

g = torch.Generator().manual_seed(5)
r = torch.randperm(5, generator=g), torch.randint(9, (3,), generator=g)

g = torch.Generator().manual_seed(-7)
r = g.initial_seed(), torch.rand(2, generator=g)

g = torch.Generator().manual_seed(2**40 + 3)
r = torch.empty(3).normal_(generator=g)

g = torch.Generator()
s = g.get_state()
a = torch.rand(3, generator=g)
g.set_state(s)
r = a, torch.rand(3, generator=g)

g = torch.Generator(device="cpu")
r = str(g.device), g.get_state().shape, str(g.get_state().dtype)

g = torch.Generator().manual_seed(3)
torch.randn(5, generator=g)
r = g.get_state()

g = torch.Generator().manual_seed(3)
torch.rand(700, generator=g)
r = g.get_state()

s = torch.get_rng_state()
a = torch.randn(3)
torch.set_rng_state(s)
r = a, torch.randn(3)

r = torch.get_rng_state().sum()

torch.manual_seed(11)
r = torch.initial_seed(), torch.default_generator.initial_seed(), torch.rand(2)

r = torch.manual_seed(4) is torch.default_generator, torch.rand(2)

torch.random.manual_seed(9)
r = torch.rand(2), torch.random.initial_seed()

with torch.random.fork_rng(): torch.rand(5)

with torch.random.fork_rng(): a = torch.rand(2)

g = torch.Generator().manual_seed(8)
h = g.clone_state()
r = torch.rand(2, generator=g), torch.rand(2, generator=h)

r = torch.nn.init.normal_(torch.empty(3, 4), 0.0, 0.01)

r = torch.nn.init.xavier_uniform_(torch.empty(3, 4))

r = torch.nn.init.kaiming_normal_(torch.empty(6, 4))

r = torch.nn.Linear(3, 2).weight.data, torch.rand(1)

torch.rand(3)
torch.randn(2)
torch.randperm(4)
r = torch.rand(1)

a = torch.randn(3)
b = torch.rand(2)
r = b, a

r = torch.tensor([3.0, 1.0]).multinomial(1), torch.full((3,), 0.5).bernoulli()

r = torch.rand(2, 3, out=torch.empty(2, 3))

x = torch.empty(2)
torch.randn(2, out=x)
r = x
""".strip().split("\n\n")

REFUSED = """
torch.rand(2, dtype=torch.int64)
torch.randn(2, dtype=torch.int64)
torch.randint(5, 5, (2,))
torch.randint(9, 3, (2,))
torch.randperm(-1)
torch.empty(2).uniform_(3, 1)
torch.empty(2).normal_(0, -1)
torch.empty(2).exponential_(-1)
torch.empty(2).bernoulli_(1.5)
torch.empty(2).geometric_(1.5)
torch.empty(2, dtype=torch.int64).uniform_()
torch.empty(2, dtype=torch.int64).normal_()
torch.empty(2, dtype=torch.uint8).random_(300)
torch.normal(0.0, -1.0, (2,))
torch.multinomial(torch.tensor([1.0, 2.0]), 3)
torch.multinomial(torch.tensor([1, 2]), 1)
torch.multinomial(torch.zeros(3), 1)
torch.Generator().set_state([1])
torch.Generator().set_state(torch.ones(3))
torch.Generator().set_state(torch.ones(3, dtype=torch.uint8))
torch.Generator().manual_seed(2**70)
torch.Generator().manual_seed(1.5)
torch.Generator("nowhere")
torch.set_rng_state(torch.ones(3))
torch.manual_seed(2**70)
torch.ones(2, requires_grad=True).uniform_()
torch.ones(1).expand(3).normal_()
""".strip().splitlines()


def result(torch, code):
    """What a program leaves in `r` after the seed 1234."""
    names = {"torch": torch}
    torch.manual_seed(1234)
    exec(code, names)
    return plain(names.get("r"), torch)


def plain(value, torch):
    """A value as JSON can hold it."""
    if isinstance(value, torch.Tensor):
        values = value.detach()
        if values.dtype in (torch.float16, torch.bfloat16):
            values = values.float()
        return [str(value.dtype), list(value.shape), list(value.stride()), values.tolist()]
    if isinstance(value, torch.Size):
        return list(value)
    if isinstance(value, tuple):
        return [plain(v, torch) for v in value]
    return value


def refusal(torch, code):
    """The error a line raises: type and first line."""
    try:
        exec(code, {"torch": torch})
    except Exception as error:
        return [type(error).__name__, str(error).splitlines()[0]]
    return None


if __name__ == "__main__":
    import torch

    table = {
        "results": [result(torch, code) for code in CASES],
        "refusals": [refusal(torch, code) for code in REFUSED],
    }
    RECORDED.write_bytes(gzip.compress(json.dumps(table).encode(), mtime=0))
    print(f"{RECORDED}: {RECORDED.stat().st_size} bytes, {len(CASES)} programs")
