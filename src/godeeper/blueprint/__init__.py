"""The networks as data: architecture, names and cost, in pure Python without heavy imports."""
