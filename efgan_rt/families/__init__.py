"""What each family of models is to a run: its networks, its program, what it can be asked for."""
