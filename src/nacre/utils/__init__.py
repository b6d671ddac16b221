"""Where PyTorch keeps `torch.utils.data`: the same modules under their other names."""

import sys

from nacre import data
from nacre.data import collate, dataset, loader, sampler

# Without these entries `import nacre.utils.data.sampler` would load a second copy of its classes.
for _name, _module in {
    "data": data,
    "data.dataset": dataset,
    "data.dataloader": loader,
    "data.sampler": sampler,
    "data._utils.collate": collate,
}.items():
    sys.modules[f"{__name__}.{_name}"] = _module

__all__ = ["data"]
