"""`efgan-rt bench`: every way, in tables, in JSON, in a picture; against another; tuned."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import pytest

from efgan_rt.reporting import tuning_search
from efgan_rt.reporting.bench import WHOLE_BATCH, EnginesResult
from efgan_rt.reporting.bench_plot import stage_shares
from efgan_rt.reporting.latency import StageLatency

Cli = Callable[..., Any]


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    """A bench of two ways, as it is written."""

    def way(backend: str, speed: float) -> dict[str, Any]:
        def row(stage: str, ms: float) -> dict[str, Any]:
            return {"stage": stage, "n": 3} | dict.fromkeys(
                ("mean_ms", "p50_ms", "p90_ms", "p99_ms"), ms
            )

        return {
            "backend": backend,
            "precision": "fp32",
            "batch": 4,
            "engines": {"networks": [row(WHOLE_BATCH, 4e3 / speed)], "images_per_s": speed},
            "pipeline": {
                "stages": [row("decode", 2.0), row("wait for a slot", 9.0), row("stage_1", 8.0)],
                "images_per_s": speed / 2,
            },
            "unrest": ["the engines' speed changed by +20% within the run"],
        }

    return {
        "machine": {"processor": "this", "cores": 2, "packages": {"openvino": "1"}},
        "results": [way("openvino", 100.0), way("onnxruntime", 50.0)],
    }


def test_every_way_that_works_is_measured_in_a_process_of_its_own(
    cli: Cli, faces: Path, tmp_path: Path, toy_engines: Path
) -> None:
    written, plot = tmp_path / "bench.json", tmp_path / "bench.png"
    result = cli(
        *("bench", "--engines", toy_engines, "--pictures", faces, "--seconds", 0.05),
        *("--warm-up", 0, "--precision", "fp32", "--batch-size", 2),
        *("--json", written, "--plot", plot),
    )
    assert result.status == 0, result.err
    assert "measuring openvino fp32, batch 2 (1 of 2)" in result.err
    assert "Every way beside the others" in result.out
    results = json.loads(written.read_text())["results"]
    ways = [(each["backend"], each["batch"]) for each in results]
    assert ways == [("openvino", 2), ("onnxruntime", 2)]
    for each in results:
        assert each["memory_mb"]["peak"] >= each["memory_mb"]["opened"] > 0
        assert set(each["start_up_s"]) == {
            *("process and imports", "opening the engines", "the first batch")
        }
        assert all(seconds > 0 for seconds in each["start_up_s"].values())
        assert 0 < each["share_of_limit"] < 1
        assert each["gflops"] < max(each["limit_gflops"].values())
    picture = cv2.imread(str(plot))
    assert picture is not None and picture.min() < 100 < picture.max()


def test_machine_versions_and_seeds_are_in_the_document(cli: Cli, toy_engines: Path) -> None:
    result = cli(
        *("bench", "--engines", toy_engines, "--backend", "auto", "--seconds", 0.02),
        *("--warm-up", 0, "--json", "-"),
    )
    found = json.loads(result.out)
    assert found["machine"]["packages"]["openvino"]
    assert found["seeds"] == {"generated_pictures": 0, "latency_sample": 0}
    assert found["results"][0]["multiplications"]["stage_1"] > 0


def test_a_folder_without_pictures_is_told_once(
    cli: Cli, toy_engines: Path, tmp_path: Path
) -> None:
    result = cli("bench", "--engines", toy_engines, "--pictures", tmp_path)
    assert result.status == 1
    assert result.err == (
        f"error: {tmp_path}: no picture found to measure with; name a folder of face crops\n"
    )


def test_a_named_backend_that_has_not_the_precision_is_refused(cli: Cli, toy_engines: Path) -> None:
    result = cli(
        *("bench", "--engines", toy_engines, "--backend", "onnxruntime", "--precision", "bf16")
    )
    assert result.status == 1
    assert "ONNX Runtime has no bf16 arithmetic" in result.err


def test_a_way_that_fails_is_left_out_with_its_reason(
    cli: Cli, faces: Path, toy_engines: Path
) -> None:
    result = cli(
        *("bench", "--engines", toy_engines, "--pictures", faces, "--seconds", 0.02),
        *("--warm-up", 0, "--backend", "onnxruntime", "--batch-size", 2, "--batch-size", 99),
    )
    assert result.status == 0
    assert "left out: onnxruntime fp32, batch 99: error: " in result.err
    assert "batch 99 is outside 1 to 8" in result.err


def test_a_plot_that_could_not_be_written_is_refused_before_measuring(
    cli: Cli, tmp_path: Path, toy_engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refusal(name: Path) -> str:
        result = cli("bench", "--engines", toy_engines, "--plot", name)
        assert result.status == 1
        assert "measuring" not in result.err
        return str(result.err)

    assert "a plot is a PNG" in refusal(tmp_path / "x.pdf")
    assert f"there is no folder {tmp_path / 'none'}" in refusal(tmp_path / "none" / "x.png")
    monkeypatch.setitem(__import__("sys").modules, "matplotlib", None)
    assert 'pip install "efgan-rt[plot]"' in refusal(tmp_path / "x.png")


def test_a_plot_stacks_work_and_not_waits(document: dict[str, Any]) -> None:
    shares = stage_shares(document["results"])
    assert shares == {"decode": [0.5, 0.5], "stage_1": [2.0, 2.0]}  # of a batch of 4


def test_unrest_is_drift_or_spread() -> None:
    def engines(after: float, p90: float) -> EnginesResult:
        whole = StageLatency(WHOLE_BATCH, 9, 10.0, 10.0, p90, p90)
        return EnginesResult([whole], 100.0, 100.0, after, 0.1)

    assert engines(105.0, 11.0).unrest() == []
    assert engines(80.0, 11.0).unrest() == ["the engines' speed changed by -20% within the run"]
    assert engines(100.0, 13.0).unrest() == ["a batch takes 10.0 ms, one in ten 13.0 ms or more"]


def test_two_benches_are_compared_by_ratios(
    cli: Cli, tmp_path: Path, document: dict[str, Any]
) -> None:
    after = json.loads(json.dumps(document))
    after["machine"] |= {"cores": 4, "packages": {"openvino": "2"}}
    after["results"][0]["engines"]["images_per_s"] = 150.0
    del after["results"][1]
    for name, content in (("a", document), ("b", after)):
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    result = cli("bench", "--compare", tmp_path / "a.json", tmp_path / "b.json")
    assert result.status == 0, result.err
    (row,) = [line for line in result.out.splitlines() if "openvino fp32, batch 4" in line]
    assert row.split("│")[2:5] == ["       1.50 ", "          1.00 ", "           1.00 "]
    assert "note: another machine: cores 2, then 4" in result.err
    assert "note: another version: openvino 1, then 2" in result.err
    assert "note: unsteady in the second: openvino fp32, batch 4: the engines'" in result.err


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "cannot be read: No such file"),
        ("{", "no JSON: "),
        ("{}", "not a bench of efgan-rt; make one with: efgan-rt bench --json"),
        ('{"results": [{}]}', "not a bench of efgan-rt"),
    ],
)
def test_what_is_no_bench_is_refused(
    cli: Cli, tmp_path: Path, document: dict[str, Any], content: str | None, said: str
) -> None:
    good, bad = tmp_path / "good.json", tmp_path / "bad.json"
    good.write_text(json.dumps(document))
    if content is not None:
        bad.write_text(content)
    result = cli("bench", "--compare", good, bad)
    assert (result.status, said in result.err) == (1, True)


def test_benches_without_a_common_way_are_not_compared(
    cli: Cli, tmp_path: Path, document: dict[str, Any]
) -> None:
    for number, name in enumerate(("a", "b")):
        part = document | {"results": [document["results"][number]]}
        (tmp_path / f"{name}.json").write_text(json.dumps(part))
    result = cli("bench", "--compare", tmp_path / "a.json", tmp_path / "b.json")
    assert result.status == 1
    assert "no way in common: found openvino fp32, batch 4 and onnxruntime fp32" in result.err


def test_tuning_keeps_what_a_batch_then_uses(
    cli: Cli,
    faces: Path,
    tmp_path: Path,
    toy_engines: Path,
    own_data_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tuning_search, "TURNS", 1)
    monkeypatch.setattr(tuning_search, "MOST_BATCH", 4)
    monkeypatch.setattr(tuning_search, "MOST_WORKERS", 2)
    places = ("--engines", toy_engines, "--backend", "onnxruntime")
    tuned = cli("bench", *places, "--pictures", faces, "--tune", "--seconds", 0.01, "--json", "-")
    assert tuned.status == 0, tuned.err
    found = json.loads(tuned.out)
    assert " images/s, against " in tuned.err
    assert Path(found["file"]).is_relative_to(own_data_folder)
    edited = cli("batch", faces, tmp_path / "out", "-e", "happy", *places, "--json")
    assert edited.status == 0, edited.err
    assert f"tuned: batch {found['settings']['batch']}" in edited.err
    assert json.loads(edited.out)["engines"]["batch"] == found["settings"]["batch"]


@pytest.mark.parametrize("option", ["--batch-size", "--lanes", "--threads", "--workers"])
def test_a_tuning_is_told_no_setting(cli: Cli, option: str) -> None:
    result = cli("bench", "--tune", option, 2)
    assert result.status == 2
    told = " ".join(result.err.replace("│", " ").split())
    assert "it looks for batch, lanes, threads and workers itself, and draws nothing" in told
