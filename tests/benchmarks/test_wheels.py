"""What of `make wheels` needs no network: which extras are tried together, and what pip said."""

import tomllib
from itertools import combinations
from pathlib import Path

from benchmarks.wheels import APART, SMALL, SOURCE_ALONE, last_line, together


def test_any_two_extras_that_may_lie_beside_each_other_are_tried_together(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    extras = sorted(project["optional-dependencies"])
    tried = together(extras)
    for pair in combinations(extras, 2):
        if pair in APART or set(pair) & set(SOURCE_ALONE):
            continue
        assert any(set(pair) <= set(group) for group in tried), pair
    assert not any(set(pair) <= set(group) for pair in APART for group in tried)
    assert set(SMALL) | set(SOURCE_ALONE) <= set(extras)


def test_what_pip_says_is_told_without_its_colours() -> None:
    said = "\x1b[31mERROR: No matching distribution for x\x1b[0m\n[notice] a new pip"
    assert last_line(f"WARNING: y\n{said}") == "No matching distribution for x"
