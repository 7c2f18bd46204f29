"""The script that installs what tests need, beside an `apt-get` and an `id` of the test's own."""

import os
import subprocess
from pathlib import Path

import pytest

PROGRAMS = ("chromium", "chromedriver", "gcc", "mount", "sbatch", "slurmctld", "slurmd")


def write_command(folder: Path, name: str, body: str) -> None:
    path = folder / name
    path.write_text(f"#!/bin/sh\n{body}\n")
    path.chmod(0o755)


def installed(repository: Path, folder: Path) -> tuple[str, list[str]]:
    """What the script prints where `folder` holds all commands, and what `apt-get` was asked."""
    calls = folder / "calls"
    calls.touch()
    done = subprocess.run(
        ["/bin/bash", str(repository / ".ci" / "programs")],
        env=os.environ | {"PATH": str(folder), "CALLS": str(calls)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=True,
    )
    return done.stdout, calls.read_text().splitlines()


@pytest.fixture
def machine(tmp_path: Path) -> Path:
    """A machine whose root has `apt-get` and none of the programs."""
    write_command(tmp_path, "id", "echo 0")
    write_command(tmp_path, "apt-get", 'echo "$@" >>"$CALLS"; echo much is said')
    return tmp_path


def test_programs_that_are_there_are_left_alone(repository: Path, machine: Path) -> None:
    for program in PROGRAMS:
        write_command(machine, program, "")
    assert installed(repository, machine) == ("", [])


def test_what_is_missing_is_installed_without_a_word(repository: Path, machine: Path) -> None:
    write_command(machine, "gcc", "")
    said, calls = installed(repository, machine)
    assert said == ""
    assert calls[0] == "-qq update"
    assert [call.rpartition("--no-install-recommends ")[2] for call in calls[1:]] == [
        "chromium",
        "chromium-driver",
        "mount",
        "slurm-client",
        "slurmctld",
        "slurmd",
    ]


def test_lists_that_cannot_be_fetched_and_a_package_that_is_missing_stop_nothing(
    repository: Path, machine: Path
) -> None:
    body = 'echo "$@" >>"$CALLS"; case "$*" in *update|*chromium-driver) exit 100;; esac'
    write_command(machine, "apt-get", body)
    said, calls = installed(repository, machine)
    assert said == "note: apt-get cannot install chromium-driver; some tests will skip\n"
    assert len(calls) == 1 + len(PROGRAMS)


def test_who_is_not_root_is_told_what_to_install(repository: Path, machine: Path) -> None:
    write_command(machine, "id", "echo 1000")
    said, calls = installed(repository, machine)
    assert calls == []
    assert said == (
        "note: some tests will skip; to run them, as root: "
        "apt-get install chromium chromium-driver gcc libc6-dev mount "
        "slurm-client slurmctld slurmd\n"
    )
