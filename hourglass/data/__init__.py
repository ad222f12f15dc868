"""From upstream files to arrays of bytes."""
