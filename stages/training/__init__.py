"""Fitting a model to images."""
