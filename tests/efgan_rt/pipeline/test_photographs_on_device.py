"""A run whose photographs stay on the GPU from decoding to encoding, with the set that ships."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from functools import partial, partialmethod
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.choices import JpegCodec
from efgan_rt.editing import OpenedSet
from efgan_rt.editor import Editor
from efgan_rt.engine_sets import shipped_set
from efgan_rt.errors import EfganError
from efgan_rt.expressions import target_for
from efgan_rt.faces.detect import YuNet
from efgan_rt.faces.detector_facts import sha256_of
from efgan_rt.faces.device_image import NUMBERS
from efgan_rt.faces.framing import FaceChoice, FaceFramer
from efgan_rt.pictures import device_jpeg
from efgan_rt.pictures.original import Metadata, Original
from efgan_rt.pictures.read import read_original, read_picture
from efgan_rt.pictures.write import encode_original, write_original, write_picture
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.faces import FaceFinding
from efgan_rt.pipeline.files import Plan, asked_of_all
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.shots import stills
from engines.base import EngineError
from tests.efgan_rt.device_codec import DeviceCodec
from tests.efgan_rt.device_sets import on_device
from tests.engines.fake_cuda import FakeCuda

pytestmark = pytest.mark.usefixtures("c_compiler")

SIZES = ((420, 430, 1), (500, 900, 2))


@pytest.fixture
def source(tmp_path: Path, repository: Path) -> Path:
    """A photograph of one face, and one of two."""
    folder = tmp_path / "in"
    folder.mkdir()
    files = sorted((repository / "examples/faces").glob("*.jpg"))
    for height, width, count in SIZES:
        canvas = np.full((height, width, 3), (150, 150, 140), np.uint8)
        for number in range(count):
            face = cv2.resize(read_picture(files[number]), (260, 260))
            canvas[100:360, 90 + 420 * number : 350 + 420 * number] = face
        write_picture(folder / f"{count}.png", canvas)
    return folder


def run(
    opened: OpenedSet, source: Path, output: Path, yunet_file: Path, **options: Any
) -> dict[str, np.ndarray]:
    choice = FaceChoice()
    finding = FaceFinding(
        choice,
        lambda: FaceFramer(
            YuNet(yunet_file, sha256_of(yunet_file)),
            opened.template,
            choice,
            crop_px=opened.crop_px,
        ),
    )
    target = target_for(opened.expressions, opened.au_names, expression="happy", au=None)
    lanes = [opened.lane()]
    with Journal(output) as journal:
        outcome = run_batch(
            asked_of_all(Plan(source, output, stills("")).jobs(), [target], [b""]),
            lanes,
            batch=1,
            journal=journal,
            crop_px=opened.crop_px,
            faces=finding,
            move=opened.move,
            canvases=opened.canvases,
            options=BatchOptions(**options),
        )
    lanes[0].close()
    assert (outcome.written, outcome.failed) == (2, 0)
    return {file.name: np.asarray(read_picture(file)) for file in sorted(output.glob("[12].*"))}


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """Every upload and download of a run, with its bytes."""
    found: list[tuple[str, int]] = []

    def counting(name: str, original: Callable[..., None], cuda: Any, to: Any, *rest: Any) -> None:
        found.append((name, to.nbytes))
        original(cuda, to, *rest)

    for name in ("upload", "download"):
        counted = partial(counting, name, getattr(FakeCuda, name))
        monkeypatch.setattr(FakeCuda, name, partialmethod(counted))
    return found


def test_a_photograph_goes_up_once_and_its_edit_comes_down_once(
    source: Path,
    tmp_path: Path,
    yunet_file: Path,
    moved: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    opened = on_device(FakeCuda(marks_in_graphs=True), monkeypatch, pytest.fail)
    assert opened.canvases is not None
    moved.clear()
    found = run(opened, source, tmp_path / "device", yunet_file)
    sizes = {height * width * 3 for height, width, _ in SIZES}
    assert sorted(size for name, size in moved if name == "upload" and size in sizes) == sorted(
        sizes
    )
    # What comes down of the photograph of two faces is the rows that they reach, once.
    (rows,) = [size // (900 * 3) for name, size in moved if name == "download" and size % 2700 == 0]
    assert 100 < rows < 400
    pictures = opened.canvases.pictures
    assert sum(map(len, pictures._idle.values())) == len(pictures._all)

    shipped = shipped_set()
    assert shipped is not None
    host = OpenedSet.open(shipped, backend="onnxruntime", batch=1)
    expected = run(host, source, tmp_path / "host", yunet_file)
    for name, picture in expected.items():
        before = read_picture(source / name)
        assert (picture != before).mean() > 0.02
        error = np.abs(picture.astype(np.int32) - found[name])
        print(f"{name}: at most {error.max()} levels apart, {error.mean():.3f} on average")
        # Faces are read by a hair elsewhere, so that edits lie by a hair elsewhere.
        assert error.mean() < 0.1 and (error > 8).mean() < 0.001


def fail(*_: Any, **__: Any) -> None:
    raise EngineError("the device is gone")


def framer_of(opened: OpenedSet, yunet_file: Path) -> FaceFramer:
    detector = YuNet(yunet_file, sha256_of(yunet_file))
    return FaceFramer(detector, opened.template, crop_px=opened.crop_px)


def test_an_editor_looks_for_faces_on_the_device_and_leaves_no_picture_there(
    source: Path, yunet_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda = FakeCuda(marks_in_graphs=True)
    opened = on_device(cuda, monkeypatch, pytest.fail)
    assert opened.canvases is not None
    pictures, photograph = opened.canvases.pictures, read_picture(source / "2.png")
    whole: list[int] = []
    upload = cuda.upload

    def counting(to: Any, *rest: Any) -> None:
        whole.append(to.nbytes)
        upload(to, *rest)

    monkeypatch.setattr(cuda, "upload", counting)
    expected = framer_of(opened, yunet_file).frame(photograph)
    with Editor(opened, framer_of(opened, yunet_file)) as editor:
        found = editor.faces(photograph)
        assert whole.count(photograph.nbytes) == 1
        assert len(found) == len(expected) == 2
        for face, framed in zip(found, expected, strict=True):
            assert framed.face is not None
            assert abs(face.centre - framed.face.centre) < 1
        before = len(whole)
        assert (editor.edit(photograph, "happy") != photograph).mean() > 0.02
        assert whole[before:].count(photograph.nbytes) == 1  # no second time
        with monkeypatch.context() as broken:
            broken.setattr(opened.canvases, "canvas", fail)
            with pytest.raises(EfganError, match=r"^the device is gone$"):
                editor.edit([photograph, photograph], "happy")
        assert sum(map(len, pictures._idle.values())) == len(pictures._all)
        with pytest.raises(EfganError, match="no face"):
            editor.edit([photograph, np.zeros((200, 300, 3), np.uint8)], "happy")
        assert sum(map(len, pictures._idle.values())) == len(pictures._all)
        whole.clear()
        assert len(editor.prepare(photograph).faces) == 2
        assert whole.count(photograph.nbytes) == 1
        assert sum(map(len, pictures._idle.values())) == len(pictures._all)
    assert editor._framer.sight is None


def test_a_device_that_fails_in_an_editor_leaves_the_picture_to_the_processor(
    source: Path, yunet_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    cuda, said = FakeCuda(marks_in_graphs=True), list[str]()
    opened = on_device(cuda, monkeypatch, said.append)
    assert opened.canvases is not None
    pictures, photograph = opened.canvases.pictures, read_picture(source / "1.png")

    with Editor(opened, framer_of(opened, yunet_file)) as editor:
        assert editor._framer.sight is not None
        monkeypatch.setattr(editor._framer.sight, "made", fail)
        assert len(editor.faces(photograph)) == 1
        assert sum(map(len, pictures._idle.values())) == len(pictures._all)
    assert said == ["photographs are looked at by the processor: the device is gone"]


def test_where_kernels_for_pictures_do_not_compile_the_processor_looks_and_that_is_said(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    cuda, said = FakeCuda(), list[str]()
    kernel = cuda.kernel

    def refuse(text: str, name: str) -> object:
        if name == "smaller":
            raise EngineError("CUDA's runtime compiler makes no code for compute capability 9.0")
        return kernel(text, name)

    monkeypatch.setattr(cuda, "kernel", refuse)
    opened = on_device(cuda, monkeypatch, said.append)
    assert opened.canvases is None
    assert said == [
        "photographs are looked at by the processor: CUDA's runtime compiler makes no code for "
        "compute capability 9.0"
    ]


# A photograph held on its side: EXIF of one entry, orientation 6.
ON_ITS_SIDE = Metadata(exif=b"II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\x06\0\0\0\0\0\0\0")


@pytest.fixture
def jpegs(source: Path) -> Path:
    """The photographs as JPEGs, the second as a camera that was held on its side writes it."""
    for file in source.glob("*.png"):
        pixels = read_picture(file)
        data = bytes(encode_original(".jpg", Original(pixels), quality=92))
        if file.stem == "2":
            stored = Original(np.ascontiguousarray(np.rot90(pixels)), metadata=ON_ITS_SIDE)
            data = bytes(encode_original(".jpg", stored, quality=92))
        file.with_suffix(".jpg").write_bytes(data)
        file.unlink()
    return source


def with_codec(
    monkeypatch: pytest.MonkeyPatch, **options: Any
) -> tuple[OpenedSet, DeviceCodec, list[str]]:
    """The set on a device with nvImageCodec; what is said there."""
    said: list[str] = []
    cuda = FakeCuda(marks_in_graphs=True)
    codec = DeviceCodec(cuda, **options)
    monkeypatch.setattr(device_jpeg, "_installed", lambda: codec)
    return on_device(cuda, monkeypatch, said.append), codec, said


def test_with_nvimagecodec_no_photograph_passes_the_host(
    jpegs: Path,
    tmp_path: Path,
    yunet_file: Path,
    moved: list[tuple[str, int]],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    assert read_original(jpegs / "2.jpg").pixels.shape == (500, 900, 3)
    opened, codec, said = with_codec(monkeypatch)
    assert opened.canvases is not None
    moved.clear()
    found = run(opened, jpegs, tmp_path / "there", yunet_file, jpeg_codec=JpegCodec.NVIMAGECODEC)
    moved_there = Counter(moved)
    # Behind the made-up picture, by which the library is proved: each once, and the edits there.
    assert sorted(codec.decoded[1:]) == [(420, 430, 3), (900, 500, 3)]
    assert sorted(codec.encoded[1:]) == [((420, 430, 3), True), ((500, 900, 3), True)]
    assert (codec.hazards, said) == ([], [])
    pictures = opened.canvases.pictures
    assert sum(map(len, pictures._idle.values())) == len(pictures._all)
    # The codec of the tests is libjpeg, so that nothing may differ.
    moved.clear()
    expected = run(opened, jpegs, tmp_path / "libjpeg", yunet_file)
    assert set(found) == set(expected) == {"1.jpg", "2.jpg"}
    # Without it each photograph goes up and its edit's rows come down. With it each is copied once,
    # by a kernel that is told so; all else is the same.
    spared = Counter(moved) - moved_there
    whole = [("upload", height * width * 3) for height, width, _ in SIZES]
    assert moved_there - Counter(moved) == {("upload", 4 * NUMBERS): 2}
    assert spared.total() == 4
    assert [each for each in sorted(spared) if each[0] == "upload"] == sorted(whole)
    for name, picture in expected.items():
        np.testing.assert_array_equal(found[name], picture)
        assert (picture != read_picture(jpegs / name)).mean() > 0.02


@pytest.mark.parametrize("lack", ["decoder", "memory", "tables"])
def test_what_cannot_stay_there_passes_the_host(
    jpegs: Path, tmp_path: Path, yunet_file: Path, monkeypatch: pytest.MonkeyPatch, lack: str
) -> None:
    opened, codec, said = with_codec(monkeypatch)
    assert opened.canvases is not None
    asked = {"jpeg_codec": JpegCodec.NVIMAGECODEC}
    if lack == "decoder":

        def refuse(self: object, data: bytes, stream: object) -> None:
            return None

        monkeypatch.setattr(device_jpeg.NvidiaJpeg, "decode_there", refuse)
    if lack == "memory":
        monkeypatch.setattr(opened.canvases.pictures, "take", lambda _: None)
    if lack == "tables":  # such as no quality of libjpeg's has, so that Pillow keeps them
        for file in jpegs.iterdir():
            original = read_original(file)
            assert original.jpeg is not None
            odd = tuple(tuple(min(255, each + 3) for each in t) for t in original.jpeg.tables)
            own = replace(original, jpeg=replace(original.jpeg, tables=odd))
            write_original(tmp_path / file.name, own, quality=None)
            file.write_bytes((tmp_path / file.name).read_bytes())
    found = run(opened, jpegs, tmp_path / "there", yunet_file, **asked)
    expected = run(opened, jpegs, tmp_path / "libjpeg", yunet_file)
    for name, picture in expected.items():
        np.testing.assert_array_equal(found[name], picture)
    assert codec.hazards == []
    # Where it lies there, it is encoded there; only tables of its own are libjpeg's to write.
    there = [is_there for _, is_there in codec.encoded[1:]]
    assert there == {"decoder": [True, True], "memory": [False, False], "tables": []}[lack]
    no_memory = "some photographs are looked at by the processor: there is no device memory for "
    assert said == ([f"{no_memory}more of them at a time"] if lack == "memory" else [])


def test_a_photograph_for_another_format_or_for_a_page_is_decoded_onto_the_host(
    jpegs: Path, tmp_path: Path, yunet_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened, codec, _ = with_codec(monkeypatch)

    def never(self: object, data: bytes, stream: object) -> None:
        pytest.fail("nobody encodes it there")

    monkeypatch.setattr(device_jpeg.NvidiaJpeg, "decode_there", never)
    monkeypatch.setattr("efgan_rt.pipeline.run_state.FORMAT_OF", {".jpg": "PNG"})
    run(opened, jpegs, tmp_path / "out", yunet_file, jpeg_codec=JpegCodec.NVIMAGECODEC)
    assert len(codec.decoded) == 3


def test_crops_among_photographs_are_decoded_once(
    jpegs: Path, tmp_path: Path, yunet_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    small = cv2.resize(read_picture(jpegs / "1.jpg")[100:360, 90:350], (128, 128))
    (jpegs / "2.jpg").write_bytes(bytes(encode_original(".jpg", Original(small))))
    opened, codec, _ = with_codec(monkeypatch)
    asked = {"jpeg_codec": JpegCodec.NVIMAGECODEC}
    found = run(opened, jpegs, tmp_path / "there", yunet_file, **asked)
    assert sorted(codec.decoded[1:]) == [(128, 128, 3), (420, 430, 3)]
    expected = run(opened, jpegs, tmp_path / "libjpeg", yunet_file)
    np.testing.assert_array_equal(found["2.jpg"], expected["2.jpg"])
