"""From a folder of photos to a classifier, and an honest account of how good it is."""
