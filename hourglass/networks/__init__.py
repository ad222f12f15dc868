"""Families of networks, one a file, whose name is the family's name in params.yaml."""
