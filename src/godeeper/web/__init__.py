"""The page that walks through a network: `godeeper serve`."""
