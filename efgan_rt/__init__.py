"""Facial expression editing for whole directories of pictures."""

__version__ = "0.1.0"
