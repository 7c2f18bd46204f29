"""The script for GPUs with the processor in the GPU's place: GPU time is too short for its bugs."""

import json
import sys
from pathlib import Path

import pytest

from benchmarks import gpu, readme_tables
from benchmarks.gpu_sets import SHIPPED
from tests.toy import REGIONS, toy_checkpoint


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A toy checkpoint, and engines of other weights where the script looks for some."""
    folder = tmp_path_factory.mktemp("gpu")
    regions = {"mouth": REGIONS["mouth"]}
    checkpoint = toy_checkpoint(folder / "toy.pt", regions=regions, stages=2)
    for name in ("shipped-fp32", "shipped-fp16", "paper-fp32", "paper-fp16"):
        (folder / name).symlink_to(SHIPPED)
    return ["--sets", str(folder), "--checkpoint", str(checkpoint), "--device", "cpu"]


def run(monkeypatch: pytest.MonkeyPatch, arguments: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["gpu.py", *arguments])
    return gpu.main()


def test_every_part_runs_and_the_table_is_made_of_them(
    prepared: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    quick = [*prepared, "--out", str(tmp_path), "--faces", "2", "--batches", "2"]
    quick += ["--seconds", "0.01", "--rounds", "1", "--only", "torch fp32", "--pictures", "24"]
    for part in ("facts", "parity", "bench", "plateau"):
        assert run(monkeypatch, ["--part", part, *quick]) == 0, part
    result = tmp_path / "gpu.json"
    assert run(monkeypatch, ["--join", *quick, "--json", str(result)]) == 0
    document = json.loads(result.read_text())

    facts = document["facts"]["facts"]
    assert facts["providers"]["host"]["works"]
    assert facts["backends"]["onnxruntime"]["works"]
    for backend in ("tensorrt", "tensorrt-rtx", "onnxruntime-cuda"):
        assert not facts["backends"][backend]["works"]
        assert len(facts["backends"][backend]["why"]) > 40

    parity = document["parity"]["torch fp32, host"]
    assert parity["missed"] == []
    assert list(parity["figures"])[-2:] == ["stage_2", "whole cascade"]

    ways = document["bench"]
    assert set(ways) == {f"torch fp32, {how}, batch 2" for how in ("on our lanes", "plain loop")}
    for way in ways.values():
        assert way["images_per_s"] > 0 and way["directory_images_per_s"] > 0
        assert 0 < way["gpu_share_one_lane"] <= 1
        assert way["one_lane_ms"]["stage_2"]["n"] >= 1
    assert ways["torch fp32, on our lanes, batch 2"]["lanes"] == 2

    memory = document["plateau"]["plateau"]
    assert memory["written"] == 24 and memory["failed"] == 0
    assert readme_tables.gpu(document).count("\n| torch fp32") == 2
    capsys.readouterr()


def test_a_part_goes_on_where_it_stopped(
    prepared: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    quick = [*prepared, "--out", str(tmp_path), "--faces", "2", "--only", "torch fp32"]
    assert run(monkeypatch, ["--part", "parity", *quick, "--minutes", "0"]) == 75
    assert "time is over before torch fp32, host; run the same command" in capsys.readouterr().out
    assert run(monkeypatch, ["--part", "parity", *quick]) == 0
    before = (tmp_path / "gpu-parity.json").read_text()
    assert run(monkeypatch, ["--part", "parity", *quick, "--minutes", "0"]) == 0
    assert (tmp_path / "gpu-parity.json").read_text() == before


def test_a_way_that_cannot_be_is_left_out_with_its_reason(
    prepared: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    quick = [*prepared, "--out", str(tmp_path), "--only", "onnxruntime-cuda fp32"]
    assert run(monkeypatch, ["--part", "bench", *quick, "--batches", "1"]) == 0
    found = json.loads((tmp_path / "gpu-bench.json").read_text())
    assert len(found["onnxruntime-cuda fp32, batch 1"]["left_out"]) > 40
    capsys.readouterr()
