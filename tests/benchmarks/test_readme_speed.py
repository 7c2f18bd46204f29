"""The tables about speed say what their results say, and leave their place empty without any."""

from pathlib import Path
from typing import Any

import pytest

from benchmarks import readme
from benchmarks.readme_tables import BASE, opponents, startup

MACHINE = {
    "processor": "CPU",
    "bf16": "AVX512-BF16",
    "cores": 2,
    "packages": {"openvino": "1", "onnxruntime": "2"},
}
END = "CPU with AVX512-BF16, 2 cores, openvino 1, onnxruntime 2."


def way(family: str, batch: int, speed: float) -> dict[str, Any]:
    return {"family": family, "batch": batch, "images_per_s": speed, "turns": [speed, speed]}


WAYS = {
    "efgan-rt openvino bf16": way("efgan-rt openvino bf16", 8, 80.0),
    BASE: way("torch fp32 loop", 1, 10.0),
    "torch fp32 loop, batch 4": way("torch fp32 loop", 4, 20.0),
    "onnxruntime fp32 loop, batch 1": way("onnxruntime fp32 loop", 1, 25.0),
}
OPPONENTS = {
    "machine": MACHINE,
    "width": 16,
    "stages": 1,
    "weights": "shipped",
    "threads": 2,
    "rounds": 2,
    "ways": WAYS,
}


def test_ways_are_counted_from_the_loop_that_goes_one_by_one() -> None:
    lines = opponents(OPPONENTS).splitlines()
    assert lines[2:6] == [
        "| PyTorch, a loop over files one by one | 1 | 10 | 1.0 |",
        "| PyTorch, a loop in batches | 4 | 20 | 2.0 |",
        "| ONNX Runtime, a loop in batches | 1 | 25 | 2.5 |",
        "| efgan-rt, OpenVINO in bf16 | 8 | 80 | 8.0 |",
    ]
    assert lines[-1].endswith(
        f"on 2 threads; one stage of width 16, shipped weights; medians of 2 turns; {END}"
    )


def test_a_loop_that_is_best_one_by_one_is_shown_once() -> None:
    ways = WAYS | {"torch fp32 loop, batch 4": way("torch fp32 loop", 4, 9.0)}
    assert opponents(OPPONENTS | {"ways": ways}).count("| PyTorch, a loop") == 1


def test_a_start_is_told_with_its_work_and_its_imports() -> None:
    spread = {"median": 1000.0, "lowest": 900.0, "highest": 1200.0}
    document = {
        "machine": MACHINE,
        "runs": 9,
        "first_run_ms": 4200.0,
        "wall_ms": spread,
        "processor_ms": spread,
        "work_ms": {"networks": 250.0},
        "imports_ms": {"numpy": 80.4},
    }
    text = startup(document)
    assert "to its end: 1.00 s (0.90 to 1.20 in 9 processes)" in text
    assert "the very first run, which compiles, 4.2 s" in text
    assert text.endswith(f"Of it, ms: networks 250; imports by package, ms: numpy 80; {END}")


def test_a_table_says_which_engines_it_is_of_where_they_no_longer_ship(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "startup.json").write_text('{"ms": 7, "measured_with": "other engines in May"}')
    monkeypatch.setattr(readme, "RESULTS", tmp_path)
    monkeypatch.setattr(readme, "TABLES", {"startup": lambda document: f"{document['ms']} ms."})
    page = "<!-- begin: startup -->\n<!-- end: startup -->\n"
    assert readme.rewritten({"page": page}) == {
        "page": "<!-- begin: startup -->\n7 ms.\n\n*Measured with other engines in May.*\n"
        "<!-- end: startup -->\n"
    }


def test_a_table_without_results_leaves_its_place_empty(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(readme, "RESULTS", tmp_path)
    monkeypatch.setattr(readme, "TABLES", {"startup": startup})
    page = "before\n<!-- begin: startup -->\n| old |\n<!-- end: startup -->\nafter\n"
    assert readme.rewritten({"page": page}) == {
        "page": "before\n<!-- begin: startup -->\n<!-- end: startup -->\nafter\n"
    }
    monkeypatch.setattr(readme, "OPTIONAL", set())
    with pytest.raises(FileNotFoundError):
        readme.rewritten({"page": page})
