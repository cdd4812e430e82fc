"""What a filter is: the photos that excite it most."""
