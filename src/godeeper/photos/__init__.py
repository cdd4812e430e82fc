"""Photos: find them, decode them, check them, and convert them to a network's input."""
