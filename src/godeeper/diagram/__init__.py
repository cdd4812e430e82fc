"""Draws a network or one module as a diagram: computes the layout, and renders it as SVG or HTML."""
