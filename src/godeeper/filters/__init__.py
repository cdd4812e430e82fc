"""Filters: the photos that activate them most."""
