"""How a network is run: arrays in, arrays out. Knows no face and no GAN."""
