"""Labelled pairs from portraits: a fitted face model says how a face moves for action units."""
