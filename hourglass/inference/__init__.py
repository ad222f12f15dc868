"""Trained networks at work: on which device, from which files, on which images."""
