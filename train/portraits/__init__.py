"""Labelled pairs from portraits: a fitted face model says how a face moves for given action units."""
