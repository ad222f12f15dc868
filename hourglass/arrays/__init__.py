"""What figures, metrics and inference compute alike of arrays."""
