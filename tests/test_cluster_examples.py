"""The examples of docs/cluster.md: the shell reads one, a YAML reader the other."""

import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from efgan_rt.cli.app import app


def block(repository: Path, language: str, having: str) -> str:
    text = (repository / "docs" / "cluster.md").read_text()
    blocks: list[str] = re.findall(rf"```{language}\n(.*?)```", text, re.DOTALL)
    (found,) = [each for each in blocks if having in each]
    return found


def test_the_shell_reads_the_slurm_script(repository: Path) -> None:
    script = block(repository, "sh", "#SBATCH")
    done = subprocess.run(["bash", "-n"], input=script, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    assert_options_exist(script)


def test_kuberays_job_asks_for_gpus_and_the_shared_folder(repository: Path) -> None:
    yaml = pytest.importorskip("yaml", reason="no PyYAML, which Ray brings along")
    job: dict[str, Any] = yaml.safe_load(block(repository, "yaml", "kind: RayJob"))
    assert_options_exist(job["spec"]["entrypoint"])
    cluster = job["spec"]["rayClusterSpec"]
    (workers,) = cluster["workerGroupSpecs"]
    groups = (cluster["headGroupSpec"], workers)
    for spec in (each["template"]["spec"] for each in groups):
        (container,) = spec["containers"]
        mounted = {each["name"] for each in container["volumeMounts"]}
        assert mounted == {each["name"] for each in spec["volumes"]}
    (container,) = workers["template"]["spec"]["containers"]
    assert container["resources"]["limits"]["nvidia.com/gpu"] == "1"


def assert_options_exist(text: str) -> None:
    """Every option of the `batch` in a text is one of the command's."""
    batch = text.replace("\\\n", " ").partition("efgan-rt batch ")[2]
    commands: Any = typer.main.get_command(app)
    known = {name for each in commands.commands["batch"].params for name in each.opts}
    asked = set(re.findall(r"--[a-z-]+", batch))
    assert asked and asked <= known
