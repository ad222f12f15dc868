"""The tests; some run the real pipeline in a clone."""
