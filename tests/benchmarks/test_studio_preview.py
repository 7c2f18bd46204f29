"""The studio's benchmark in small, and what the pages say of it."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from benchmarks.chromium import BROWSER, DRIVER, MISSING
from benchmarks.readme_tables import studio_preview
from efgan_rt.reporting.machine import machine_facts


def document(**more: Any) -> dict[str, Any]:
    return {
        "machine": machine_facts(),
        "megapixels": 2.0,
        "shown": {"width": 800, "height": 600, "faces": 1},
        "changes": 100,
        "p50_ms": 150.4,
        "p99_ms": 240.6,
        "run_pictures": 24,
        "run_seconds": {},
        "run_median_s": {},
        **more,
    }


def test_the_page_says_how_soon_a_change_is_drawn() -> None:
    said = studio_preview(document())
    assert "2.0 megapixels with one face, shown at 800 x 600: 150 ms (p50), 241 ms (p99)" in said
    assert "from the page" not in said
    seconds = {"page": [5.0, 6.0], "command line": [5.0, 5.4]}
    medians = {"page": 5.5, "command line": 5.2}
    said = studio_preview(document(run_seconds=seconds, run_median_s=medians))
    assert "24 such photographs run from the page in 5.5 s, from the command line in 5.2 s" in said


@pytest.mark.slow
@pytest.mark.skipif(not (BROWSER and DRIVER), reason=MISSING)
def test_a_few_changes_are_measured(tmp_path: Path, repository: Path) -> None:
    pytest.importorskip("selenium", reason='Selenium is missing: pip install "efgan-rt[dev]"')
    options = ["--changes", "3", "--rounds", "0", "--json", str(tmp_path / "r.json")]
    command = [sys.executable, "-m", "benchmarks", "studio_preview", *options]
    subprocess.run(command, cwd=repository, check=True, capture_output=True)
    found = json.loads((tmp_path / "r.json").read_text())
    assert found["changes"] == 3 and found["shown"]["faces"] == 1
    assert 0 < found["edit_p50_ms"] < found["p50_ms"] <= found["p99_ms"]
