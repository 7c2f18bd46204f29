import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from engines.base import EngineError, TensorSpec
from engines.directory import EngineDirectory
from engines.manifest import Manifest, NetworkEntry, PlanFacts, StoredFile, read_manifest

CONTENT = b"what the file holds"
REMEDY = "make the engines again with: efgan-rt build-engines CKPT.pt"


@pytest.fixture
def manifest() -> Manifest:
    entry = NetworkEntry(
        name="net",
        file="net.onnx",
        sha256=hashlib.sha256(CONTENT).hexdigest(),
        bytes=len(CONTENT),
        batch=(1, 8, 16),
        inputs=(TensorSpec("pixels", "uint8", ("B", 128, 128, 3)),),
        outputs=(TensorSpec("au", "float32", ("B", 17)), TensorSpec("x", "float16", (3, "B"))),
        parity={"max_error": 1e-5, "psnr_db": 51.5},
    )
    return Manifest("0.1.0", "onnx", "fp32", "fp16", {"net": entry}, {"stages": 1, "who": ["me"]})


@pytest.fixture
def directory(tmp_path: Path, manifest: Manifest) -> Path:
    (tmp_path / "net.onnx").write_bytes(CONTENT)
    manifest.write(tmp_path)
    return tmp_path


def change(directory: Path, edit: Callable[[dict[str, Any]], object]) -> None:
    """Edits the JSON in place."""
    path = directory / "manifest.json"
    document = json.loads(path.read_text())
    edit(document)
    path.write_text(json.dumps(document))


def test_what_is_written_is_what_is_read(directory: Path, manifest: Manifest) -> None:
    assert read_manifest(directory) == manifest


def test_writing_leaves_only_the_manifest_behind(directory: Path) -> None:
    assert sorted(path.name for path in directory.iterdir()) == ["manifest.json", "net.onnx"]


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_a_manifest_that_could_not_be_read_is_not_written(
    directory: Path, manifest: Manifest, bad: float
) -> None:
    broken = replace(manifest.networks["net"], parity={"max_error": bad})
    with pytest.raises(EngineError, match="expected finite numbers only"):
        replace(manifest, networks={"net": broken}).write(directory)
    assert read_manifest(directory) == manifest


def test_a_directory_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(EngineError) as caught:
        read_manifest(tmp_path / "no")
    assert str(caught.value) == f"{tmp_path}/no: there is no such engine directory; {REMEDY}"


def test_a_directory_without_a_manifest_is_no_engine_directory(tmp_path: Path) -> None:
    with pytest.raises(EngineError, match=r"no manifest\.json, so this is no engine directory; "):
        read_manifest(tmp_path)


def test_a_truncated_manifest_is_called_invalid_json(directory: Path) -> None:
    path = directory / "manifest.json"
    path.write_text(path.read_text()[:-40])
    with pytest.raises(EngineError) as caught:
        read_manifest(directory)
    message = str(caught.value)
    assert message.startswith(f"{path}: not valid JSON, cut short or edited (")
    assert message.endswith(REMEDY)


def test_bytes_that_are_no_text_are_refused(directory: Path) -> None:
    (directory / "manifest.json").write_bytes(b"\xff\xfe{}")
    with pytest.raises(EngineError, match="cannot be read"):
        read_manifest(directory)


def net(document: dict[str, Any]) -> dict[str, Any]:
    """The network's fields."""
    fields: dict[str, Any] = document["networks"]["net"]
    return fields


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda d: d.update(format="other 2"), "format 'other 2' found, 'efgan-rt engines 1' expe"),
        (lambda d: d.pop("format"), "format None found, 'efgan-rt engines 1' expected"),
        (lambda d: d.update(kind="plan"), "the manifest: kind is 'plan', expected onnx"),
        (lambda d: d.update(precision="int8"), "precision is 'int8', expected fp32 or fp16"),
        (lambda d: d.update(weights="bf16"), "weights is 'bf16', expected fp32 or fp16"),
        (lambda d: d.pop("tool_version"), "the manifest has no 'tool_version'"),
        (lambda d: d.update(properties=[]), "properties is [], expected object"),
        (lambda d: d.update(networks={}), "networks is {}, expected one network or more"),
        (lambda d: d.update(networks={"net": 3}), "network 'net' is 3, expected an object"),
        (
            lambda d: net(d).update(file="../net.onnx"),
            "file is '../net.onnx', expected a plain fil",
        ),
        (lambda d: net(d).update(file="a/net.onnx"), "without '/' or '..'"),
        (lambda d: net(d).update(file="C:net.onnx"), "expected a plain file name"),
        (lambda d: net(d).update(file="a..b"), "expected a plain file name"),
        (lambda d: net(d).update(file=7), "network 'net': file is 7, expected str"),
        (lambda d: net(d).update(sha256="abc"), "sha256 is 'abc', expected 64 lower-case hexad"),
        (lambda d: net(d).update(bytes=-1), "bytes is -1, expected int >= 1"),
        (lambda d: net(d).update(bytes=True), "bytes is True, expected int"),
        (lambda d: net(d).update(batch=[8, 4, 16]), "batch is [8, 4, 16], expected [smallest, bes"),
        (lambda d: net(d).update(batch=[0, 4, 8]), "batch.0 is 0, expected int >= 1"),
        (lambda d: net(d).update(batch=4), "batch is 4, expected array"),
        (lambda d: net(d).update(parity={"x": "y"}), "parity is {'x': 'y'}, expected float"),
        (lambda d: net(d).pop("outputs"), "network 'net' has no 'outputs'"),
        (lambda d: net(d).update(inputs=[]), "at least one tensor, each with a name of its own"),
        (lambda d: net(d)["inputs"].append(net(d)["inputs"][0]), "each with a name of its own"),
        (lambda d: net(d)["inputs"][0].update(dtype="int64"), "dtype is 'int64', expected uint8 o"),
        (
            lambda d: net(d)["inputs"][0].update(shape=["N", 3]),
            "inputs.0.shape.0 is 'N', expected B",
        ),
    ],
)
def test_each_fault_of_a_manifest_has_a_sentence_of_its_own(
    directory: Path, edit: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    change(directory, edit)
    with pytest.raises(EngineError) as caught:
        read_manifest(directory)
    message = str(caught.value)
    assert sentence in message
    assert message.startswith(f"{directory}/manifest.json: ")
    assert message.endswith(REMEDY)


def test_a_network_that_is_missing_is_named_with_those_there_are(manifest: Manifest) -> None:
    with pytest.raises(EngineError, match="has no network 'stage_9', it has net; make the engines"):
        manifest.network("stage_9")


def test_a_file_as_described_is_accepted(directory: Path, manifest: Manifest) -> None:
    assert EngineDirectory(directory).content(manifest.networks["net"].stored) == CONTENT


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"What the file holds", r"sha256 [0-9a-f]{12}\.\.\. found, [0-9a-f]{12}\.\.\. expected; "),
        (CONTENT[:-1], "18 bytes found, 19 expected; make the engines again"),
        (None, "the file is missing, though the manifest names it; make the engines again"),
    ],
)
def test_a_file_that_is_not_as_described_is_refused(
    directory: Path, manifest: Manifest, content: bytes | None, sentence: str
) -> None:
    path = directory / "net.onnx"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(EngineError, match=sentence) as caught:
        EngineDirectory(directory).content(manifest.networks["net"].stored)
    assert str(caught.value).startswith(f"{path}: ")


@pytest.mark.parametrize("text", ["[" * 100_000])
def test_json_that_only_an_attacker_writes_is_refused(directory: Path, text: str) -> None:
    (directory / "manifest.json").write_text(text)
    with pytest.raises(EngineError, match=r"manifest\.json: JSON beyond what can be read; make"):
        read_manifest(directory)


def test_a_parity_that_no_float_can_hold_is_refused(directory: Path) -> None:
    change(directory, lambda d: d["networks"]["net"].update(parity={"x": 10**400}))
    with pytest.raises(EngineError, match=r"parity is .*x.*1000"):
        read_manifest(directory)


def test_a_file_name_beyond_what_file_systems_allow_is_refused_and_quoted_in_part(
    directory: Path,
) -> None:
    change(directory, lambda d: d["networks"]["net"].update(file="a" * 5000))
    with pytest.raises(EngineError, match=r"file is 'a{199}\.\.\., expected a plain file name"):
        read_manifest(directory)


PLAN = b"what TensorRT made of it"
FACTS = PlanFacts(
    library="tensorrt",
    version="11.4.0.106",
    gpu="NVIDIA H100",
    compute_capability="9.0",
    driver="580.65.06",
    hardware_compatibility="none",
    version_compatible=False,
    settings={"tf32": False, "networks": {"net": {"layers": 3}}},
)


@pytest.fixture
def planned(directory: Path, manifest: Manifest) -> Manifest:
    """A manifest with a plan, and its directory."""
    (directory / "net.plan").write_bytes(PLAN)
    plan = StoredFile("net.plan", hashlib.sha256(PLAN).hexdigest(), len(PLAN))
    entry = replace(manifest.networks["net"], plan=plan)
    made = replace(manifest, networks={"net": entry}, plans=FACTS)
    made.write(directory)
    return made


def test_plans_are_read_as_they_were_written(directory: Path, planned: Manifest) -> None:
    assert read_manifest(directory) == planned
    assert EngineDirectory(directory).plan(planned.networks["net"].name) == PLAN
    assert EngineDirectory(directory).content(planned.networks["net"].stored) == CONTENT


def test_plans_made_ahead_of_time_name_no_gpu(directory: Path, planned: Manifest) -> None:
    ahead = replace(FACTS, library="tensorrt_rtx", gpu=None, compute_capability=None, driver=None)
    replace(planned, plans=ahead).write(directory)
    assert read_manifest(directory).plans == ahead


def test_a_directory_without_plans_says_nothing_of_them(directory: Path) -> None:
    text = (directory / "manifest.json").read_text()
    assert "plan" not in text
    assert read_manifest(directory).plans is None


@pytest.mark.parametrize(
    ("edit", "sentence"),
    [
        (lambda d: net(d).update(plan=3), "network 'net': plan is 3, expected object | null"),
        (
            lambda d: net(d)["plan"].update(file="../net.plan"),
            "plan.file is '../net.plan', expected a plain",
        ),
        (
            lambda d: net(d)["plan"].update(sha256="?"),
            "plan.sha256 is '?', expected 64 lower-case",
        ),
        (lambda d: net(d)["plan"].pop("bytes"), "network 'net', plan has no 'bytes'"),
        (lambda d: d.update(plans=[]), "plans is [], expected object | null"),
        (
            lambda d: d["plans"].update(library="trt"),
            "library is 'trt', expected tensorrt or tenso",
        ),
        (lambda d: d["plans"].update(version=11), "plans.version is 11, expected str"),
        (lambda d: d["plans"].update(gpu=""), "plans.gpu is '', expected str of length >= 1"),
        (lambda d: d["plans"].pop("driver"), "the manifest, plans has no 'driver'"),
        (
            lambda d: d["plans"].update(hardware_compatibility="all"),
            "is 'all', expected none or ampere_plus or same_compute_capability",
        ),
        (
            lambda d: d["plans"].update(version_compatible=1),
            "version_compatible is 1, expected bool",
        ),
        (lambda d: d["plans"].update(settings=None), "settings is None, expected object"),
        (
            lambda d: d.pop("plans"),
            "network 'net' has a 'plan', expected none, because the manifest has no 'plans'",
        ),
        (
            lambda d: net(d).pop("plan"),
            "network 'net' has no 'plan', expected one, because the manifest has 'plans'",
        ),
    ],
)
def test_each_fault_of_a_manifest_with_plans_has_a_sentence_of_its_own(
    directory: Path, planned: Manifest, edit: Callable[[dict[str, Any]], object], sentence: str
) -> None:
    change(directory, edit)
    with pytest.raises(EngineError) as caught:
        read_manifest(directory)
    assert sentence in str(caught.value)
    assert str(caught.value).endswith(REMEDY)


@pytest.mark.parametrize(
    ("content", "sentence"),
    [
        (b"What TensorRT made of it", r"sha256 [0-9a-f]{12}\.\.\. found, [0-9a-f]{12}\.\.\. expec"),
        (PLAN[:-1], "23 bytes found, 24 expected"),
        (None, "the file is missing, though the manifest names it"),
    ],
)
def test_a_plan_that_is_not_as_described_is_refused_with_the_command_that_makes_it_again(
    directory: Path, planned: Manifest, content: bytes | None, sentence: str
) -> None:
    path = directory / "net.plan"
    path.unlink() if content is None else path.write_bytes(content)
    with pytest.raises(EngineError, match=sentence) as caught:
        EngineDirectory(directory).plan(planned.networks["net"].name)
    assert str(caught.value).startswith(f"{path}: ")
    assert str(caught.value).endswith(
        f"; make the plans again with: efgan-rt build-engines {directory} --backend tensorrt"
    )


def test_a_network_without_a_plan_is_named(directory: Path, manifest: Manifest) -> None:
    with pytest.raises(EngineError, match=r"network 'net' has no TensorRT plan; make the plans"):
        EngineDirectory(directory).plan(manifest.networks["net"].name)
