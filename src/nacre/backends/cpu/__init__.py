"""The CPU: code for the host, products, threads."""
