"""`build-engines` before any work: what it accepts, and what `auto` decides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from efgan_rt.engine_sets import current_set
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_picture
from engines.nvidia_driver import Gpu
from tests.toy_engines import toy_faces, write_toy_engines

Cli = Callable[..., Any]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (
            ("--precision", "fp32"),
            "from an engine directory half precision is made, and int8; give",
        ),
        (("--weights", "fp16"), "an engine directory keeps its weights as they were stored; give"),
        (("--backend", "onnx"), "an engine directory has its ONNX files; TensorRT plans, int8"),
        (("--precision", "int8", "--batch", "1:2:4"), "int8 files are for the batches that the"),
        (("--precision", "int8", "--backend", "tensorrt"), "int8 files are for OpenVINO; leave"),
        (("--precision", "bf16"), "'bf16' is not one of 'fp32', 'fp16', 'int8'"),
        (("--weights", "int8"), "'int8' is not one of 'fp32', 'fp16'"),
        (
            ("--precision", "fp32", "--backend", "openvino"),
            "for fp32 OpenVINO reads the ONNX files; only int8 has files of its own",
        ),
        (("--batch", "4:2:1"), "'4:2:1' is no batch range"),
        (("--auxiliary-streams", "-1"), "'-1' is no number of streams; expected 0 to 99, or auto"),
    ],
)
def test_what_an_engine_directory_cannot_be_asked_for_is_wrong_usage(
    cli: Cli, toy_engines: Path, options: tuple[str, ...], sentence: str
) -> None:
    result = cli("build-engines", toy_engines, *options)
    assert result.status == 2
    assert sentence in " ".join(result.err.replace("│", " ").split())


@pytest.fixture
def toy_sized_faces(monkeypatch: pytest.MonkeyPatch) -> None:
    """The package's faces are too large for toy networks."""
    pytest.importorskip("nncf", reason='no NNCF: pip install "efgan-rt[int8]"')
    monkeypatch.setattr("export.int8_files.checked_faces", lambda *_: toy_faces())


def test_engines_in_fp32_become_the_current_ones_in_half(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.half_files.checked_faces", lambda *_: toy_faces())
    engines = tmp_path / "toys"
    engines.mkdir()
    write_toy_engines(engines)
    made = cli("build-engines", engines, "--precision", "fp16")
    assert made.status == 0, made.err
    assert "Parity" in made.out and "toys-fp16 (now the current engines)" in " ".join(
        made.out.split()
    )
    again = cli("build-engines", current_set(), "--precision", "fp16")
    assert again.status == 1
    assert "these engines are fp16 already, expected fp32" in " ".join(again.err.split())


@pytest.mark.usefixtures("toy_sized_faces")
@pytest.mark.parametrize("option", [("--precision", "int8"), ("--backend", "openvino")])
def test_an_engine_directory_gets_int8_files_and_runs_with_them(
    cli: Cli, tmp_path: Path, make_picture: Callable[..., Any], option: tuple[str, str]
) -> None:
    engines = tmp_path / "engines"
    engines.mkdir()
    write_toy_engines(engines)
    (tmp_path / "in").mkdir()
    write_picture(tmp_path / "in" / "face.png", make_picture(16, 16, 0))
    made = cli("build-engines", engines, *option)
    assert made.status == 0, made.err
    assert "stage_2: " in made.err and "2 convolutions" in made.err
    assert "convolutions in int8" in made.out
    assert str(engines) in made.out.replace("\n", "")
    wishes = ("--crops", "--expression", "happy", "--engines", engines)
    run = cli("batch", tmp_path / "in", tmp_path / "out", *wishes, "--precision", "int8")
    assert run.status == 0, run.err
    assert "OpenVINO in int8, as asked for" in run.err
    plain = cli("batch", tmp_path / "in", tmp_path / "plain", *wishes)
    assert "int8" not in plain.err
    (int8, exact) = (
        read_picture(tmp_path / folder / "face.png").astype(int) for folder in ("out", "plain")
    )
    assert 0 < abs(int8 - exact).max() < 32


@pytest.mark.usefixtures("toy_sized_faces")
def test_int8_files_of_the_shipped_engines_go_among_the_users_own(
    cli: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shipped = tmp_path / "shipped"
    shipped.mkdir()
    write_toy_engines(shipped, stages=1)
    (shipped / "calibration_faces.npz").write_bytes(b"")
    before = sorted(shipped.iterdir())
    monkeypatch.setattr("efgan_rt.engine_sets.shipped_set", lambda: shipped)
    made = cli("build-engines", shipped, "--precision", "int8")
    assert made.status == 0, made.err
    assert made.out.replace("\n", "").endswith("shipped-int8 (now the current engines)")
    assert sorted(shipped.iterdir()) == before
    info = cli("info").out
    assert "int8 files for OpenVINO by NNCF " in info and "dB of fp32's" in info


def test_a_directory_that_holds_no_engines_is_told(cli: Cli, tmp_path: Path) -> None:
    result = cli("build-engines", tmp_path, "--backend", "tensorrt")
    assert result.status == 1
    assert "no manifest.json, so this is no engine directory" in result.err


@pytest.mark.parametrize(
    ("installed", "gpu", "remark"),
    [
        (True, None, "no TensorRT plans: TensorRT is installed, but there is no CUDA GPU here\n"),
        (
            False,
            Gpu("Toy GPU", "9.0", "580.65"),
            'no TensorRT plans for Toy GPU: pip install "efgan-rt[tensorrt]" makes them\n',
        ),
        (False, None, ""),
    ],
)
def test_auto_says_what_plans_would_need(
    cli: Cli,
    monkeypatch: pytest.MonkeyPatch,
    tmp_path: Path,
    installed: bool,
    gpu: Gpu | None,
    remark: str,
) -> None:
    monkeypatch.setattr("engines.runtimes.tensorrt_is_installed", lambda: installed)
    monkeypatch.setattr("engines.nvidia_driver.present_gpu", lambda: gpu)
    result = cli("build-engines", tmp_path / "absent.pt")
    assert result.status == 1
    assert result.err.startswith(f"{remark}error: ")
    assert "absent.pt: no such checkpoint" in result.err


def test_info_says_that_there_is_no_gpu_or_which(cli: Cli, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("engines.nvidia_driver.present_gpu", lambda: None)
    result = cli("info")
    assert "GPU        none: no CUDA driver or no device\n" in result.out
    assert "tensorrt" in result.out
    monkeypatch.setattr(
        "engines.nvidia_driver.present_gpu", lambda: Gpu("Toy GPU", "9.0", "580.65")
    )
    assert "GPU        Toy GPU, compute capability 9.0, driver 580.65\n" in cli("info").out
