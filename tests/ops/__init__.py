"""Tests of the operations against their records."""
