"""The fuzzing script notices what it is there to notice."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from benchmarks import fuzz
from benchmarks.fuzz_worker import STATE


def test_a_short_run_tells_what_it_tried(tmp_path: Path, repository: Path) -> None:
    result = tmp_path / "fuzz.json"
    command = [sys.executable, "-m", "benchmarks", "fuzz"]
    command += ["--inputs", "2500", "--reader", "au", "--json", str(result)]
    done = subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    document = json.loads(result.read_text())
    assert document == json.loads(done.stdout.splitlines()[-1])
    tried = document["readers"]["au"]
    assert tried["inputs"] == document["inputs"] == 50
    assert 0 < tried["refused"] <= 50
    assert tried["findings"] == []


@pytest.mark.parametrize(
    ("program", "fell"),
    [
        ("pass", None),
        ("raise SystemExit(1)", "crash"),
        ("import os, signal; os.kill(os.getpid(), signal.SIGSEGV)", "crash"),
        (
            "import struct, sys, time; time.sleep(0.5);"
            "open(sys.argv[1], 'r+b').write(struct.pack('<Q', 7)); time.sleep(600)",
            "hang",
        ),
    ],
)
def test_a_worker_that_crashes_or_hangs_is_noticed(
    tmp_path: Path, program: str, fell: str | None
) -> None:
    state = tmp_path / "state"
    state.write_bytes(STATE.pack(0, 0, 0.0, 0))
    worker = subprocess.Popen([sys.executable, "-c", program, state], stderr=subprocess.DEVNULL)
    assert fuzz._wait(worker, state, hang_s=0.3) == fell
    assert worker.returncode is not None


def test_acts_outside_the_own_folder_are_noticed(tmp_path: Path, repository: Path) -> None:
    (tmp_path / "own").mkdir()
    program = """
import os, subprocess, sys
from pathlib import Path
from benchmarks.fuzz_worker import watch_acts
own = Path(sys.argv[1])
acts = watch_acts(own)
(own / "fine").write_text("x")
(own / "fine").read_text()
Path(sys.argv[2]).read_text()
assert acts == [], acts
(own / ".." / "outside").write_text("x")
os.rename(own / ".." / "outside", own / "x")
subprocess.run(["true"])
print(len(acts))
"""
    arguments = [tmp_path / "own", repository / "pyproject.toml"]
    done = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.strip() == "3", done.stderr
