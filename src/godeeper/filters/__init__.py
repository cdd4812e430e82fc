"""Filters: finds the photos that activate each filter most, by a search of a folder or from an index."""
