"""The trainers that `tests.benchmarks.training` compares, each a program of its own."""
