"""The script for GPUs with the processor in the GPU's place: GPU time is too short for its bugs."""

import json
import os
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from benchmarks import readme_tables
from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import facts as gpu_facts
from benchmarks.gpu import kernels, launches
from benchmarks.gpu import speed as gpu_speed
from benchmarks.gpu.sets import SHIPPED
from tests.engines.fake_cuda import FakeCuda
from tests.toy import REGIONS, toy_checkpoint


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A toy checkpoint, and engines of other weights where the script looks for some."""
    folder = tmp_path_factory.mktemp("gpu")
    regions = {"mouth": REGIONS["mouth"]}
    checkpoint = toy_checkpoint(folder / "toy.pt", regions=regions, stages=2)
    for name in ("shipped-fp16", "paper-fp32", "paper-fp16"):
        (folder / name).symlink_to(SHIPPED)
    return ["--sets", str(folder), "--checkpoint", str(checkpoint), "--device", "cpu"]


def run(monkeypatch: pytest.MonkeyPatch, part: str, arguments: list[str]) -> int:
    monkeypatch.setattr(sys, "argv", ["gpu", part, *arguments])
    return gpu.main()


def test_every_part_runs_and_the_table_is_made_of_them(
    prepared: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    result, out = tmp_path / "gpu.json", tmp_path / "out"
    out.mkdir()
    monkeypatch.setenv("OUT", str(out))
    quick = [*prepared, "--results", str(result), "--faces", "2", "--batches", "2"]
    quick += ["--seconds", "0.01", "--rounds", "1", "--pictures", "24", "--processes", "2"]
    assert run(monkeypatch, "facts", quick) == 0
    for part in ("parity", "bench", "kernels", "host", "launches", "plateau"):
        assert run(monkeypatch, part, [*quick, "--only", "torch fp32"]) == 0, part
    document = json.loads(result.read_text())
    assert (out / "gpu.json").read_text() == result.read_text()

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

    host = document["host"]["processes 2"]
    assert host["written"] == 24 and host["failed"] == 0 and host["images_per_s"] > 0
    assert len(host["each_images_per_s"]) == 2

    launched = document["launches"]["host"]
    assert set(launched) == {"call by call", "a graph a network", "a graph a batch"}
    for way in launched.values():
        assert way["is_right"] and way["batch_graphs"] == 0
        assert way["alone"]["p50_ms"] > 0 and way["beside_busy_threads"]["n"] >= 2

    kernels = document["kernels"]["torch fp32, on our lanes, batch 2"]
    assert kernels["share"]["convolution"] > 0 and kernels["share"]["normalisation"] > 0
    assert sum(kernels["share"].values()) == pytest.approx(1, abs=0.01)

    memory = document["plateau"]["plateau"]
    assert memory["written"] == 24 and memory["failed"] == 0
    assert readme_tables.gpu(document).count("\n| torch fp32") == 2
    capsys.readouterr()


def test_a_whole_batch_is_one_graph_where_marks_go_into_graphs() -> None:
    cuda = FakeCuda(marks_in_graphs=True)
    found = launches.compared(cuda, 0.01)
    assert all(way["is_right"] and not way["said"] for way in found.values())
    assert [way["batch_graphs"] for way in found.values()] == [0, 0, 1]


@pytest.mark.parametrize(
    ("kernel", "kind"),
    [
        ("sm90_xmma_fprop_implicit_gemm_f16f16_f16f16_f16_nhwckrsc_nhwc", "layout"),
        ("void cudnn::ops::nchwToNhwcKernel<__half>", "layout"),
        ("void onnxruntime::cuda::_UnaryElementWise<__half, float, OP_Cast>", "cast"),
        ("cudnn::bn_fw_tr_1C11_singleread", "other"),
        ("void at::native::batch_norm_collect_statistics_kernel", "normalisation"),
        ("Memcpy HtoD (Pinned -> Device)", "copy"),
    ],
)
def test_kernels_are_sorted_by_their_names(kernel: str, kind: str) -> None:
    assert kernels.kind_of(kernel) == kind


def test_a_part_goes_on_where_it_stopped(
    prepared: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = tmp_path / "gpu.json"
    quick = [*prepared, "--results", str(result), "--faces", "2", "--only", "torch fp32"]
    assert run(monkeypatch, "parity", [*quick, "--minutes", "0"]) == 75
    assert "time is over before torch fp32, host; run the same command" in capsys.readouterr().out
    assert run(monkeypatch, "parity", quick) == 0
    before = result.read_text()
    assert run(monkeypatch, "parity", [*quick, "--minutes", "0"]) == 0
    assert result.read_text() == before


def test_a_way_that_cannot_be_is_left_out_with_its_reason(
    prepared: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    result = tmp_path / "gpu.json"
    for way in ("onnxruntime-cuda fp32", "tensorrt fp16, auxiliary streams"):
        quick = [*prepared, "--results", str(result), "--only", way, "--batches", "1"]
        assert run(monkeypatch, "bench", quick) == 0
        found = json.loads(result.read_text())["bench"]
        assert len(found[f"{way}, batch 1"]["left_out"]) > 40
    capsys.readouterr()


def test_half_precision_and_large_batches_are_measured_first(
    prepared: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(gpu_speed, "measured", lambda way, batch, _: {"left_out": "not measured"})
    result = tmp_path / "gpu.json"
    arguments = [*prepared, "--results", str(result), "--only", "onnxruntime-cuda"]
    assert run(monkeypatch, "bench", arguments) == 0
    units = list(json.loads(result.read_text())["bench"])
    assert units[0] == "onnxruntime-cuda fp16, batch 64"
    assert units.index("onnxruntime-cuda fp16, batch 1") < units.index(
        "onnxruntime-cuda fp32, batch 64"
    )
    capsys.readouterr()


@pytest.fixture
def nvidia_smi(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[], str]:
    """The driver's tool of a machine with several GPUs; gives what it was asked."""
    asked = tmp_path / "asked"
    tool = tmp_path / "bin" / "nvidia-smi"
    tool.parent.mkdir()
    tool.write_text(f'#!/bin/sh\necho "$@" >"{asked}"\necho 50\n')
    tool.chmod(0o755)
    monkeypatch.setenv("PATH", f"{tool.parent}:{os.environ['PATH']}")
    monkeypatch.setattr(gpu_facts, "pci_address", lambda: "0000:81:00.0", raising=False)
    return asked.read_text


def test_the_gpu_that_is_watched_and_written_down_is_the_one_that_runs(
    nvidia_smi: Callable[[], str],
) -> None:
    assert gpu_facts._nvidia_smi() == "50"
    assert nvidia_smi().startswith("-i 0000:81:00.0 --query-gpu=name,uuid,")
    with gpu_speed._watched_gpu() as samples:
        while not samples and "utilization" not in nvidia_smi():
            pass
    assert nvidia_smi().startswith("-i 0000:81:00.0 --query-gpu=utilization.gpu")
    assert samples == [50.0]
