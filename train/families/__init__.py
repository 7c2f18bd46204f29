"""The families of models, each in a folder: networks, phases, losses, export, recipes."""
