"""How weights are made: models, data, losses, schedule, loop, metrics (PyTorch)."""
