"""Scores of reconstructions: pure functions of arrays."""
