"""Datasets, samplers and loaders beside recorded PyTorch."""
