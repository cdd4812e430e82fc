"""Contributions: a filter's value at one cell as a sum over earlier filters.  Listeners: the later filters that read a filter."""
