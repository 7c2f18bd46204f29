"""Engine sets for Triton: the merged network, its configuration, and a real server's answer."""

import hashlib
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import onnx
import onnxruntime
import pytest

from efgan_rt.cli.app import main
from efgan_rt.editing import OpenedSet
from efgan_rt.editor import Editor
from efgan_rt.engine_sets import shipped_set
from efgan_rt.errors import EfganError
from efgan_rt.lane import even_progress
from efgan_rt.pictures.write import write_picture
from efgan_rt.triton import edited_file
from engines.directory import EngineDirectory
from export.calibration import bundled_faces
from export.to_triton import Merged, export_triton, merged_network
from tests.export.triton_server import served
from tests.export.untrained import write_untrained
from tests.toy_engines import toy_faces, write_toy_engines
from train.families.ecgan.config import ECGANConfig
from train.families.eet.config import EETConfig

BATCH = 4


@pytest.fixture(scope="module")
def engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("toy")
    write_toy_engines(folder)
    return folder


@pytest.fixture(scope="module")
def repository(engines: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("triton") / "models"
    export_triton(engines, folder)
    return folder


def both_ways(engines: Path, faces: Any) -> tuple[dict[str, Any], Any]:
    """What the merged network and a lane give for the same faces and goals."""
    opened = OpenedSet.open(EngineDirectory(engines), backend="onnxruntime", batch=len(faces))
    rng = np.random.default_rng(0)
    shape = (len(faces), len(opened.au_names))
    goal = {
        "target_scale": rng.uniform(0, 1, shape).astype(np.float32),
        "target_offset": rng.uniform(0, 3, shape).astype(np.float32),
    }
    progress = even_progress(opened.stages, len(faces))
    merged: Merged = merged_network(EngineDirectory(engines))
    session = onnxruntime.InferenceSession(
        merged.model.SerializeToString(), providers=["CPUExecutionProvider"]
    )
    names = [spec.name for spec in merged.outputs]
    values = session.run(names, {"pixels": faces, "progress": progress, **goal})
    with_lane = opened.edit(faces, goal)
    return dict(zip(names, values, strict=True)), with_lane


def test_the_merged_network_is_the_lane(engines: Path) -> None:
    merged, lane = both_ways(engines, toy_faces(BATCH))
    assert set(merged) == {"pixels_out", "attention", "stage_au", "source_au"}
    assert np.abs(merged["source_au"] - lane.source_au).max() <= 1e-5
    assert np.abs(merged["stage_au"] - lane.stage_au.transpose(1, 0, 2)).max() <= 1e-5
    for name, other in (("pixels_out", lane.pixels), ("attention", lane.attention)):
        difference = np.abs(merged[name].astype(int) - other)
        print(f"{name}: max {difference.max()}, mean {difference.mean():.6f}")
        assert difference.max() <= 1  # a sum that two compilers order in two ways, then rounded
        assert difference.mean() <= 0.01


@pytest.mark.slow
def test_the_merged_network_of_a_set_with_motion_is_the_lane() -> None:
    shipped = shipped_set()
    assert shipped is not None
    face = cv2.resize(bundled_faces()[0], (256, 256), interpolation=cv2.INTER_CUBIC)
    merged, lane = both_ways(shipped, face[np.newaxis])
    assert lane.motion is not None
    assert (merged["mouth_choice"] == lane.motion.choices).all()
    fields = np.abs(merged["fields"].astype(np.float32) - lane.motion.fields)
    pixels = np.abs(merged["pixels_out"].astype(int) - lane.pixels)
    print(f"fields: max {fields.max()}; pixels: max {pixels.max()}, mean {pixels.mean():.6f}")
    assert fields.max() <= 0.02  # float16 of up to 16 crop pixels has steps of 0.008
    assert pixels.max() <= 1
    assert merged["pixels_out"].shape == lane.pixels.shape


@pytest.mark.parametrize(
    "config",
    [
        EETConfig(32, tuple(f"AU{number:02}" for number in range(1, 13)), width=2),
        ECGANConfig(32, ("angry", "happy", "neutral"), width=8, residual_blocks=2),
    ],
    ids=["eet", "ecgan"],
)
def test_the_merged_network_of_another_family_is_the_lane(
    tmp_path: Path, config: EETConfig | ECGANConfig, request: pytest.FixtureRequest
) -> None:
    name = request.node.callspec.id
    write_untrained(tmp_path / name, name, config)
    directory = EngineDirectory(tmp_path / name)
    merged = export_triton(directory.path, tmp_path / "models")
    rng = np.random.default_rng(0)
    faces = rng.integers(0, 256, (BATCH, 32, 32, 3), np.uint8)
    asked = {
        spec.name: rng.uniform(0, 1, (BATCH, *spec.shape[1:])).astype(np.float32)  # type: ignore[arg-type]
        for spec in merged.inputs
        if spec.name not in ("pixels", "progress")
    }
    opened = OpenedSet.open(directory, backend="onnxruntime", batch=BATCH)
    goes = {"progress": even_progress(opened.stages, BATCH)} if name == "eet" else {}
    session = onnxruntime.InferenceSession(
        tmp_path / "models" / "efgan" / "1" / "model.onnx", providers=["CPUExecutionProvider"]
    )
    (pixels,) = session.run(["pixels_out"], {"pixels": faces, **goes, **asked})
    lane = opened.edit(faces, asked)
    difference = np.abs(pixels.astype(int) - lane.pixels)
    print(f"pixels: max {difference.max()}, mean {difference.mean():.6f}")
    assert difference.max() <= 1 and difference.mean() <= 0.01  # as of the toy cascade
    assert pixels.std() > 1


def test_tritons_own_parser_reads_both_configurations(repository: Path) -> None:
    text_format = pytest.importorskip("google.protobuf.text_format")
    reason = "no tritonclient: pip install 'tritonclient>=2.73'"
    messages = pytest.importorskip("tritonclient.grpc.model_config_pb2", reason=reason)

    def parsed(name: str) -> Any:
        text = (repository / name / "config.pbtxt").read_text()
        return text_format.Parse(text, messages.ModelConfig())

    crops, photographs = parsed("efgan"), parsed("efgan_photo")
    assert (crops.name, crops.backend, crops.max_batch_size) == ("efgan", "onnxruntime", 8)
    found = [
        (each.name, messages.DataType.Name(each.data_type), *each.dims) for each in crops.input
    ]
    assert found == [
        ("pixels", "TYPE_UINT8", 16, 16, 3),
        ("target_scale", "TYPE_FP32", 3),
        ("target_offset", "TYPE_FP32", 3),
        ("progress", "TYPE_FP32", 2),
    ]
    by_name = {each.name: list(each.dims) for each in crops.output}
    assert by_name["stage_au"] == [2, 3]
    assert crops.dynamic_batching.preferred_batch_size == [4]
    assert set(crops.model_warmup[0].inputs) == {each.name for each in crops.input}
    assert (photographs.name, photographs.backend) == ("efgan_photo", "python")
    assert photographs.parameters["batch"].string_value == "4"


def test_a_value_for_each_picture_is_reshaped(tmp_path: Path) -> None:
    shipped = shipped_set()
    assert shipped is not None
    export_triton(shipped, tmp_path)
    config = (tmp_path / "efgan" / "config.pbtxt").read_text()
    assert '"mouth_choice" data_type: TYPE_INT32 dims: [ 1 ] reshape: { shape: [ ] }' in config
    readme = (tmp_path / "README.md").read_text()
    assert "nvcr.io/nvidia/tritonserver:" in readme
    assert "| out | `fields` | float16 | [ 128, 128, 10 ] |" in readme


@pytest.mark.slow
def test_a_real_server_answers_a_photograph_with_what_batch_writes(
    tmp_path: Path, repository: Path, engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("tritonclient.grpc", reason="no tritonclient: pip install it with grpcio")
    (tmp_path / "in").mkdir()
    picture = tmp_path / "in" / "a.png"
    write_picture(picture, toy_faces(1)[0])
    arguments = ("--engines", engines, "--backend", "onnxruntime", "--batch-size", BATCH)
    command = ["efgan-rt", "batch", tmp_path / "in", tmp_path / "out", "-e", "happy", *arguments]
    monkeypatch.setattr(sys, "argv", [*map(str, command)])
    with pytest.raises(SystemExit):
        main()
    (tmp_path / "scratch").mkdir()
    packages = Path(__file__).resolve().parents[2]
    with served(repository, "efgan_photo", tmp_path / "scratch", packages) as client:
        answer = asked(client, picture.read_bytes(), expression="happy")
        assert answer == (tmp_path / "out" / "a.png").read_bytes()
        for data, parameters, sentence in (
            (b"none", {"expression": "happy"}, "photograph: not a picture: it begins with 'none'"),
            (picture.read_bytes(), {"expression": "hapy"}, "hapy"),
            (picture.read_bytes(), {"mood": "sad"}, "found the parameters mood, expected express"),
        ):
            with pytest.raises(Exception, match=sentence):
                asked(client, data, **parameters)


def asked(client: Any, data: bytes, **parameters: str) -> bytes:
    from tritonclient import grpc

    given = grpc.InferInput("photograph", [len(data)], "UINT8")
    given.set_data_from_numpy(np.frombuffer(data, np.uint8))
    result: bytes = client.infer("efgan_photo", [given], parameters=parameters).as_numpy("edited")
    return np.asarray(result).tobytes()


def test_what_a_request_asks_for_wrongly_is_said(engines: Path) -> None:
    sentence = "intensity: found 'much', expected a number, 0 to 2"
    with (
        Editor.open(engines, "onnxruntime", crops=True) as editor,
        pytest.raises(EfganError, match=sentence),
    ):
        edited_file(editor, b"", {"expression": "happy", "intensity": "much"})


def test_a_model_that_is_there_already_is_left_alone(engines: Path, repository: Path) -> None:
    with pytest.raises(EfganError, match="efgan: is there already; remove it, or choose another"):
        export_triton(engines, repository)


def test_networks_of_several_opsets_are_refused(engines: Path, tmp_path: Path) -> None:
    write_toy_engines(tmp_path)
    path = tmp_path / "stage_2.onnx"
    model = onnx.load(path)
    model.opset_import[0].version = 19
    path.write_bytes(model.SerializeToString())
    manifest = EngineDirectory(tmp_path).manifest
    entry = manifest.networks["stage_2"]
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    entry = replace(entry, sha256=digest, bytes=path.stat().st_size)
    replace(manifest, networks={**manifest.networks, "stage_2": entry}).write(tmp_path)
    with pytest.raises(EfganError, match="its networks are of opsets 20 and 19, expected one"):
        merged_network(EngineDirectory(tmp_path))


def test_the_command_says_what_it_wrote(
    engines: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(sys, "argv", ["efgan-rt", "export-triton", str(engines), str(tmp_path)])
    with pytest.raises(SystemExit) as exit_:
        main()
    assert exit_.value.code == 0
    said = capsys.readouterr().out
    assert (
        f"{tmp_path / 'efgan'}: pixels, target_scale, target_offset, progress -> pixels_out" in said
    )
