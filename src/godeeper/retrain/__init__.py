"""A classifier from a folder of photos, and an honest account of how good it is."""
