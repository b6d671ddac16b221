"""Random programs: written by seed, run on PyTorch and on nacre, and compared as they go."""
