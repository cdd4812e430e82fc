"""The page's backend: stored photos, forward passes computed in segments, and the thread pools they run in."""
