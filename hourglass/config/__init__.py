"""params.yaml as typed keywords.

Values are refused, or handed over as they stand: a whole number becomes a float where the signature of their function
asks for one, and what is left out gets the default that stands there. Signatures are in files that stages declare, so
nothing here can change a result, and `check` alone declares it.
"""
