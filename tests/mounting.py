"""File systems of a test's own, so that a disk can be full or read-only."""

import subprocess

import pytest


def mount(*arguments: str) -> None:
    """Mounts a file system, or skips where that is not allowed."""
    done = subprocess.run(["mount", *arguments], capture_output=True, text=True, check=False)
    if done.returncode:
        pytest.skip(f"no file system of its own can be mounted here: {done.stderr.strip()}")
