"""The pictures, one kind a file: arrays in, a matplotlib figure out."""
