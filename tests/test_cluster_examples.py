"""The examples of docs/cluster.md: the shell reads one, a YAML reader the other."""

import copy
import json
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import typer

from efgan_rt.cli.app import app
from efgan_rt.pictures.write import write_picture
from tests.kubernetes_schemas import (
    KUBERAY,
    KUBERNETES,
    job_schema,
    pod_template_schema,
    schema_file,
)
from tests.slurm_cluster import free_ports, run_job, slurm_cluster
from tests.toy_engines import write_toy_engines

RAYS = "no PyYAML and jsonschema, which Ray brings along"


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
    yaml = pytest.importorskip("yaml", reason=RAYS)
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


@pytest.mark.slow
def test_slurm_runs_the_script_over_two_nodes(repository: Path, tmp_path: Path) -> None:
    pytest.importorskip("ray", reason="it is not installed: pip install efgan-rt[ray]")
    faces, engines, out = (tmp_path / name for name in ("in", "engines", "out"))
    faces.mkdir()
    engines.mkdir()
    write_toy_engines(engines)
    pixels = np.random.default_rng(0)
    for number in range(11):
        picture = pixels.integers(0, 256, (32, 32, 3), np.uint8)
        write_picture(faces / f"{number}.png", picture)
    (port,) = free_ports(1)
    script = block(repository, "sh", "#SBATCH")
    for ours, here in (
        ("--nodes=4", "--nodes=2"),
        ("6379", str(port)),
        ("/shared/photos /shared/out", f"{faces} {out} --crops"),
        ("/shared/engines --backend tensorrt", f"{engines} --backend onnxruntime"),
        ("/shared/run.json", str(tmp_path / "run.json")),
    ):
        assert ours in script
        script = script.replace(ours, here)
    (tmp_path / "job.sh").write_text(script)
    # Sockets lie below it, and their names are short.
    with (
        tempfile.TemporaryDirectory(dir="/tmp") as ray_folder,
        slurm_cluster(tmp_path) as variables,
    ):
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        environment = os.environ | variables | {"PATH": path, "RAY_TMPDIR": ray_folder}
        state = run_job(tmp_path / "job.sh", tmp_path / "job.txt", environment)
    said = (tmp_path / "job.txt").read_text() if (tmp_path / "job.txt").exists() else ""
    assert state == "COMPLETED", said
    assert "ray: 2 workers" in said
    assert len([path for path in out.rglob("*.png") if ".efgan-rt" not in path.parts]) == 11
    assert len(json.loads((tmp_path / "run.json").read_text())["pictures"]) == 11


@pytest.fixture
def ray_job(repository: Path) -> Any:
    yaml = pytest.importorskip("yaml", reason=RAYS)
    return yaml.safe_load(block(repository, "yaml", "kind: RayJob"))


def pod_templates(job: Any) -> list[Any]:
    cluster = job["spec"]["rayClusterSpec"]
    return [each["template"] for each in (cluster["headGroupSpec"], *cluster["workerGroupSpecs"])]


def test_kuberays_own_definition_takes_the_job_and_no_misspelt_one(
    ray_job: Any, shared: Path
) -> None:
    jsonschema, yaml = (pytest.importorskip(each, reason=RAYS) for each in ("jsonschema", "yaml"))
    file = schema_file(shared, KUBERAY, "definition of KubeRay's RayJob")
    schema = job_schema(file, yaml)
    check = jsonschema.Draft7Validator(schema)
    assert [error.message for error in check.iter_errors(ray_job)] == []
    for spoil in ("shutdownAfterJobFinished", "rayClusterSpecs"):
        misspelt = copy.deepcopy(ray_job)
        misspelt["spec"][spoil] = True
        (error,) = check.iter_errors(misspelt)
        assert spoil in error.message
    wrong = copy.deepcopy(ray_job)
    wrong["spec"]["rayClusterSpec"]["workerGroupSpecs"][0]["replicas"] = "four"
    (error,) = check.iter_errors(wrong)
    assert error.message == "'four' is not of type 'integer'"


def test_kubernetes_own_schema_takes_the_pods_and_no_misspelt_ones(
    ray_job: Any, shared: Path
) -> None:
    jsonschema = pytest.importorskip("jsonschema", reason=RAYS)
    file = schema_file(shared, KUBERNETES, "OpenAPI document of Kubernetes")
    check = jsonschema.Draft4Validator(pod_template_schema(file))
    for template in pod_templates(ray_job):
        assert [error.message for error in check.iter_errors(template)] == []
        template["spec"]["containers"][0]["volumeMount"] = []
        (error,) = check.iter_errors(template)
        assert "'volumeMount' was unexpected" in error.message


def assert_options_exist(text: str) -> None:
    """Every option of the `batch` in a text is one of the command's."""
    batch = text.replace("\\\n", " ").partition("efgan-rt batch ")[2]
    commands: Any = typer.main.get_command(app)
    known = {name for each in commands.commands["batch"].params for name in each.opts}
    asked = set(re.findall(r"--[a-z-]+", batch))
    assert asked and asked <= known
