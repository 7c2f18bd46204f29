"""Picture files: reading them, writing them, and all that must survive between the two.

`read` and `write` are the ways in and out; `original` is what travels between them.
"""
