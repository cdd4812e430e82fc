"""The pipeline from photos to numbers, the store of computed features, and the files that features are written to."""
