"""What everybody has: JPEG, WebP, AVIF and PNG by Pillow, to compare a model's files with."""
