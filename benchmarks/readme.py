"""Writes the tables of the README and of docs/ from the files under benchmarks/results/.

    python -m benchmarks readme           rewrites the tables
    python -m benchmarks readme --check   says which are stale, with exit status 1

A table stands between `<!-- begin: NAME -->` and `<!-- end: NAME -->`; nothing else is touched, so
that no figure there was typed by hand.
"""

import json
import re
import sys
from collections.abc import Mapping
from pathlib import Path

from benchmarks.kit import REPOSITORY, RESULTS
from benchmarks.readme_tables import OPTIONAL, SOURCES, TABLES


def pages() -> list[Path]:
    """The README, and the pages that it leads to."""
    return [REPOSITORY / "README.md", *sorted((REPOSITORY / "docs").glob("*.md"))]


def rewritten(texts: Mapping[str, str]) -> dict[str, str]:
    """Pages, by name, with every table as the results give it; each table is on one of them."""
    result = dict(texts)
    for name, render in TABLES.items():
        places = [page for page, text in texts.items() if f"<!-- begin: {name} -->" in text]
        results = RESULTS / f"{SOURCES.get(name, name)}.json"
        if name in OPTIONAL and not results.exists():
            if not places:
                continue
            shown = ""
        else:
            document = json.loads(results.read_text())
            shown = f"{render(document)}\n"
            if engines := document.get("measured_with"):  # those that no longer ship
                shown += f"\n*Measured with {engines}.*\n"
        assert len(places) == 1, f"the table '{name}' is on {places or 'no page'}, expected one"
        block = f"<!-- begin: {name} -->\n{shown}<!-- end: {name} -->"
        pattern = rf"<!-- begin: {name} -->.*?<!-- end: {name} -->"
        (page,) = places
        result[page], count = re.subn(
            pattern, block.replace("\\", r"\\"), result[page], flags=re.DOTALL
        )
        assert count == 1, f"{page} has {count} places for the table '{name}', expected 1"
    return result


def main() -> int:
    """Rewrites or checks."""
    paths = {str(path.relative_to(REPOSITORY)): path for path in pages()}
    before = {name: path.read_text() for name, path in paths.items()}
    stale = {name: text for name, text in rewritten(before).items() if text != before[name]}
    if "--check" in sys.argv[1:]:
        for name in stale:
            print(f"{name}: tables are stale; run python -m benchmarks readme", file=sys.stderr)
        return int(bool(stale))
    for name, text in stale.items():
        paths[name].write_text(text)
    return 0
