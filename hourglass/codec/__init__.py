"""A trained model in use: images to numbers and files, and back."""
