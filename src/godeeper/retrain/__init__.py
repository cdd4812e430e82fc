"""From a folder of photos to a classifier, and how good it is."""
