"""Filters: the photos that activate them most, of a folder or from an index of it."""
