"""Backward as a function from graph to graph, and the modes that switch recording of it."""
