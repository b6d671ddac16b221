"""`torch.device`: the name of a place that values live."""

from __future__ import annotations

from nacre.base.errors import fail

_KINDS = ("cpu", "cuda", "meta", "mps", "xpu")


class device:
    """A device such as `device('cpu')` or `device('cuda', 1)`."""

    __slots__ = ("index", "type")

    def __init__(self, type="cuda", index=None):
        if isinstance(type, device):
            type, index = type.type, type.index if index is None else index
        if isinstance(type, int):
            type, index = "cuda", type
        name, colon, number = type.partition(":")
        if name not in _KINDS:
            fail(
                RuntimeError,
                "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, "
                "fpga, "
                "maia, xla, lazy, vulkan, mps, meta, hpu, mtia, privateuseone device type at start "
                f"of device string: {name}",
            )
        if colon:
            if not number.isdigit():
                fail(RuntimeError, f"Invalid device string: '{type}'")
            index = int(number)
        self.type = name
        self.index = index

    def __repr__(self):
        if self.index is None:
            return f"device(type='{self.type}')"
        return f"device(type='{self.type}', index={self.index})"

    def __str__(self):
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other):
        if isinstance(other, device):
            return (self.type, self.index) == (other.type, other.index)
        return NotImplemented

    def __hash__(self):
        return hash((self.type, self.index))

    def __reduce__(self):
        return device, (self.type, self.index)


device.__module__ = "torch"
cpu = device("cpu")
