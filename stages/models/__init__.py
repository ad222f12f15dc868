"""The families of networks, one file each, and how a model is built, saved and loaded."""
