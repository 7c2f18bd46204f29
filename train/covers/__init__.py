"""What covers a face: drawn covers, a small network that finds them, and its training."""
