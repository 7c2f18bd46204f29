"""Many pictures through the networks at once: decoding, editing and encoding overlap."""
