"""`Editor`: what is given decides what comes back, and what a caller can mend is an EfganError."""

import re
import subprocess
import sys
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt import Editor, EfganError
from efgan_rt.faces.align import Similarity, warp
from efgan_rt.pictures.mark import is_marked
from efgan_rt.pictures.original import Density, Metadata, Original, Picture
from efgan_rt.pictures.read import read_original, read_picture
from efgan_rt.pictures.write import write_original, write_picture
from tests.efgan_rt.conftest import CommandResult


@pytest.fixture
def crops(toy_engines: Path) -> Iterator[Editor]:
    """An editor of toy networks that takes every picture for a crop."""
    with Editor.open(toy_engines, backend="onnxruntime", crops=True) as editor:
        yield editor


@pytest.fixture(scope="module")
def group(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A photograph of two rendered people, one large and turned, one smaller."""
    files = sorted((repository / "examples" / "faces").glob("*.jpg"))
    picture = np.full((480, 720, 3), 128, np.uint8)
    for file, place in (
        (files[0], Similarity(2.4 * np.exp(0.2j), 90 + 40j)),
        (files[1], Similarity(1.5, 480 + 200j)),
    ):
        face = read_picture(file)
        layer = warp(face, place, 720, 480)
        inside = warp(np.full((128, 128), 255, np.uint8), place, 720, 480)
        rows, columns = np.mgrid[:480, :720]
        back = place.inverse.apply(np.stack([columns.ravel(), rows.ravel()], 1).astype(np.float32))
        shown = ((back > 0) & (back < 127)).all(axis=1).reshape(480, 720)
        picture[shown & (inside > 0)] = layer[shown & (inside > 0)]
    path = tmp_path_factory.mktemp("photographs") / "group.jpg"
    write_picture(path, picture)
    return path


def test_an_array_gives_an_array_of_its_type_and_shape(
    crops: Editor, make_picture: Callable[..., Picture]
) -> None:
    colour = make_picture(90, 120)
    for given in (
        colour,
        colour[..., 0],
        colour.astype(np.uint16) * 257,
        colour[..., 1].astype(np.uint16) * 257,
        colour[:, ::-1, ::-1],
    ):
        before = given.copy()
        result = crops.edit(given, "happy")
        assert result.dtype == given.dtype and result.shape == given.shape
        assert np.array_equal(given, before) and not np.array_equal(result, before)


def test_a_path_gives_the_array_of_its_picture_and_a_list_a_list(
    crops: Editor, make_picture: Callable[..., Picture], tmp_path: Path
) -> None:
    picture = make_picture(60, 60)
    write_picture(tmp_path / "a.png", picture)
    expected = crops.edit(picture, "happy")
    assert np.array_equal(crops.edit(tmp_path / "a.png", "happy"), expected)
    assert np.array_equal(crops.edit(str(tmp_path / "a.png"), "happy"), expected)
    several = crops.edit([picture, make_picture(70, 50, seed=3)], "happy")
    assert np.array_equal(several[0], expected) and several[1].shape == (70, 50, 3)
    assert crops.edit([], "happy") == []
    assert len(crops.edit((tmp_path / "a.png",), "happy")) == 1


def test_a_picture_stored_lying_is_edited_upright(
    crops: Editor, make_picture: Callable[..., Picture], tmp_path: Path
) -> None:
    from tests.efgan_rt.pictures.test_kept_metadata import camera_exif

    write_original(
        tmp_path / "a.jpg", Original(make_picture(60, 90), metadata=Metadata(camera_exif(6)))
    )
    assert crops.edit(tmp_path / "a.jpg", "happy").shape == (90, 60, 3)


def test_batches_do_not_change_what_comes_out(
    toy_engines: Path, crops: Editor, make_picture: Callable[..., Picture]
) -> None:
    pictures = [make_picture(40, 40, seed=n) for n in range(5)]
    with Editor.open(toy_engines, "onnxruntime", batch=4, crops=True) as editor:
        for one, other in zip(
            crops.edit(pictures, "happy"), editor.edit(pictures, "happy"), strict=True
        ):
            assert abs(one.astype(int) - other).max() <= 1


def test_units_by_name_by_text_and_of_a_face_mean_the_same(
    crops: Editor, make_picture: Callable[..., Picture]
) -> None:
    picture = make_picture(50, 50)
    by_text = crops.edit(picture, au="AU01=0,AU12=4.5,AU45=0")
    assert np.array_equal(crops.edit(picture, au={"AU01": 0, "AU12": 4.5, "AU45": 0}), by_text)
    assert np.array_equal(crops.edit(picture, towards=[0, 4.5, 0]), by_text)
    assert np.array_equal(crops.edit(picture, "happy"), by_text)
    assert not np.array_equal(crops.edit(picture, "happy", 0.5), by_text)


def test_action_units_have_a_row_for_each_face(
    crops: Editor, make_picture: Callable[..., Picture]
) -> None:
    picture = make_picture(50, 50)
    units = crops.action_units(picture)
    assert units.shape == (1, 3) and units.dtype == np.float32
    one, two = crops.action_units([picture, picture])
    assert np.array_equal(one, units) and np.array_equal(two, units)


def test_a_crop_is_its_own_face(crops: Editor, make_picture: Callable[..., Picture]) -> None:
    (face,) = crops.faces(make_picture(90, 120))
    assert (face.left, face.top, face.width, face.height) == (15, 0, 90, 90)
    assert face.score is None and face.points is None


def test_a_saved_picture_has_what_its_source_had_and_the_mark(
    crops: Editor, make_picture: Callable[..., Picture], tmp_path: Path
) -> None:
    source = tmp_path / "a.png"
    alpha = make_picture(60, 60, seed=4)[..., 0]
    metadata = Metadata(density=Density(300, 300, "inch"))
    write_original(source, Original(make_picture(60, 60), alpha, metadata))
    edited = crops.edit(source, "happy")
    crops.save(tmp_path / "b.png", edited, source=source)
    found = read_original(tmp_path / "b.png")
    assert np.array_equal(found.pixels, edited) and found.alpha is not None
    assert np.array_equal(found.alpha, alpha) and is_marked(found.metadata)
    assert found.metadata.density is not None
    crops.save(tmp_path / "c.jpg", edited, quality=80)
    assert is_marked(read_original(tmp_path / "c.jpg").metadata)


def test_without_the_mark_nothing_is_added(
    toy_engines: Path, make_picture: Callable[..., Picture], tmp_path: Path
) -> None:
    with Editor.open(toy_engines, "onnxruntime", crops=True, mark=False) as editor:
        editor.save(tmp_path / "c.jpg", make_picture(60, 60))
    assert not is_marked(read_original(tmp_path / "c.jpg").metadata)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (np.zeros((4, 4, 3)), "found an array of 4 x 4 x 3 float64, expected uint8 or uint16"),
        (np.zeros((4, 4, 4), np.uint8), "4 x 4 x 4 uint8, expected"),
        (np.zeros((0, 4, 3), np.uint8), "0 x 4 x 3 uint8, expected"),
        (3, "found int, expected an array or the path of a picture"),
        ([np.zeros((9, 9, 3), np.uint8), None], "picture 1: found NoneType"),
        ("no-such-file.png", "no-such-file.png: cannot be read"),
    ],
)
def test_what_is_no_picture_is_refused(crops: Editor, given: object, message: str) -> None:
    with pytest.raises(EfganError, match=re.escape(message)):
        crops.edit(given, "happy")  # type: ignore[call-overload]


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({}, "nothing is asked for; expected an expression (happy, blink), action units (au)"),
        ({"expression": "hapy"}, "did you mean happy?"),
        ({"expression": "happy", "intensity": 3}, "intensity 3 is out of range"),
        ({"au": "AU12"}, "'AU12' is not an action unit's value"),
        ({"au": {"AU12": 7}}, "'7' in 'AU12=7' is not a number from 0 to 5"),
        ({"towards": [1, 2]}, "towards: expected 3 action units from 0 to 5"),
        ({"towards": ["a", 1, 2]}, "towards: expected 3 action units from 0 to 5"),
        ({"towards": [1, 2, np.nan]}, "towards: expected 3 action units from 0 to 5"),
        ({"expression": "happy", "towards": [1, 2, 3]}, "expected one of them"),
        ({"expression": "happy", "no_face": "skip"}, "expected 'fail' or 'copy'"),
    ],
)
def test_what_cannot_be_made_is_refused(
    crops: Editor, asked: dict[str, object], message: str, make_picture: Callable[..., Picture]
) -> None:
    with pytest.raises(EfganError, match=re.escape(message)):
        crops.edit(make_picture(20, 20), **asked)  # type: ignore[call-overload]


def test_what_cannot_be_saved_is_refused(
    crops: Editor, make_picture: Callable[..., Picture], tmp_path: Path
) -> None:
    write_picture(tmp_path / "a.png", make_picture(20, 30))
    with pytest.raises(EfganError, match=r"20 x 20 x 3 uint8, its source .*20 x 30 x 3 uint8"):
        crops.save(tmp_path / "b.png", make_picture(20, 20), source=tmp_path / "a.png")
    with pytest.raises(EfganError, match="quality: found 0, expected 1 to 100"):
        crops.save(tmp_path / "b.png", make_picture(20, 20), quality=0)
    with pytest.raises(EfganError, match="names no picture format"):
        crops.save(tmp_path / "b.xyz", make_picture(20, 20))


def test_what_cannot_be_opened_is_an_efgan_error(tmp_path: Path, toy_engines: Path) -> None:
    with pytest.raises(EfganError, match="no engine directory"):
        Editor.open(tmp_path)
    with pytest.raises(EfganError, match="batch: found 0, expected 1 or more"):
        Editor.open(toy_engines, batch=0)
    with pytest.raises(EfganError, match="expected 'all', 'largest' or a number"):
        Editor.open(toy_engines, faces="both")
    (tmp_path / "manifest.json").write_text("{}")
    with pytest.raises(EfganError):  # of the engines' own floor
        Editor.open(tmp_path, "onnxruntime")


def test_a_closed_editor_says_so(toy_engines: Path, make_picture: Callable[..., Picture]) -> None:
    editor = Editor.open(toy_engines, "onnxruntime", crops=True)
    editor.close()
    editor.close()
    with pytest.raises(EfganError, match="the editor is closed; open another one"):
        editor.edit(make_picture(20, 20), "happy")


def test_that_the_cascade_finds_the_faces_is_said(toy_engines: Path) -> None:
    with pytest.warns(UserWarning, match=r"faces are found by OpenCV's Haar cascade"):
        Editor.open(toy_engines, "onnxruntime", detector="haar").close()
    said: list[str] = []
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        Editor.open(toy_engines, "onnxruntime", detector="haar", say=said.append).close()
    assert len(said) == 1


def test_a_picture_without_a_face_fails_or_comes_back(
    toy_engines: Path, yunet_file: Path, make_picture: Callable[..., Picture], tmp_path: Path
) -> None:
    write_picture(tmp_path / "sky.png", make_picture(200, 300))
    said: list[str] = []
    with Editor.open(toy_engines, "onnxruntime", detector=yunet_file, say=said.append) as editor:
        with pytest.raises(EfganError, match=r"sky\.png: no face was found; crops=True takes"):
            editor.edit(tmp_path / "sky.png", "happy")
        with pytest.raises(EfganError, match=r"^picture 1: no face was found"):
            editor.edit([make_picture(20, 20), make_picture(200, 300)], "happy")
        assert np.array_equal(
            editor.edit(make_picture(200, 300), "happy", no_face="copy"), make_picture(200, 300)
        )
        assert editor.action_units(make_picture(200, 300)).shape == (0, 3)
        assert editor.faces(make_picture(200, 300)) == ()
    assert said == ["the engine set has no alignment template; faces are framed by a standard one"]


def test_every_face_of_a_photograph_is_edited_and_nothing_else(
    group: Path, yunet_file: Path
) -> None:
    picture = read_picture(group)
    with Editor.open(detector=yunet_file, say=lambda _: None) as editor:
        faces = editor.faces(picture)
        happy = editor.edit(picture, "happy")
        units = editor.action_units(picture)
    assert len(faces) == 2 and units.shape == (2, 17)
    changed = np.abs(happy.astype(int) - picture).max(axis=-1) > 8
    for face in faces:
        box = (
            slice(int(face.top), int(face.top + face.height)),
            slice(int(face.left), int(face.left + face.width)),
        )
        assert changed[box].mean() > 0.03
    assert not changed[:, 420:470].any() and not changed[:20].any()


def test_an_editor_gives_what_a_batch_gives(
    group: Path, yunet_file: Path, tmp_path: Path, cli: Callable[..., CommandResult]
) -> None:
    (tmp_path / "in").mkdir()
    (tmp_path / "in" / "group.png").write_bytes(b"")
    write_picture(tmp_path / "in" / "group.png", read_picture(group))
    options = ("-e", "happy", "--detector", yunet_file, "--backend", "openvino")
    done = cli(
        "batch", tmp_path / "in", tmp_path / "out", *options, "--precision", "fp32",
        "--batch-size", "1",
    )  # fmt: skip
    assert done.status == 0, done.err
    with Editor.open(
        None, "openvino", precision="fp32", detector=yunet_file, say=lambda _: None
    ) as editor:
        edited = editor.edit(tmp_path / "in" / "group.png", "happy")
    written = read_picture(tmp_path / "out" / "group.png")
    assert np.abs(edited.astype(int) - written).max() <= 1


def test_every_example_of_the_page_runs(
    repository: Path, group: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    page = (repository / "docs" / "python.md").read_text()
    examples = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    assert len(examples) >= 6
    (tmp_path / "group.jpg").write_bytes(group.read_bytes())
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # without YuNet's file the cascade is taken, and it is said
        for example in examples:
            exec(compile(example, "docs/python.md", "exec"), names)
    for name in ("group-happy.jpg", "group-angry.png"):
        assert is_marked(read_original(tmp_path / name).metadata)
    happy = names["happy"]
    assert isinstance(happy, np.ndarray)
    assert np.abs(happy.astype(int) - read_picture(tmp_path / "group.jpg")).max() > 20


def test_the_package_brings_the_editor_only_when_it_is_asked_for(tmp_path: Path) -> None:
    script = (
        "import sys, efgan_rt\n"
        "assert not {'cv2', 'numpy', 'efgan_rt.editor'} & set(sys.modules), sys.modules\n"
        "assert {'Editor', 'EfganError'} <= set(dir(efgan_rt))\n"
        "from efgan_rt import Editor, EfganError\n"
        "assert Editor.__module__ == 'efgan_rt.editor'\n"
        "try:\n    efgan_rt.Editr\nexcept AttributeError as error:\n    print(error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "module 'efgan_rt' has no attribute 'Editr'"


def test_grey_photographs_are_edited_by_their_luma(group: Path, yunet_file: Path) -> None:
    grey = cv2.cvtColor(read_picture(group), cv2.COLOR_RGB2GRAY)
    given = np.asarray(grey, dtype=np.uint16) * np.uint16(257)
    with Editor.open(detector=yunet_file, say=lambda _: None, faces="largest") as editor:
        result = editor.edit(given, "surprised")
    change = np.abs(result.astype(int) - given) / 257
    assert result.dtype == np.uint16 and change[:, :400].max() > 30 and change[:, 470:].max() == 0
