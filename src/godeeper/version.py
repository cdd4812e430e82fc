"""The version, in a module without imports."""

__version__ = "0.1.0"

GENERATOR = f"godeeper {__version__}"
"""The generator line of the files that godeeper writes."""
