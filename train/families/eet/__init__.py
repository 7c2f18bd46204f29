"""EET: explicit facial expression transfer; a reference picture lends its expression."""
