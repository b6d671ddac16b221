"""Matrix products (placeholder until the kernel lands)."""

from __future__ import annotations

from nacre.backends.calls import Recipe


def plan_gemm(a, b, inputs, body, out) -> Recipe:
    """The calls of a product; operands are numbered a, b, *inputs, out in the recipe."""
    raise NotImplementedError("gemm")
