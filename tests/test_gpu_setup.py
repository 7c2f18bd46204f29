"""What a GPU's user is told to do and to install, where no code can see to it."""

import re
import shlex
import tomllib
from pathlib import Path

from packaging.requirements import Requirement


def test_a_page_says_which_gpu_runs_and_how_another_is_chosen(repository: Path) -> None:
    pages = [repository / "README.md", *sorted((repository / "docs").glob("*.md"))]
    naming = [page for page in pages if "CUDA_VISIBLE_DEVICES" in page.read_text()]
    assert naming, "no page says how to choose one of several GPUs"
    lines = "\n".join(page.read_text() for page in naming).splitlines()
    commands = [line.strip() for line in lines if line.startswith("    ")]
    # A number means another GPU to nvidia-smi than to CUDA, and a MIG slice has none.
    for name in ("GPU", "MIG"):
        chosen = [each for each in commands if each.startswith(f"CUDA_VISIBLE_DEVICES={name}-")]
        assert chosen and " efgan-rt batch " in chosen[0]
    assert any(re.match(r"nvidia-smi -L\b", each) for each in commands)


def test_no_pycuda_is_asked_for_that_does_not_compile_with_cuda_13(repository: Path) -> None:
    project = tomllib.loads((repository / "pyproject.toml").read_text())["project"]
    (line,) = project["optional-dependencies"]["pycuda"]
    allowed = Requirement(line).specifier
    unfit = [each for each in ("2025.1", "2025.1.1") if allowed.contains(each)]
    assert not unfit, f"{line} takes {unfit}, which do not compile with CUDA 13"
    assert allowed.contains("2025.1.2")


def test_older_drivers_get_packages_for_cuda_12_that_make_plans(repository: Path) -> None:
    page = " ".join((repository / "docs" / "engines.md").read_text().split())
    command = re.search(r"With drivers 550 and 570 install `pip install ([^`]+)`", page)
    assert command is not None
    asked = [Requirement(each) for each in shlex.split(command[1]) if not each.startswith(".")]
    allowed = {each.name: each.specifier for each in asked}
    # TensorRT 11 and cuda-bindings 13 are for CUDA 13; plans need TensorRT 10.12.
    for name, taken, left in (
        ("tensorrt-cu12", "10.16", ("11.0", "10.3", "10.11")),
        ("cuda-bindings", "12.9", ("13.0",)),
    ):
        assert allowed[name].contains(taken)
        assert not [each for each in left if allowed[name].contains(each)]
