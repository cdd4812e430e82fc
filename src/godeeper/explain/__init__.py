"""Explains a verdict: by places of the photo, by filters, and by similar photos."""
