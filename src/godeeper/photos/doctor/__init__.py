"""The photo doctor: checks every file of a folder before training."""
