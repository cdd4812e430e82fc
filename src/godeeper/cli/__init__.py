"""The command line: one file for each command.

This folder has more than 15 files because each command is a file with the command's name; the others are shared helpers.
"""
