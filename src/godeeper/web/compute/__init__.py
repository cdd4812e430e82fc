"""The page's backend: stored photos, forward passes computed in segments, and their thread pools."""
