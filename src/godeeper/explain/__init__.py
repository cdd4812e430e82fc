"""Explains a verdict by regions of the photo, by filters and by similar photos."""
