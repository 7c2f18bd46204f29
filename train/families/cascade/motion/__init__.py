"""EF-GANs that move a face instead of repainting it (ours; off in the paper's own recipes)."""
