"""Trains a head on features, and measures how good it is.

One module for each step and each measure, in one folder since ``train`` runs through all of them; hence more than fifteen.
"""
