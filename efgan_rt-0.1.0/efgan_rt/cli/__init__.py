"""The command line: thin fronts that import what they need when they are called."""
