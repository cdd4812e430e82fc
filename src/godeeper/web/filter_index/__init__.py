"""The served filter index: the photos that activate a filter most, on the filter's page and in the interface."""
