"""Programs that load data, apart by empty lines; each leaves what is compared in `r`.

Run with a Python that has PyTorch, this file writes tests/recorded/data.json.gz.
"""

import gzip
import json
import warnings
from collections import OrderedDict, namedtuple
from pathlib import Path

RECORDED = Path(__file__).parent.parent / "recorded" / "data.json.gz"

CASES = """
r = list(data.DataLoader(pairs, 4))

r = list(data.DataLoader(pairs, 4, drop_last=True))

r = list(data.DataLoader(pairs, 4, shuffle=True)), torch.rand(1)

r = list(data.DataLoader(pairs, 11, shuffle=True)), torch.rand(1)

r = list(data.DataLoader(pairs, 100, shuffle=True)), torch.rand(1)

r = list(data.DataLoader(pairs, 3, shuffle=True, drop_last=True)), torch.rand(1)

r = list(data.DataLoader(pairs)), torch.rand(1)

l = data.DataLoader(pairs, 4, shuffle=True)
r = [[b[1] for b in l] for _ in range(3)], torch.rand(1)

l = data.DataLoader(pairs, 4, shuffle=True)
i = iter(l)
a = torch.rand(1)
b = next(i)
r = a, b[1], torch.rand(1)

l = data.DataLoader(pairs, 4, shuffle=True)
r = [(b[1], torch.rand(1)) for b in l]

l = data.DataLoader(pairs, 4)
r = [(b[1], torch.rand(1)) for b in l]

g = torch.Generator().manual_seed(5)
l = data.DataLoader(pairs, 4, shuffle=True, generator=g)
r = [[b[1] for b in l] for _ in range(2)], torch.rand(1), torch.rand(1, generator=g)

g = torch.Generator().manual_seed(5)
l = data.DataLoader(pairs, 11, shuffle=True, generator=g)
r = [(b[1], torch.rand(1, generator=g)) for b in l], torch.rand(1, generator=g)

g = torch.Generator().manual_seed(5)
l = data.DataLoader(pairs, 4, shuffle=True, generator=g)
r = [(b[1], torch.rand(1, generator=g)) for b in l], torch.rand(1, generator=g)

r = list(data.DataLoader(pairs, 4, sampler=data.SequentialSampler(pairs)))

r = list(data.DataLoader(pairs, 4, sampler=[3, 1, 4, 1, 5])), torch.rand(1)

r = (
    list(
        data.DataLoader(
            pairs, 4, sampler=data.RandomSampler(pairs, replacement=True, num_samples=70)
        )
    ),
    torch.rand(1),
)

r = (
    list(data.DataLoader(pairs, 4, sampler=data.RandomSampler(pairs, num_samples=25))),
    torch.rand(1),
)

r = list(data.DataLoader(pairs, 4, sampler=data.RandomSampler(pairs, num_samples=5))), torch.rand(1)

r = (
    list(data.DataLoader(pairs, 4, sampler=data.SubsetRandomSampler([1, 5, 7, 8, 9]))),
    torch.rand(1),
)

r = (
    list(data.DataLoader(pairs, 4, sampler=data.WeightedRandomSampler([1.0, 2.0, 3.0], 9))),
    torch.rand(1),
)

r = (
    list(
        data.DataLoader(
            pairs, 2, sampler=data.WeightedRandomSampler([1.0, 2.0, 3.0], 3, replacement=False)
        )
    ),
    torch.rand(1),
)

r = list(data.DataLoader(pairs, batch_sampler=[[1, 2], [0], [5, 5, 5]])), torch.rand(1)

r = list(
    data.DataLoader(pairs, batch_sampler=data.BatchSampler(data.SequentialSampler(pairs), 4, True))
)

r = list(data.DataLoader(pairs, batch_size=None)), torch.rand(1)

r = list(data.DataLoader(pairs, batch_size=None, shuffle=True)), torch.rand(1)

r = list(data.DataLoader(pairs, 4, collate_fn=len)), torch.rand(1)

r = list(data.DataLoader(pairs, 4, collate_fn=lambda b: [x[1].item() for x in b], shuffle=True))

r = list(data.DataLoader(data.TensorDataset(torch.arange(5)), 2))

r = list(
    data.DataLoader(
        data.TensorDataset(torch.arange(12.0).reshape(3, 4).t(), torch.arange(4) > 1), 3
    )
)

r = list(
    data.DataLoader(data.TensorDataset(torch.arange(12.0).reshape(6, 2)[::2]), 2, shuffle=True)
)

r = list(
    data.DataLoader(
        data.TensorDataset(torch.ones(3, 2, dtype=torch.float64), torch.ones(3, dtype=torch.uint8)),
        2,
    )
)

r = list(data.DataLoader(data.Subset(pairs, [1, 3, 5, 7, 9]), 2, shuffle=True)), torch.rand(1)

r = list(data.DataLoader(data.Subset(data.Subset(pairs, [1, 3, 5, 7]), [0, 2, 3]), 2))

r = [list(data.DataLoader(p, 3)) for p in data.random_split(pairs, [4, 7])], torch.rand(1)

r = [p.indices for p in data.random_split(range(10), [0.5, 0.25, 0.25])], torch.rand(1)

r = (
    [p.indices for p in data.random_split(range(10), [3, 7], torch.Generator().manual_seed(42))],
    torch.rand(1),
)

r = [p.indices for p in data.random_split(range(7), [0.3, 0.3, 0.4])]

r = list(data.DataLoader(pairs + pairs, 5, shuffle=True)), torch.rand(1)

c = data.ConcatDataset([range(3), range(10, 14)])
r = len(c), c.cumulative_sizes, [c[i] for i in range(-7, 7)]

s = data.StackDataset(range(3), range(5, 8))
r = len(s), list(data.DataLoader(s, 2)), s[1]

s = data.StackDataset(a=range(3), b=torch.arange(3))
r = list(data.DataLoader(s, 2))

r = (
    len(data.DataLoader(pairs, 4)),
    len(data.DataLoader(pairs, 4, drop_last=True)),
    len(data.DataLoader(pairs, None)),
    len(data.DataLoader(pairs, sampler=[1, 2])),
)

r = pairs[2], pairs[1:3], len(pairs), pairs[-1], pairs[torch.tensor([0, 2])]

r = (
    list(data.BatchSampler(range(7), 3, False)),
    list(data.BatchSampler(range(7), 3, True)),
    len(data.BatchSampler(range(7), 3, False)),
    len(data.BatchSampler(range(7), 3, True)),
)

r = (
    list(data.RandomSampler(range(6))),
    list(data.RandomSampler(range(6), generator=torch.Generator().manual_seed(1))),
    torch.rand(1),
)

r = (
    list(data.SequentialSampler(range(4))),
    list(data.SubsetRandomSampler("abc")),
    len(data.RandomSampler(range(6), num_samples=3)),
)

r = (
    list(data.DataLoader(Numbers(7), 3)),
    list(data.DataLoader(Numbers(7), 3, drop_last=True)),
    torch.rand(1),
)

r = (
    list(data.DataLoader(Numbers(4), None)),
    list(data.DataLoader(data.ChainDataset([Numbers(2), Numbers(3)]), 2)),
)

r = (
    list(data.DataLoader(Numbers(2) + Numbers(1), 5)),
    len(data.DataLoader(Sized(7), 3)),
    len(data.DataLoader(Sized(7), 3, drop_last=True)),
)

r = (
    list(data.DataLoader(Squares(5), 2)),
    list(data.DataLoader(Squares(5), 2, shuffle=True)),
    torch.rand(1),
)

r = list(data.DataLoader(Noisy(4), 2, shuffle=True)), torch.rand(1)

r = list(data.DataLoader(Several(4), 3, shuffle=True)), torch.rand(1)

r = (
    data.default_collate([1, 2, 3]),
    data.default_collate([1.5, 2.0]),
    data.default_collate([True, False]),
)

r = (
    data.default_collate([torch.ones(2), torch.zeros(2)]),
    data.default_collate([torch.tensor(1), torch.tensor(2)]),
)

r = (
    data.default_collate([np.ones(2), np.zeros(2)]),
    data.default_collate([np.float32(1), np.float32(2)]),
    data.default_collate([np.int64(3)]),
)

r = (
    data.default_collate([np.arange(3, dtype=np.int32)] * 2),
    data.default_collate([np.bool_(True), np.bool_(False)]),
)

r = data.default_collate(["a", "b"]), data.default_collate([b"a", b"b"])

r = data.default_collate([{"a": 1, "b": [1.0, 2]}, {"a": 2, "b": [3.0, 4]}])

r = data.default_collate([(1, (2, "x")), (3, (4, "y"))]), data.default_collate([[1, 2], [3, 4]])

r = data.default_collate([Point(1, torch.ones(1)), Point(2, torch.zeros(1))])

r = data.default_collate([OrderedDict(a=1), OrderedDict(a=5)])

r = (
    data.default_convert(np.ones(2)),
    data.default_convert([np.ones(1), "a"]),
    data.default_convert({"k": (np.int64(1),)}),
    data.default_convert(3),
)

r = [b.requires_grad for b in data.default_collate([(torch.ones(2, requires_grad=True),)] * 2)]
""".strip().split("\n\n")

REFUSED = """
data.DataLoader(pairs, 0)
data.DataLoader(pairs, -3)
data.DataLoader(pairs, 2.5)
data.DataLoader(pairs, 4, shuffle=True, sampler=[1])
data.DataLoader(pairs, 4, batch_sampler=[[1]])
data.DataLoader(pairs, batch_sampler=[[1]], shuffle=True)
data.DataLoader(pairs, None, drop_last=True)
data.DataLoader(pairs, num_workers=-1)
data.DataLoader(pairs, timeout=-1)
data.DataLoader(pairs, prefetch_factor=2)
data.DataLoader(pairs, persistent_workers=True)
data.DataLoader(Numbers(3), shuffle=True)
data.DataLoader(Numbers(3), batch_sampler=[[1]])
data.DataLoader([], 2, shuffle=True)
data.DataLoader(pairs).batch_size = 3
list(data.DataLoader(pairs, sampler=[99]))
data.TensorDataset(torch.ones(2), torch.ones(3))
data.RandomSampler(pairs, replacement=1)
data.RandomSampler(pairs, num_samples=0)
data.RandomSampler(pairs, num_samples=1.5)
data.WeightedRandomSampler([1.0], 0)
data.WeightedRandomSampler([1.0], 1, replacement=2)
data.WeightedRandomSampler([[1.0]], 1)
data.BatchSampler(range(3), 0, False)
data.BatchSampler(range(3), 2, 1)
data.ConcatDataset([])
data.ConcatDataset([Numbers(2)])
data.ConcatDataset([range(3)])[-4]
data.StackDataset()
data.StackDataset(range(3), range(4))
data.StackDataset(range(3), a=range(3))
data.random_split(range(5), [2, 2])
data.random_split(range(5), [0.5, -0.5, 1.0])
data.default_collate([object()])
data.default_collate([[1], [1, 2]])
data.default_collate([torch.ones(2), torch.ones(3)])
data.default_collate([np.array("a")])
data.Dataset()[0]
len(data.Dataset())
len(data.DataLoader(Numbers(3)))
""".strip().splitlines()


def names(torch, data):
    """What the programs have at hand."""

    class Numbers(data.IterableDataset):
        def __init__(self, n):
            self.n = n

        def __iter__(self):
            return iter(range(self.n))

    class Sized(Numbers):
        def __len__(self):
            return self.n

    class Squares(data.Dataset):
        def __init__(self, n):
            self.n = n

        def __len__(self):
            return self.n

        def __getitem__(self, i):
            return torch.tensor([float(i), i * i]), i

    class Noisy(Squares):
        def __getitem__(self, i):
            return torch.rand(2) + i

    class Several(Squares):
        def __getitems__(self, indices):
            return [i * 100 for i in indices]

    import numpy as np

    torch.manual_seed(99)
    pairs = data.TensorDataset(torch.arange(22.0).reshape(11, 2), torch.arange(11))
    return {
        "torch": torch,
        "data": data,
        "np": np,
        "pairs": pairs,
        "Point": namedtuple("Point", "x y"),
        "OrderedDict": OrderedDict,
        **{kind.__name__: kind for kind in (Numbers, Sized, Squares, Noisy, Several)},
    }


def plain(value, torch):
    """A value as JSON can hold it, with its type."""
    if isinstance(value, torch.Tensor):
        return ["tensor", str(value.dtype), list(value.shape), list(value.stride()), value.tolist()]
    if isinstance(value, tuple | list):
        return [type(value).__name__, [plain(v, torch) for v in value]]
    if isinstance(value, dict):
        return [type(value).__name__, [[k, plain(v, torch)] for k, v in value.items()]]
    return value.decode() if isinstance(value, bytes) else value


def result(torch, data, code):
    """What a program leaves in `r`."""
    scope = names(torch, data)
    exec(code, scope)
    return plain(scope["r"], torch)


def refusal(torch, data, code):
    """The error a line raises: type and first line."""
    scope = names(torch, data)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            exec(code, scope)
    except Exception as error:
        return [type(error).__name__, str(error).split("\n")[0]]
    return None


if __name__ == "__main__":
    import torch
    from torch.utils import data

    table = {
        "results": [result(torch, data, code) for code in CASES],
        "refusals": [refusal(torch, data, code) for code in REFUSED],
    }
    RECORDED.write_bytes(gzip.compress(json.dumps(table).encode(), mtime=0))
    print(f"{RECORDED}: {RECORDED.stat().st_size} bytes, {len(CASES)} programs")
