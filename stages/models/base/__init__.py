"""What every family has in common, and how a model is built, saved and loaded."""
