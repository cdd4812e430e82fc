"""The networks as data: architecture, names, cost.  Pure Python, imports nothing heavy."""
