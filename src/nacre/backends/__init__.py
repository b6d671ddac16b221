"""Kernels: loop nests over scalar expressions, and the machines that run them."""
