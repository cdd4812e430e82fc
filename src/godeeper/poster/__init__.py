"""Every filter of every tensor for one photo, as one picture to zoom into."""
