"""The command `nacre`: run PyTorch programs and notebooks, and a demonstration."""

from nacre.cli.main import main

__all__ = ["main"]
