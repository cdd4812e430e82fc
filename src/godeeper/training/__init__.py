"""From a folder of photos to a classifier, and an account of how good it is."""
