"""The account of a training: what was learned, on which photos, and how good it is."""
