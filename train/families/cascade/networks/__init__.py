"""The networks of Cascade EF-GAN.

Shape letters used in every docstring: B batch, C channels, H W pixels, K action units, S stages.
Pictures are NCHW in [-1, 1]; action units enter every network on the 0 to 5 scale and are divided
by 5 as its first step. An attention of 1 means edit (the paper's equation 1).
"""
