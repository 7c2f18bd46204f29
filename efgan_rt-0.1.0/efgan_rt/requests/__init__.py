"""What somebody asks a run for: targets from tables and from other faces, frames, animations."""
