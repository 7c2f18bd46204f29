"""The four calls to a GPU machine, rehearsed with the processor in the GPU's place."""

import argparse
import json
import os
import shlex
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from benchmarks import gpu_machine
from benchmarks.gpu.pack import pack
from benchmarks.gpu.sets import SHIPPED
from benchmarks.gpu_machine import CALLS, TIME_OVER
from tests.benchmarks.test_gpu_pack import write_wheel
from tests.toy import REGIONS, toy_checkpoint


def call(number: int, repository: Path, *options: str, **environment: str) -> str:
    """What a call says, as it is typed there."""
    command = [sys.executable, "-m", "benchmarks", "gpu_machine", str(number), *options]
    done = subprocess.run(
        command,
        cwd=repository,
        env=os.environ | {"OMP_NUM_THREADS": "1", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode in (0, 1), done.stdout
    return done.stdout


# What another call or `test_gpu_parts.py` rehearses: each step imports PyTorch anew.
REPEATED = {1: ("bench",), 3: ("facts", "bench", "kernels"), 4: ("tests",)}


@pytest.mark.slow
def test_the_four_calls_measure_everything_and_bring_it_back(
    repository: Path, tmp_path: Path
) -> None:
    here, carried, out = tmp_path / "here", tmp_path / "carried", tmp_path / "out"
    write_wheel(here / "wheels", "carried", **{"carried.py": b""})
    pack(here, carried, None, 1 << 20)
    out.mkdir()
    sets = tmp_path / "sets"
    sets.mkdir()
    for name in ("shipped-fp16", "paper-fp32", "paper-fp16"):
        (sets / name).symlink_to(SHIPPED)
    toy = toy_checkpoint(tmp_path / "toy.pt", regions={"mouth": REGIONS["mouth"]}, stages=2)
    options = ["--quick", "--home", str(tmp_path / "home"), "--carried", str(carried)]
    options += ["--device", "cpu", "--checkpoint", str(toy), "--sets", str(sets)]
    is_whole = os.environ.get("EFGAN_WHOLE_REHEARSAL") == "1"
    for number in CALLS:
        skip = () if is_whole or number not in REPEATED else ("--skip", *REPEATED[number])
        said = call(number, repository, *options, *skip, OUT=str(out))
        assert f"call {number}: " in said, said
        assert "took more than" not in said and "Traceback" not in said, said
    document = json.loads((out / "gpu.json").read_text())
    in_parts = ("bench", "kernels") if is_whole else ()
    assert set(document) == {"facts", "tests", "host", "launches", "parity", "plateau", *in_parts}
    assert set(document["facts"]) == {"without-onnxruntime-gpu", *(["facts"] if is_whole else [])}
    assert document["facts"]["without-onnxruntime-gpu"]["providers"]["host"]["works"]
    # Without a device every one of them skips, and says so; pytest's 5 is that nothing was asked.
    tested = document["tests"]
    later = ("test_gpu_providers stays_there", "test_gpu_providers pycuda", "test_gpu_lanes")
    assert set(tested) == {"test_gpu_providers cuda-bindings", *(later if is_whole else ())}
    for each in tested.values():
        assert each["exit_status"] == 0 and "skipped" in each["outcome"][0]
    assert document["plateau"]["plateau"]["written"] == 24
    assert not [unit for part in document.values() for unit in part.values() if "traceback" in unit]
    assert [path.name for path in out.iterdir()] == ["gpu.json"]
    assert (out / "gpu.json").stat().st_size < 1 << 20


@pytest.mark.parametrize("number", CALLS)
def test_the_steps_of_a_call_are_options_of_the_parts(
    number: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    from benchmarks.gpu import __main__ as gpu

    asked: list[str] = []

    def units_of(arguments: argparse.Namespace) -> Iterator[Any]:
        asked.append(arguments.part)
        return iter(())

    for part in gpu.PARTS:
        monkeypatch.setitem(gpu.PARTS, part, units_of)
    for step in CALLS[number].steps:
        for options in (step.options, step.quick):
            monkeypatch.setattr(sys, "argv", ["gpu", step.part, *shlex.split(options)])
            assert gpu.main() == 0
    assert set(asked) == {step.part for step in CALLS[number].steps}


def test_the_limits_are_those_of_the_page(repository: Path) -> None:
    assert [each.limit_s for each in CALLS.values()] == [180, 120, 300, 150]
    page = (repository / "docs" / "gpu-machine.md").read_text()
    for number, each in CALLS.items():
        assert f"gpu_machine {number}" in page and f"{each.limit_s} s" in page


def test_what_was_brought_back_is_not_measured_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    carried, home = tmp_path / "carried", tmp_path / "home"
    carried.mkdir()
    (carried / "gpu.json").write_text('{"launches": {"host": {}}}')
    seen: list[str] = []

    def look(command: list[str], home: Path, limit_s: float) -> int:
        seen.append((home / "gpu.json").read_text())
        return 0

    monkeypatch.setattr(gpu_machine, "run_step", look)
    assert gpu_machine.run(2, carried, home, [], quick=True) == 0
    assert seen == ['{"launches": {"host": {}}}']


def test_a_call_without_what_it_needs_says_what_to_carry(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert gpu_machine.run(3, tmp_path / "carried", tmp_path / "home", [], quick=False) == 1
    assert "call 3 needs what is packed as large: carry its folders" in capsys.readouterr().out


def test_a_step_that_hangs_is_ended_with_what_it_has_started(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    alive = tmp_path / "alive"
    script = f"(while sleep 0.05; do touch {alive}; done) & sleep 60"
    began = time.monotonic()
    assert gpu_machine.run_step(["bash", "-c", script], tmp_path, 0.5) == TIME_OVER
    assert time.monotonic() - began < 20
    assert "it took more than 0 s and was ended" in capsys.readouterr().out
    alive.unlink(missing_ok=True)
    time.sleep(0.3)  # what would still run would have said so by now
    assert not alive.exists()


def test_no_step_begins_after_a_calls_time(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(gpu_machine, "MARGIN_S", 1000.0)
    monkeypatch.setattr(gpu_machine, "run_step", lambda *_: pytest.fail("a step began"))
    home = tmp_path / "home"
    home.mkdir()
    (home / "small.done").touch()
    assert gpu_machine.run(2, tmp_path, home, [], quick=False) == TIME_OVER
    assert "time is over before launches; run the same call again" in capsys.readouterr().out


def test_pycuda_is_built_beside_the_call_and_how_it_ended_is_told(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "wheels").mkdir()
    (tmp_path / "wheels" / "pycuda-1.tar.gz").write_bytes(b"not a source")
    monkeypatch.setattr(gpu_machine, "WAIT_FOR_PYCUDA_S", 20.0)
    gpu_machine.build_pycuda(tmp_path)
    gpu_machine.wait_for_pycuda(tmp_path)
    said = capsys.readouterr().out
    assert "PyCUDA's build:" in said and "tar:" in said
    assert (tmp_path / "pycuda.done").exists()
