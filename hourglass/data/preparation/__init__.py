"""Decode, split and check the images of one data set."""
