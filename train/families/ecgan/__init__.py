"""ECGAN: a one-hot vector asks for an expression; CycleGAN between neutral and expressive faces."""
