"""Computes tensors: which operations are needed, the graph of them, what runs it, the cache."""
