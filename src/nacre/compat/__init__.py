"""`import torch` is nacre: PyTorch's module names served as nacre's own modules.

`nacre run` calls `install()`; a program of one's own may call it before it imports torch.
"""

from nacre.compat.finder import Finder, install, note_missing

__all__ = ["Finder", "install", "note_missing"]
