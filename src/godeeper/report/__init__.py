"""The report of a training run: the chosen modules, the photos, and the test results."""
