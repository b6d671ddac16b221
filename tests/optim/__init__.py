"""Optimisers and schedules beside recorded PyTorch."""
