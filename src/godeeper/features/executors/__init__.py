"""Executors: where the stages of a run work, in this process or, with Ray, in processes on any number of machines."""
