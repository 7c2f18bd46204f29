"""Whoever edits with a set that moves faces has them put in on the GPU: editor, page and videos."""

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.editing import OpenedSet
from efgan_rt.editor import Editor
from efgan_rt.engine_sets import shipped_set
from efgan_rt.expressions import target_for
from efgan_rt.faces.detect import YuNet
from efgan_rt.faces.detector_facts import sha256_of
from efgan_rt.faces.framing import FaceChoice, FaceFramer
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.video.edit import edit_frames, find_faces
from tests.efgan_rt.device_sets import on_device
from tests.engines.fake_cuda import FakeCuda, FakeKernel

pytestmark = pytest.mark.usefixtures("c_compiler")


@pytest.fixture(scope="module")
def photograph(repository: Path) -> Picture:
    canvas = np.full((420, 430, 3), (150, 150, 140), np.uint8)
    face = sorted((repository / "examples/faces").glob("*.jpg"))[0]
    canvas[100:360, 90:350] = cv2.resize(read_picture(face), (260, 260))
    return canvas


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> OpenedSet:
    return on_device(FakeCuda(), monkeypatch, pytest.fail)


@pytest.fixture
def pasted(opened: OpenedSet, monkeypatch: pytest.MonkeyPatch) -> Iterator[list[int]]:
    """How many pixels each paste on the device had; the set's own proofs are over."""
    counts: list[int] = []
    launch = FakeKernel.launch

    def counted(self: FakeKernel, stream: Any, count: int, reads: Any, writes: Any) -> None:
        if self._name == "motion_paste":
            counts.append(count)
        launch(self, stream, count, reads, writes)

    monkeypatch.setattr(FakeKernel, "launch", counted)
    yield counts


def framer_for(opened: OpenedSet, yunet_file: Path) -> FaceFramer:
    yunet = YuNet(yunet_file, sha256_of(yunet_file))
    choice = FaceChoice(crops=False)
    return FaceFramer(yunet, opened.template, choice, crop_px=opened.crop_px)


def on_host() -> OpenedSet:
    shipped = shipped_set()
    assert shipped is not None
    return OpenedSet.open(shipped, backend="onnxruntime", batch=1)


def assert_alike(found: Picture, expected: Picture, before: Picture) -> None:
    assert (expected != before).mean() > 0.02
    apart = np.abs(found.astype(np.int32) - expected)
    print(f"at most {apart.max()} levels apart, {apart.mean():.2e} on average")
    # The paste's own tolerance: 2 levels, but where a place lies on the edge between two parts.
    assert (apart > 2).mean() < 0.001


def test_the_editor_and_the_page_put_moved_faces_in_there(
    opened: OpenedSet, pasted: list[int], photograph: Picture, yunet_file: Path
) -> None:
    with (
        closing(Editor(opened, framer_for(opened, yunet_file))) as there,
        closing(Editor(on_host(), framer_for(opened, yunet_file))) as here,
    ):
        assert_alike(there.edit(photograph, "happy"), here.edit(photograph, "happy"), photograph)
        assert len(pasted) == 1
        # What the page does: a picture prepared once, its views and the steps of its unfolding.
        target = target_for(opened.expressions, opened.au_names, expression="happy", au=None)
        prepared, plain = (each.prepare(photograph) for each in (there, here))
        assert_alike(prepared.edited([target]), plain.edited([target]), photograph)
        assert_alike(
            prepared.edited_view([target], 0.5), plain.edited_view([target], 0.5), plain.view(0.5)
        )
        assert len(pasted) == 3
        last = list(prepared.unfolding([target], 2, probes=2))[-1]
        assert_alike(last, plain.edited([target]), photograph)
        assert len(pasted) == 4


def test_frames_of_a_video_have_moved_faces_put_in_there(
    opened: OpenedSet, pasted: list[int], photograph: Picture, yunet_file: Path
) -> None:
    host = on_host()
    target = target_for(opened.expressions, opened.au_names, expression="happy", au=None)
    made = []
    for each in (opened, host):
        with closing(each.lane()) as lane:
            found = find_faces(
                iter([photograph] * 3),
                lambda: framer_for(opened, yunet_file),
                lane,
                batch=1,
                fps=25,
                workers=1,
            )
            frames = edit_frames(
                (photograph.copy() for _ in range(3)),
                found,
                framer_for(opened, yunet_file),
                lane,
                target,
                batch=1,
                crop_px=each.crop_px,
                fps=25,
                move=each.move,
            )
            made.append(list(frames))
    assert len(pasted) == 3
    for there, here in zip(*made, strict=True):
        assert_alike(there, here, photograph)
