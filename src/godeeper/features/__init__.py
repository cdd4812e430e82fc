"""The road from photos to numbers, the store that keeps features, and the files they are written to."""
