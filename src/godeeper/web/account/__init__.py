"""What is known about one filter, on its page and in the interface: its sum, its names, its visualisation, and the way to it."""
