"""Faces in photographs: found by a detector, brought onto a template."""
