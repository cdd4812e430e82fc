"""The command line.

This folder has more than 15 files because each command has its own file, named after it; the other files are shared helpers.
"""
