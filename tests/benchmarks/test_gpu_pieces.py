"""Results of a GPU's measurements: kept whatever happens to a unit, and brought back."""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks.gpu import __main__ as gpu
from benchmarks.gpu import speed as gpu_speed
from benchmarks.gpu.pieces import Piece
from engines.base import EngineError
from tests.toy import toy_checkpoint


def test_a_batch_that_the_memory_does_not_hold_does_not_end_the_part(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def measured(_: object, batch: int, __: object) -> dict[str, float]:
        if batch == 4:
            raise torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB")
        return {"images_per_s": 1.0}

    monkeypatch.setattr(gpu_speed, "measured", measured)
    result = tmp_path / "gpu.json"
    checkpoint = toy_checkpoint(tmp_path / "toy.pt")
    words = ["--device", "cpu", "--sets", str(tmp_path), "--checkpoint", str(checkpoint)]
    words += ["--only", "torch fp32, plain loop", "--batches", "4", "2"]
    monkeypatch.setattr(sys, "argv", ["gpu", "bench", *words, "--results", str(result)])
    assert gpu.main() == 0
    found = json.loads(result.read_text())["bench"]
    assert "out of memory" in found["torch fp32, plain loop, batch 4"]["left_out"]
    assert found["torch fp32, plain loop, batch 2"] == {"images_per_s": 1.0}
    capsys.readouterr()


def test_what_a_call_has_measured_is_brought_back(repository: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    words = ["gpu_machine", "1", "--quick", "--device", "cpu", "--home", str(tmp_path / "home")]
    words += ["--carried", str(tmp_path), "--skip", "tests", "bench", "host"]
    done = subprocess.run(
        [sys.executable, "-m", "benchmarks", *words],
        cwd=repository,
        env=os.environ | {"OMP_NUM_THREADS": "1", "OUT": str(out)},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    back = [path.name for path in out.iterdir()]
    assert back == ["gpu.json"], f"the call ended well, and $OUT holds {back}"
    assert json.loads((out / "gpu.json").read_text())["facts"]


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2.00 GiB"),
        MemoryError("no more"),
        RuntimeError("cuDNN error: CUDNN_STATUS_ALLOC_FAILED; CUDA out of memory"),
        EngineError("no free device memory"),
    ],
    ids=["torch", "host", "cuDNN", "ours"],
)
def test_a_unit_without_memory_is_left_out_and_the_next_is_measured(
    tmp_path: Path, error: Exception, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure() -> Any:
        raise error

    piece = Piece(tmp_path / "gpu.json", "bench")
    assert piece.run("batch 128", measure) and piece.run("batch 64", lambda: {"ms": 1})
    kept = json.loads((tmp_path / "gpu.json").read_text())["bench"]
    assert str(error) in kept["batch 128"]["left_out"]
    assert kept["batch 64"] == {"ms": 1}
    assert piece.failed() == []
    capsys.readouterr()


def test_a_unit_that_fails_keeps_its_traceback_and_is_measured_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def measure() -> Any:
        raise ValueError("a bug")

    piece = Piece(tmp_path / "gpu.json", "bench")
    assert piece.run("first", measure) and piece.run("second", lambda: {"ms": 1})
    assert piece.failed() == ["first"]
    assert piece.units["first"]["traceback"][-1] == "ValueError: a bug"
    again = Piece(tmp_path / "gpu.json", "bench")
    assert again.run("first", lambda: {"ms": 2})
    assert again.units["first"] == {"ms": 2} and again.failed() == []
    capsys.readouterr()


KILLED = """
import os, signal, sys
from pathlib import Path
from benchmarks.gpu.pieces import Piece
piece = Piece(Path(sys.argv[1]), "bench")
piece.run("first", lambda: {"ms": 1})
piece.run("second", lambda: os.kill(os.getpid(), signal.SIGKILL))
"""


def test_a_part_that_is_killed_goes_on_behind_its_last_unit(
    repository: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = [sys.executable, "-c", KILLED, str(tmp_path / "gpu.json")]
    done = subprocess.run(command, cwd=repository, capture_output=True)
    assert done.returncode == -signal.SIGKILL, done.stderr
    piece = Piece(tmp_path / "gpu.json", "bench")
    assert piece.units == {"first": {"ms": 1}}
    assert piece.run("first", lambda: pytest.fail("it is there"))
    assert piece.run("second", lambda: {"ms": 2})
    assert json.loads((tmp_path / "gpu.json").read_text())["bench"] == {
        "first": {"ms": 1},
        "second": {"ms": 2},
    }
    capsys.readouterr()
