"""From files to a network's input."""
