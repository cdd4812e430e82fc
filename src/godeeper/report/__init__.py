"""The report of a training: the chosen modules, the photos, and the test results."""
