"""Differentially private generators for a handful of images, and the yardsticks to judge them."""
