"""What the page computes: uploaded photos, forward passes in segments, and who waits for them."""
