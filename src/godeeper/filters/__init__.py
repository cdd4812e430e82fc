"""Filters: what activates a filter, which earlier filters contribute to it, and which later filters read it."""
