"""Edits with a name: what a preset file says, where the user's own lie, what it asks of a face."""
