"""A network, or one module, as a picture: where everything stands, and how SVG and HTML say it."""
