"""Trains a head on features, and measures how good it is.

There are more than fifteen modules, one for each step and each measure, because ``train`` uses all of them.
"""
