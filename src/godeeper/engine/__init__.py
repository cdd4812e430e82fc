"""Computes tensors: plans the operations that are needed, builds their graph, runs it, and caches graphs and results."""
