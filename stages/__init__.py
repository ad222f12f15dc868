"""The stages of the pipeline, one script each, and the modules that they are made of."""
