"""Cascade EF-GAN."""
