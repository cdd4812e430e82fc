"""Features of photos: the pipeline that computes them, the store that keeps them, and the files they are written to."""
