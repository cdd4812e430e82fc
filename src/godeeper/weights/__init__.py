"""Sets of numbers for the networks: the file they are kept in, and where to find them by name."""
