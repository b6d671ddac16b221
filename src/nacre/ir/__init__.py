"""The recorded graph: nodes, the trace that follows them, views of storage, the tape of gradients."""
