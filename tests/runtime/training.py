"""A training loop whose every state is known: an MLP, SGD with momentum, a rate that changes."""

from __future__ import annotations

import hashlib

import numpy as np

import nacre
from nacre import nn

BATCHES = 7
_random = np.random.RandomState(3)
X = _random.randn(BATCHES, 16, 12).astype(np.float32)
Y = _random.randint(0, 4, (BATCHES, 16))


class Training:
    """A model, its optimiser and how many steps they have taken."""

    def __init__(self, seed: int = 0, momentum: float = 0.9):
        random = np.random.RandomState(seed)
        self.model = nn.Sequential(nn.Linear(12, 20), nn.ReLU(), nn.Linear(20, 4))
        with nacre.no_grad():
            for p in self.model.parameters():
                p.copy_(nacre.from_numpy(random.randn(*p.shape).astype(np.float32) / 4))
        self.opt = nacre.optim.SGD(self.model.parameters(), lr=0.1, momentum=momentum)
        self.steps = 0
        self.batches = [(nacre.tensor(x), nacre.tensor(y)) for x, y in zip(X, Y, strict=True)]

    def step(self, observe: bool = False) -> None:
        """One step, on the batch and with the rate that belong to it."""
        x, y = self.batches[self.steps % BATCHES]
        self.opt.param_groups[0]["lr"] = 0.1 / (1 + self.steps % 5)
        loss = nn.functional.cross_entropy(self.model(x), y)
        if observe:
            loss.item()
        self.opt.zero_grad()
        loss.backward()
        self.opt.step()
        self.steps += 1

    def tensors(self) -> list:
        """Every parameter, and its momentum buffer once there is one."""
        found = []
        for p in self.model.parameters():
            found.append(p)
            buffer = self.opt.state[p].get("momentum_buffer") if p in self.opt.state else None
            if buffer is not None:
                found.append(buffer)
        return found

    def state(self) -> bytes:
        """A digest of every bit of the parameters and momentum buffers."""
        digest = hashlib.blake2b(digest_size=16)
        for t in self.tensors():
            # not numpy(): memory that NumPy sees is never given up to an update in place
            digest.update(np.array(t.tolist(), np.float32).tobytes())
        return digest.digest()


def states(steps: int, seed: int = 0) -> list[bytes]:
    """The states that training goes through when nothing interrupts it."""
    training = Training(seed)
    found = [training.state()]
    for _ in range(steps):
        training.step()
        found.append(training.state())
    return found
