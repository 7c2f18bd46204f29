"""`python -m benchmarks`: lists, runs, and refuses in one sentence."""

import subprocess
import sys
from pathlib import Path

from benchmarks.__main__ import benchmarks


def run(repository: Path, *words: str) -> "subprocess.CompletedProcess[str]":
    """What the command prints, and its status."""
    command = [sys.executable, "-m", "benchmarks", *words]
    return subprocess.run(command, cwd=repository, capture_output=True, text=True, check=False)


def test_every_benchmark_has_a_name_and_says_what_it_measures(repository: Path) -> None:
    listed = run(repository)
    assert listed.returncode == 0
    lines = dict(line.split(maxsplit=1) for line in listed.stdout.splitlines())
    assert lines == benchmarks()
    assert {"judge_photographs", "backends", "readme", "scaling"} <= lines.keys()
    assert all(what.endswith((".", "?")) for what in lines.values())


def test_a_name_that_is_none_is_refused_with_those_that_are(repository: Path) -> None:
    refused = run(repository, "speeed")
    assert refused.returncode == 2
    assert "error: no benchmark is called 'speeed'; there are:" in refused.stderr
    assert "photograph_speed" in refused.stderr


def test_a_benchmark_takes_its_options(repository: Path) -> None:
    told = run(repository, "crash", "--help")
    assert told.returncode == 0
    assert "usage: python -m benchmarks crash" in told.stdout
    assert "--kills" in told.stdout


def test_what_the_user_can_mend_is_one_sentence(repository: Path) -> None:
    failed = run(repository, "photograph_speed", "/nothing-there")
    assert failed.returncode == 1
    assert failed.stderr == "error: /nothing-there: cannot be read: No such file or directory\n"
