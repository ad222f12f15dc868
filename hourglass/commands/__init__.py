"""The commands of `hourglass`: each module adds one, with its options and what it runs."""
