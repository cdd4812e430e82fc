"""Executors run the stages of a pipeline in this process or, with Ray, in processes on any number of machines."""
