"""The engine of random numbers: mt19937, its seeds, and its state in PyTorch's layout."""

from __future__ import annotations

import operator
import os
import struct

import numpy as np

from nacre.base.errors import fail

STATE_SIZE = 5056
"""Bytes of a state: seed, position, 624 words of 64 bits, and the kept normal number."""

_WORDS = 624
_HEAD = struct.Struct("<QiiQ")  # seed, draws left + 1, seeded, next word
_TAIL = struct.Struct("<dddi4xf?3x")  # x, the kept number, rho, whether kept; the same in float
_DEFAULT_SEED = 67280421310721
_MASK32 = 0xFFFFFFFF
_MASK24 = np.uint32((1 << 24) - 1)
_MASK53 = np.uint64((1 << 53) - 1)
_SMALL = 1024  # up to here `random_raw` is quicker than `randint`, whose call is dearer


class Generator:
    """A source of random numbers with PyTorch's CPU streams.

    The same seed gives PyTorch's numbers, and a state taken from one can be given to the other.

        >>> Generator().manual_seed(0).raw(2)
        array([2357136044, 2546248239], dtype=uint32)
    """

    __slots__ = ("__weakref__", "_bits", "_float_normal", "_legacy", "_seed", "kept")

    def __init__(self, seed: int = _DEFAULT_SEED):
        self._bits = np.random.MT19937(0)
        self._legacy = np.random.RandomState(self._bits)
        self._start(seed)

    def _start(self, seed: int) -> None:
        self._legacy.seed(seed & _MASK32)
        self._seed = seed
        self.kept: list[float] = []  # the second normal number of a pair; popped, so taken once
        self._float_normal = (0.0, False)  # unused, but part of PyTorch's state

    def manual_seed(self, seed: int) -> Generator:
        """Start the stream of this seed again; returns the generator.

        Negative seeds count from 2**64, as in PyTorch. RuntimeError if it is not an integer,
        ValueError if it does not fit in 64 bits.
        """
        try:
            number = operator.index(seed)
        except TypeError:
            fail(RuntimeError, f"manual_seed expected a long, but got {type(seed).__name__}")
        if not -(1 << 63) <= number < 1 << 64:
            fail(
                ValueError,
                "Overflow when unpacking long long",
                f"a seed lies between -2**63 and 2**64 - 1; {number} does not",
            )
        self._start(number % (1 << 64))
        return self

    def initial_seed(self) -> int:
        """The seed the stream started from."""
        return self._seed

    def seed(self) -> int:
        """Start a stream that cannot be foreseen; returns its seed."""
        self._start(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    # ---- draws ----------------------------------------------------------------------------------
    def raw(self, n: int) -> np.ndarray:
        """The next `n` draws of 32 bits, as uint32."""
        if n <= _SMALL:
            return self._bits.random_raw(n).astype(np.uint32)
        return self._legacy.randint(0, 1 << 32, n, dtype=np.uint32)

    def raw64(self, n: int) -> np.ndarray:
        """The next `n` numbers of 64 bits, as uint64: two draws each, the first one high."""
        pairs = self.raw(2 * n)
        high = pairs[0::2].astype(np.uint64)
        high <<= np.uint64(32)
        high |= pairs[1::2]
        return high

    def unit32(self, n: int) -> np.ndarray:
        """`n` float32 numbers uniform in [0, 1): the low 24 bits of a draw each."""
        drawn = self.raw(n)
        np.bitwise_and(drawn, _MASK24, out=drawn)
        values = drawn.view(np.int32).astype(np.float32)
        values *= np.float32(2.0**-24)
        return values

    def unit64(self, n: int) -> np.ndarray:
        """`n` float64 numbers uniform in [0, 1): the low 53 bits of two draws each."""
        drawn = self.raw64(n)
        np.bitwise_and(drawn, _MASK53, out=drawn)
        values = drawn.view(np.int64).astype(np.float64)
        values *= 2.0**-53
        return values

    # ---- state ----------------------------------------------------------------------------------
    def get_state_bytes(self) -> bytes:
        """The state as the 5056 bytes of PyTorch's `get_rng_state`."""
        state = self._bits.state["state"]
        words, position = state["key"], int(state["pos"])
        fresh = position == _WORDS and _is_start(words, self._seed)
        head = _HEAD.pack(self._seed, _WORDS + 1 - position, 1, 0 if fresh else position)
        kept = self.kept[-1:]
        tail = _TAIL.pack(0.0, kept[0] if kept else 0.0, 0.0, bool(kept), *self._float_normal)
        return head + words.astype("<u8").tobytes() + tail

    def set_state_bytes(self, state: bytes) -> None:
        """Continue from a state, PyTorch's or one of `get_state_bytes`.

        RuntimeError if it has another size or cannot be the state of an engine.
        """
        if len(state) != STATE_SIZE:
            fail(
                RuntimeError,
                f"Expected a CPUGeneratorImplState of size {STATE_SIZE} but found the input RNG "
                f"state size to be {len(state)}",
            )
        seed, left, seeded, position = _HEAD.unpack_from(state)
        words = np.frombuffer(state, "<u8", _WORDS, _HEAD.size).astype(np.uint32)
        _, kept, _, is_kept, number, is_number = _TAIL.unpack_from(state, STATE_SIZE - _TAIL.size)
        started = left == 1 and position in (0, _WORDS)
        if not seeded or not (started or (1 < left <= _WORDS and position + left == _WORDS + 1)):
            fail(
                RuntimeError,
                "Invalid mt19937 state",
                "pass what get_rng_state() or Generator.get_state() returned",
            )
        self._bits.state = {
            "bit_generator": "MT19937",
            "state": {"key": words, "pos": _WORDS if started else position},
        }
        self._seed = seed
        self.kept = [kept] if is_kept else []
        self._float_normal = (number, is_number)

    def clone_state(self) -> Generator:
        """Another generator that goes on from the same state."""
        twin = type(self)()
        twin.set_state_bytes(self.get_state_bytes())
        return twin

    def __deepcopy__(self, memo) -> Generator:
        return self.clone_state()

    def __reduce__(self):
        return _from_state, (type(self), self.get_state_bytes())


def _from_state(kind: type[Generator], state: bytes) -> Generator:
    made = kind()
    made.set_state_bytes(state)
    return made


def _is_start(words: np.ndarray, seed: int) -> bool:
    """Whether these are the words of a generator that was seeded and has not drawn yet."""
    first = seed & _MASK32
    second = (1812433253 * (first ^ (first >> 30)) + 1) & _MASK32
    return int(words[0]) == first and int(words[1]) == second


default = Generator(int.from_bytes(os.urandom(8), "little"))
"""The generator of every call that names none."""
