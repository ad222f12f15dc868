"""From upstream files to byte arrays: fetching, one reader a format, and splitting."""
