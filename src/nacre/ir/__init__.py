"""The recorded graph: nodes, the trace that follows them, the tape of gradients."""
