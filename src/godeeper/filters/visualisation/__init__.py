"""Visualisation: pictures that activate a filter as much as possible, and verdicts on whether to trust them."""
