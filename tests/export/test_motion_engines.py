"""A cascade with motion, exported: files against PyTorch, lanes, faults of its mouths."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
import torch

from efgan_rt import editing
from efgan_rt.editing import OpenedSet, device_lane
from efgan_rt.expressions import target_for, target_places
from efgan_rt.faces.device_paste import DevicePaste
from efgan_rt.faces.motion import FIELDS
from efgan_rt.faces.motion_paste import MotionPaste
from efgan_rt.families.cascade import CASCADE, MOUTHS_FILE
from efgan_rt.families.registry import read_properties
from efgan_rt.lane import Edited
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.files import Plan, asked_of_all
from efgan_rt.pipeline.journal import Journal
from efgan_rt.shots import stills
from engines.arrays import FloatArray
from engines.base import EngineError
from engines.choice import BackendChoice
from engines.directory import EngineDirectory
from engines.manifest import read_manifest
from export.build import build_engines
from tests.engines.fake_cuda import FakeCuda, FakeKernel
from tests.engines.host_engine import HostEngine
from tests.motion_models import CROP_PX, smooth_faces, write_motion_checkpoint
from train.families.cascade.motion.cascade import MotionCascade
from train.families.registry import load_checkpoint
from train.pixels import to_bytes, to_unit_range


@pytest.fixture(scope="module")
def motion_engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("motion")
    checkpoint = write_motion_checkpoint(folder / "motion.safetensors")
    build_engines(checkpoint, folder / "engines", weights="fp16", faces=smooth_faces(2))
    return folder / "engines"


@pytest.fixture
def opened(motion_engines: Path) -> Iterator[OpenedSet]:
    yield OpenedSet.open(motion_engines, backend="onnxruntime", batch=2)


def asked(cascade: OpenedSet, expression: str = "surprised") -> dict[str, FloatArray]:
    target = target_for(cascade.expressions, cascade.au_names, expression=expression, au=None)
    return target_places(target.scale, target.offset)


def test_a_lane_gives_what_pytorch_gives(opened: OpenedSet, motion_engines: Path) -> None:
    faces = smooth_faces(3)
    edited = opened.edit(faces, asked(opened), stages=True)
    stored = load_checkpoint(motion_engines.parent / "motion.safetensors")
    cascade = stored.build().cascade
    assert isinstance(cascade, MotionCascade)
    with torch.no_grad():
        target = torch.tensor([[4.0, 0.0, 3.0]]).expand(3, -1)
        made, totals = cascade(
            to_unit_range(torch.from_numpy(faces)), torch.from_numpy(edited.source_au), target
        )
    difference = np.abs(to_bytes(made[-1]).numpy().astype(int) - edited.pixels)
    assert difference.max() <= 1, (difference.max(), difference.mean())
    assert edited.motion is not None
    moved = totals[-1].displacement.permute(0, 2, 3, 1).numpy()
    assert np.abs(moved).max() > 0.5, "the toy is to move"
    # Half of the last place of a float16 at the largest displacement.
    np.testing.assert_allclose(edited.motion.fields[..., :2], moved, atol=0.02)
    assert (edited.motion.choices == cascade.mouth_choice(target).numpy()).all()


def test_fields_of_every_stage_are_there_where_stages_are_asked_for(opened: OpenedSet) -> None:
    edited = opened.edit(smooth_faces(3), asked(opened), stages=True)
    assert [each.fields.shape for each in edited.stage_motion] == [
        (3, CROP_PX // 2, CROP_PX // 2, FIELDS)
    ] * 2
    assert edited.motion is not None
    np.testing.assert_array_equal(edited.motion.fields, edited.stage_motion[-1].fields)
    assert opened.edit(smooth_faces(1), asked(opened)).stage_motion == ()


def test_a_batch_gives_each_face_what_it_gets_alone(opened: OpenedSet) -> None:
    faces = smooth_faces(2)
    together = opened.edit(faces, asked(opened)).motion
    alone = opened.edit(faces[1:], asked(opened)).motion
    assert together is not None and alone is not None
    np.testing.assert_array_equal(together.fields[1], alone.fields[0])


def test_no_way_to_go_is_no_movement_by_the_choice_of_progress(opened: OpenedSet) -> None:
    edited = opened.edit(smooth_faces(1), asked(opened), progress=np.zeros(2, np.float32))
    again = opened.edit(
        smooth_faces(1), target_places(np.ones(3, np.float32), np.zeros(3, np.float32))
    )
    np.testing.assert_array_equal(edited.pixels, again.pixels)


def test_a_lane_on_a_device_equals_one_on_the_processor(motion_engines: Path) -> None:
    manifest = read_manifest(motion_engines)
    properties = read_properties(EngineDirectory(motion_engines, manifest))
    cuda = FakeCuda()
    engines = {
        name: HostEngine((motion_engines / entry.file).read_bytes(), entry, batch=2, cuda=cuda)
        for name, entry in manifest.networks.items()
    }
    lane = device_lane(cuda, engines, CASCADE, properties, 2)
    host = OpenedSet.open(motion_engines, backend="onnxruntime", batch=2)
    goal = {place: np.tile(row, (2, 1)) for place, row in asked(host).items()}
    for seed in (0, 1):
        faces = smooth_faces(2, seed)
        on_device: Edited = lane.run(faces, goal, stages=True)
        on_host = host.edit(faces, goal, stages=True)
        np.testing.assert_array_equal(on_device.pixels, on_host.pixels)
        for one, other in zip(on_device.stage_motion, on_host.stage_motion, strict=True):
            np.testing.assert_array_equal(one.fields, other.fields)
            np.testing.assert_array_equal(one.choices, other.choices)
    lane.close()


def test_mouths_that_are_not_the_recorded_ones_are_refused(
    motion_engines: Path, tmp_path: Path
) -> None:
    folder = tmp_path / "engines"
    folder.mkdir()
    for file in motion_engines.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    (folder / MOUTHS_FILE).write_bytes((folder / MOUTHS_FILE).read_bytes() + b"x")
    with pytest.raises(EngineError, match=f"{MOUTHS_FILE}: [0-9]+ bytes found, [0-9]+ expected"):
        read_properties(EngineDirectory(folder))
    (folder / MOUTHS_FILE).unlink()
    with pytest.raises(
        EngineError, match=f"{MOUTHS_FILE}: the file is missing, though the manifest names it"
    ):
        read_properties(EngineDirectory(folder))


def test_the_manifest_says_that_the_set_moves(motion_engines: Path) -> None:
    properties = json.loads((motion_engines / "manifest.json").read_text())["properties"]
    assert properties["motion"] is True
    assert properties["mouths"]["count"] == 3


def test_on_a_gpu_moved_faces_are_put_into_their_pictures_there(
    opened: OpenedSet, motion_engines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = tmp_path / "in"
    source.mkdir()
    for number, face in enumerate(smooth_faces(3)):
        large = cv2.resize(face, (150 + 40 * number,) * 2, interpolation=cv2.INTER_CUBIC)
        cv2.imwrite(str(source / f"{number}.png"), large)
    cuda = FakeCuda(marks_in_graphs=True)

    def open_host_engine(folder: EngineDirectory, network: str, *_: object, **more: Any) -> Any:
        entry = folder.manifest.network(network)
        return HostEngine(folder.model(network), entry, batch=more["batch"], cuda=cuda)

    monkeypatch.setattr(editing, "open_cuda", lambda: cuda)
    monkeypatch.setattr(editing, "open_device_engine", open_host_engine)
    choice = BackendChoice("tensorrt", "fp32", "TensorRT, as asked for")
    on_device = OpenedSet.open(motion_engines, choice=choice, batch=2, say=pytest.fail)
    assert isinstance(on_device.move, DevicePaste)
    assert opened.move is MotionPaste.into_region
    pasted: list[int] = []
    launch = FakeKernel.launch

    def counted(self: FakeKernel, stream: Any, count: int, reads: Any, writes: Any) -> None:
        pasted.append(count)
        launch(self, stream, count, reads, writes)

    monkeypatch.setattr(FakeKernel, "launch", counted)
    written = {}
    for name, cascade in (("device", on_device), ("processor", opened)):
        target = target_for(cascade.expressions, cascade.au_names, expression="surprised", au=None)
        lanes = [cascade.lane() for _ in range(cascade.lanes)]
        plan = Plan(source, tmp_path / name, stills(""))
        with Journal(plan.output) as journal:
            outcome = run_batch(
                asked_of_all(plan.jobs(), [target], [b""]),
                lanes,
                batch=2,
                journal=journal,
                crop_px=CROP_PX,
                move=cascade.move,
            )
        assert outcome.written == 3
        for lane in lanes:
            lane.close()
        written[name] = pixels_in(tmp_path / name)
    assert sorted(pasted) == [150**2, 190**2, 230**2]
    for left, right, before in zip(*written.values(), pixels_in(source), strict=True):
        assert (right != before).mean() > 0.1
        assert np.abs(left - right).max() <= 2, np.abs(left - right).mean()
    on_device.move.close()
    assert on_device.canvases is not None
    on_device.canvases.close()
    on_device.canvases.pictures.close()
    assert cuda.free_bytes() == cuda.facts.total_bytes


def pixels_in(folder: Path) -> list[np.ndarray]:
    files = sorted(folder.glob("*.png"))
    return [np.asarray(cv2.imread(str(file)), np.int32) for file in files]


def test_a_gpu_without_a_compiler_leaves_the_paste_to_the_processor_and_says_so(
    motion_engines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda, said = FakeCuda(), list[str]()

    def no_kernel(*_: object) -> None:
        raise EngineError("CUDA's runtime compiler cannot be loaded")

    monkeypatch.setattr(cuda, "kernel", no_kernel)
    monkeypatch.setattr(editing, "open_cuda", lambda: cuda)
    monkeypatch.setattr(editing, "open_device_engine", lambda *_, **__: None)
    choice = BackendChoice("tensorrt", "fp32", "")
    on_device = OpenedSet.open(motion_engines, choice=choice, batch=2, say=said.append)
    assert on_device.move is MotionPaste.into_region
    assert said == [
        "moved faces are put into their pictures by the processor: CUDA's runtime compiler cannot "
        "be loaded"
    ]
