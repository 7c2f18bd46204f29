"""The examples of docs/cluster.md: the shell reads one, a YAML reader the other."""

import copy
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
import typer

from efgan_rt.cli.app import app
from tests.kubernetes_schemas import (
    KUBERAY,
    KUBERNETES,
    job_schema,
    pod_template_schema,
    schema_file,
)

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
