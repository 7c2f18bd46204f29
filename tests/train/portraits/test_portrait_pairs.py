"""A set of pairs from a folder of pictures: what is left out and why, and going on later."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from tests.toy_face_model import landmarks_of, toy_face, toy_model
from train.families.cascade.motion.pairs_set import PairSet
from train.families.cascade.motion.training import load_folds
from train.portraits.folds import FOLDS_PX
from train.portraits.landmarks import Found, open_landmarker
from train.portraits.portrait_pairs import (
    ATLAS,
    ChunkMaker,
    ChunkRecord,
    PairSettings,
    begin,
    record_file,
    records,
    settings_of,
    write_atlas,
    write_folds,
)

OPEN = {"AU05": 5.0, "AU25": 3.0, "AU26": 4.0}
SCRAMBLED, NO_FACE = 253, 254


def write_faces(root: Path) -> None:
    """Toy portraits that say by their first pixel who they are, and pictures that are no use."""
    root.mkdir()
    for number, side in enumerate((300, 300, 300, 120)):
        picture = toy_face(side, OPEN if number == 0 else {}).picture
        picture[0, 0] = number
        cv2.imwrite(str(root / f"{number}.png"), picture[..., ::-1])
    for name, mark in (("scrambled", SCRAMBLED), ("sky", NO_FACE)):
        picture = np.full((300, 300, 3), 90, np.uint8)
        picture[0, 0] = mark
        cv2.imwrite(str(root / f"{name}.png"), picture)
    (root / "torn.png").write_bytes(b"no picture at all")


def find(picture: np.ndarray) -> Found | None:
    """A landmarker that knows the toy portraits."""
    mark = int(picture[0, 0, 0])
    if mark == NO_FACE:
        return None
    fit = toy_face(len(picture), OPEN if mark == 0 else {}).fit
    landmarks = landmarks_of(fit)
    if mark == SCRAMBLED:
        landmarks[2:30] = landmarks[2:30][::-1]
        landmarks += np.random.default_rng(0).normal(0, 12, landmarks.shape)
    shapes = zip(toy_model().names, fit.expression, strict=True)
    return landmarks, {n.replace("_L", "Left").replace("_R", "Right"): v for n, v in shapes}


Making = Callable[..., tuple[ChunkMaker, PairSettings]]


@pytest.fixture
def making(tmp_path: Path) -> Making:
    root = tmp_path / "in"
    write_faces(root)
    names = sorted(path.name for path in root.iterdir())
    landmarker = tmp_path / "some.task"
    landmarker.write_bytes(b"of this content")

    def make(pairs: int = 2, held_out: tuple[str, ...] = ()) -> tuple[ChunkMaker, PairSettings]:
        model = toy_model()
        settings = settings_of(
            names, model, landmarker, pairs=pairs, smallest_px=192, held_out=held_out
        )
        maker = ChunkMaker(root, names, tmp_path / "out", settings, model, find, 10**6)
        return maker, settings

    return make


def test_a_folder_becomes_pairs_and_says_what_was_left_out(making: Making, tmp_path: Path) -> None:
    out = tmp_path / "out"
    maker, settings = making()
    assert begin(out, settings, overwrite=False) == [0]
    record = maker.make(0)
    assert (record.train, record.test) == (["0.png", "2.png"], ["1.png"])
    assert list(record.left_out) == ["3.png", "scrambled.png", "sky.png", "torn.png"]
    small, scrambled, sky, torn = record.left_out.values()
    assert small.startswith("the face is too small: its crop has 1")
    assert small.endswith(" pixels of its own, expected 192 or more")
    assert scrambled.startswith("the face model does not fit: ")
    assert scrambled.endswith(" cm off, expected 0.35 or less")
    assert sky == "no face was found"
    assert torn.startswith("not a picture")
    assert len(PairSet([out / "train_00000"])) == 4 and len(PairSet([out / "test_00000"])) == 2
    assert (out / "train_00000" / "done").exists() and (out / "test_00000" / "done").exists()
    assert not list(out.rglob("*.part"))


def test_a_chunk_that_is_done_is_not_made_again_and_one_that_was_stopped_is(
    making: Making, tmp_path: Path
) -> None:
    out = tmp_path / "out"
    maker, settings = making(pairs=1)
    begin(out, settings, overwrite=False)
    record = maker.make(0)
    assert begin(out, settings, overwrite=False) == []
    assert records(out, settings) == [record]
    first = np.load(out / "train_00000" / "source.npy")
    record_file(out, 0).unlink()  # as if it had been stopped just before
    shutil.copytree(out / "train_00000", out / ".train_00000.part")
    (out / "train_00000" / "shade.npy").write_bytes(b"torn")
    assert begin(out, settings, overwrite=False) == [0]
    maker.make(0)
    assert np.array_equal(np.load(out / "train_00000" / "source.npy"), first)
    assert len(PairSet([out / "train_00000"])) == 2
    assert not list(out.glob(".*"))


@pytest.mark.parametrize(("pictures", "chunks"), [(1, 1), (17, 2), (16_000, 1000), (70_001, 986)])
def test_chunks_are_small_and_never_more_than_a_training_can_hold_open(
    tmp_path: Path, pictures: int, chunks: int
) -> None:
    landmarker = tmp_path / "some.task"
    landmarker.write_bytes(b"")
    names = ["a"] * pictures
    settings = settings_of(names, toy_model(), landmarker, pairs=1, smallest_px=1, held_out=())
    assert settings.chunks == chunks


def test_patterns_say_which_pictures_are_for_testing(making: Making, tmp_path: Path) -> None:
    maker, settings = making(pairs=1, held_out=("[02]*",))
    begin(tmp_path / "out", settings, overwrite=False)
    record = maker.make(0)
    assert (record.train, record.test) == (["1.png"], ["0.png", "2.png"])


def test_open_mouths_of_training_portraits_become_an_atlas(making: Making, tmp_path: Path) -> None:
    maker, settings = making(pairs=1)
    begin(tmp_path / "out", settings, overwrite=False)
    assert write_atlas(tmp_path / "out", toy_model()) == 0
    maker.make(0)
    assert write_atlas(tmp_path / "out", toy_model()) == 1
    with np.load(tmp_path / "out" / ATLAS) as arrays:
        assert arrays["pixels"].shape == (1, 192, 160, 3)  # a mouth and both eyes
        assert arrays["gap_of_units"].shape == (17,)
        assert arrays["skin"].shape == (1, 3) and arrays["smile"].shape == (1,)
        assert arrays["gap"][0] > 0.08


def test_a_set_goes_on_only_with_its_own_settings(making: Making, tmp_path: Path) -> None:
    out = tmp_path / "out"
    _, settings = making(pairs=1)
    begin(out, settings, overwrite=False)
    for changes, message in (
        ({"pairs": 3}, "this set was begun with pairs 1, now it is 3; choose another --out"),
        ({"names": "0"}, "this set was begun with other pictures;"),
        ({"face_model": "0"}, "this set was begun with another face model;"),
        ({"landmarker": "0"}, "this set was begun with another landmarker;"),
    ):
        other = PairSettings(**({**settings.__dict__, **changes}))
        with pytest.raises(EfganError, match=message):
            begin(out, other, overwrite=False)
    (out / "train_00000").mkdir()
    other = PairSettings(**{**settings.__dict__, "pairs": 3})
    assert begin(out, other, overwrite=True) == [0]
    assert not (out / "train_00000").exists()


def test_a_folder_of_something_else_is_left_alone(making: Making, tmp_path: Path) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "mine.txt").write_text("keep")
    _, settings = making()
    for overwrite in (False, True):
        with pytest.raises(EfganError, match="out: holds files, and no set of pairs; choose"):
            begin(out, settings, overwrite=overwrite)
    assert (out / "mine.txt").read_text() == "keep"


@pytest.mark.parametrize("text", ["{", "[]"])
def test_settings_that_cannot_be_read_are_named(making: Making, tmp_path: Path, text: str) -> None:
    out = tmp_path / "out"
    out.mkdir()
    (out / "pairs.json").write_text(text)
    with pytest.raises(EfganError, match=r"pairs.json: not the settings of a set of pairs"):
        begin(out, making()[1], overwrite=False)


def test_a_record_that_cannot_be_read_is_named(making: Making, tmp_path: Path) -> None:
    _, settings = making()
    begin(tmp_path / "out", settings, overwrite=False)
    record_file(tmp_path / "out", 0).write_text(json.dumps({"other": 1}))
    with pytest.raises(EfganError, match=r"00000.json: not the record of a chunk"):
        records(tmp_path / "out", settings)
    assert ChunkRecord().left_out == {}


def test_without_mediapipe_the_lines_that_install_it_are_given(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "mediapipe", None)
    with pytest.raises(EfganError) as told:
        open_landmarker(tmp_path / "face_landmarker.task")
    assert 'landmarks need MediaPipe: pip install "efgan-rt[portraits]", then' in str(told.value)
    assert "--force-reinstall --no-deps 'opencv-python-headless<5'" in str(told.value)


def test_a_landmarker_that_is_missing_or_something_else_is_named(tmp_path: Path) -> None:
    pytest.importorskip("mediapipe", reason='no MediaPipe: pip install "efgan-rt[portraits]"')
    path = tmp_path / "face_landmarker.task"
    with pytest.raises(EfganError, match="no such landmarker; expected MediaPipe's face_landm"):
        open_landmarker(path)
    path.write_bytes(b"something else")
    with pytest.raises(EfganError, match=r"not MediaPipe's face_landmarker.task, whose scores"):
        open_landmarker(path)


def test_a_set_has_pictures_of_folds(tmp_path: Path) -> None:
    write_folds(tmp_path, toy_model())
    assert load_folds(tmp_path).shape == (len(AU_NAMES), FOLDS_PX, FOLDS_PX)
    (tmp_path / "folds.npy").write_bytes(b"torn")
    with pytest.raises(EfganError, match=r"folds\.npy: no pictures of folds: "):
        load_folds(tmp_path)
