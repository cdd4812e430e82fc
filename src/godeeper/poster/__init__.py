"""Every filter of every tensor for one photo, as one zoomable picture."""
