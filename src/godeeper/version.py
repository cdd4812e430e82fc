"""The version, where nothing else has to be imported to read it."""

__version__ = "0.1.0"

GENERATOR = f"godeeper {__version__}"
"""The generator line of the files that godeeper writes."""
