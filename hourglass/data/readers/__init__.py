"""The readers of files of images: one module a format."""
