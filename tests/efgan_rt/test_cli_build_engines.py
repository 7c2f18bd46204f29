"""`build-engines` before any work: what it accepts, and what `auto` decides."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from engines.nvidia_driver import Gpu

Cli = Callable[..., Any]


@pytest.mark.parametrize(
    ("options", "sentence"),
    [
        (("--precision", "fp16"), "an engine directory keeps the arithmetic it was exported with"),
        (("--weights", "fp16"), "an engine directory keeps the arithmetic it was exported with"),
        (("--backend", "onnx"), "an engine directory has its ONNX files; only TensorRT plans are"),
        (("--batch", "4:2:1"), "'4:2:1' is no batch range"),
    ],
)
def test_what_an_engine_directory_cannot_be_asked_for_is_wrong_usage(
    cli: Cli, toy_engines: Path, options: tuple[str, ...], sentence: str
) -> None:
    result = cli("build-engines", toy_engines, *options)
    assert result.status == 2
    assert sentence in " ".join(result.err.replace("│", " ").split())


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
