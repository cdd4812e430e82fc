"""Contributions: the value of a filter at a cell as a sum over earlier filters, and the later filters that read a filter."""
