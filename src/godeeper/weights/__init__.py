"""The weights of networks: the file format, conversion from other formats, official releases, and lookup by name."""
