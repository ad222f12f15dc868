"""Fetch upstream files, and unpack them."""
