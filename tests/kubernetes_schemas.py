"""Kubernetes' and KubeRay's own schemas, which are not ours to carry: where they lie, and strict.

A server drops a field that it does not know without a word, so here such a field is refused.
"""

import json
import os
from pathlib import Path
from typing import Any

import pytest

KUBERAY = ("EFGAN_KUBERAY_CRD", "ray.io_rayjobs.yaml")
KUBERNETES = ("EFGAN_KUBERNETES_OPENAPI", "kubernetes.json")


def schema_file(shared: Path, known: tuple[str, str], what: str) -> Path:
    """A schema's file, by a variable or in the shared folder; skips where there is none."""
    variable, name = known
    path = Path(os.environ.get(variable, shared / "cluster" / name))
    if not path.is_file():
        pytest.skip(f"no {what}: {path} is missing; {variable} names another place")
    return path


def job_schema(path: Path, yaml: Any) -> dict[str, Any]:
    """What a RayJob of version v1 may be, by KubeRay's definition of it."""
    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    crd = yaml.load(path.read_text(), loader)
    (version,) = [each for each in crd["spec"]["versions"] if each["name"] == "v1"]
    schema: dict[str, Any] = strict(version["schema"]["openAPIV3Schema"])
    schema["properties"]["metadata"] = {"type": "object"}  # the server's, not the definition's
    return schema


def pod_template_schema(path: Path) -> dict[str, Any]:
    """What a pod's template may be, by Kubernetes' published interface."""
    definitions = json.loads(path.read_text())["definitions"]
    return {
        "$ref": "#/definitions/io.k8s.api.core.v1.PodTemplateSpec",
        "definitions": {name: strict(each) for name, each in definitions.items()},
    }


def strict(schema: Any) -> Any:
    """The same schema, with no field but those that it names."""
    if isinstance(schema, list):
        return [strict(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    made = {name: strict(each) for name, each in schema.items()}
    is_closed = isinstance(schema.get("properties"), dict) and "type" in schema
    if is_closed and not schema.get("x-kubernetes-preserve-unknown-fields"):
        made.setdefault("additionalProperties", False)
    return made
