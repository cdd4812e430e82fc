"""Trains a head on features, and measures how good it is.

Each step and each measure has its own module, so there are more than fifteen.
"""
