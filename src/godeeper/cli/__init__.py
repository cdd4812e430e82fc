"""The command line.

Each command has its own file, named after it, so this folder has more than 15 files. The other files are shared helpers.
"""
