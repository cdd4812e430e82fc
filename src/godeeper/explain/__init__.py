"""Where in a photo a verdict came from, and what a filter answered to."""
