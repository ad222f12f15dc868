"""Fit a network to images."""
