"""What folders of images tell of them: which there are, and the splits, classes and groups of each."""
