"""What every stage has in common: parameters, paths, files, errors, and how a command ends."""
