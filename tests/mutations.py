"""Malformed inputs by the thousand: seeded mutations of good files, for each reader of ours.

The suite tries a few hundred for each reader, `python -m benchmarks fuzz` many more. An input is
known by its reader and its number, so that whatever a run finds can be made again.
"""

import contextlib
import io
import json
import random
import struct
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Final

import cv2
import numpy as np
from PIL import Image

from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from efgan_rt.expressions import target_for
from efgan_rt.families.cascade import CASCADE
from efgan_rt.families.properties import Properties
from efgan_rt.families.registry import read_properties
from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.exif import EXIF_DIRECTORY, ORIENTATION, Tag, exif_block
from efgan_rt.pictures.header import EXTENSIONS, FORMATS, is_writable, missing_reader
from efgan_rt.pictures.original import Density, Metadata, Original
from efgan_rt.pictures.read import decode_original
from efgan_rt.pictures.write import encode_original
from efgan_rt.requests.target_table import read_target_table
from engines.arrays import FloatArray
from engines.base import EngineError
from engines.directory import EngineDirectory
from tests.picture_files import WITH_MORE_INSIDE, with_difference
from tests.toy_engines import write_toy_engines

MENDABLE: Final = (EfganError, EngineError)
# A mutated header may promise anything; what is beyond this is refused before decoding anyway.
MAX_PIXELS: Final = 4_000_000
_EDGES: Final = (0, 1, 2, 3, 127, 128, 254, 255, 256, 32767, 32768, 65535, 2**31 - 1, 2**32 - 1)
_TOKENS: Final = (
    *(b"1e999", b"-1", b"9" * 30, b"9" * 5000, b"NaN", b"Infinity", b"null", b"[]", b"{}", b'""'),
    *(b"[" * 3000, b'"../../x"', b"../x", b"/etc/passwd", b"\0", b"\xff\xfe", b'"', b",", b"\n"),
    *(b"true", b"1_0", b"0x10", "\u0663".encode(), "\U0001f600".encode(), b"AU99", b"=", b"-="),
)


@dataclass(frozen=True)
class Reader:
    """One of our readers, and good inputs to begin from.

    Attributes:
        name: of the reader.
        seeds: good inputs.
        read: takes an input and an empty folder of its own.
        mend: makes checksums right again, so that a change is seen by what comes behind them; then
            half of the inputs are mended.
    """

    name: str
    seeds: tuple[bytes, ...]
    read: Callable[[bytes, Path], object]
    mend: Callable[[bytes], bytes] | None = None

    def input(self, number: int) -> bytes:
        """The malformed input of a number; always the same."""
        chance = random.Random(f"{self.name} {number}")
        data = bytearray(chance.choice(self.seeds))
        if self.mend is not None and chance.random() < 0.5:
            # A small change anywhere, so that more gets past the headers.
            at = chance.randrange(len(data))
            changed = chance.randbytes(chance.choice((1, 1, 2, 4)))[: len(data) - at]
            data[at : at + len(changed)] = changed
            return self.mend(bytes(data))
        for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
            data = _mutated(data, chance, self.seeds)
        return bytes(data)


def _mutated(data: bytearray, chance: random.Random, seeds: Sequence[bytes]) -> bytearray:
    at = chance.randrange(len(data) + 1)
    if chance.random() < 0.5:  # where headers and their lengths are
        at = min(at, chance.randrange(200))
    end = min(len(data), at + chance.choice((1, 2, 4, 16, 200)))
    kind = chance.randrange(9)
    if kind == 0 and at < len(data):
        data[at] ^= 1 << chance.randrange(8)
    elif kind == 1 and at < len(data):
        data[at] = chance.choice(_EDGES) & 255
    elif kind == 2:
        del data[at:]
    elif kind == 3:
        del data[at:end]
    elif kind == 4:
        data[at:at] = data[at:end] * chance.choice((1, 2, 100))
    elif kind == 5:
        data[at:end] = chance.randbytes(end - at)
    elif kind == 6:
        layout = chance.choice(("<H", ">H", "<I", ">I"))
        size = struct.calcsize(layout)
        data[at : at + size] = struct.pack(layout, chance.choice(_EDGES) & (256**size - 1))
    elif kind == 7:
        data[at : at + chance.randrange(6)] = chance.choice(_TOKENS)
    else:
        other = chance.choice(seeds)
        data[at:] = other[chance.randrange(len(other) + 1) :]
    return data


PICTURE_FORMATS: Final = (*FORMATS, "JPEG with more inside", "several frames")


def picture_reader() -> Reader:
    """Pictures of every format, depth and kind, with and without metadata."""
    seeds = [seed for format_ in PICTURE_FORMATS for seed in picture_seeds(format_)]
    return Reader("picture", tuple(seeds), read_and_edit)


def format_reader(format_: str) -> Reader:
    """Pictures of one of `PICTURE_FORMATS`."""
    return Reader(format_, tuple(picture_seeds(format_)), read_and_edit, with_checksums)


def with_checksums(data: bytes) -> bytes:
    """A PNG with the checksums of its chunks as they have to be; anything else as it is."""
    if not data.startswith(b"\x89PNG\r\n\x1a\n"):
        return data
    mended, at = bytearray(data), 8
    while at + 12 <= len(mended):
        end = at + 8 + int.from_bytes(mended[at : at + 4], "big")
        mended[end : end + 4] = zlib.crc32(mended[at + 4 : end]).to_bytes(4, "big")
        at = end + 4
    return bytes(mended[: len(data)])


def picture_seeds(format_: str) -> list[bytes]:
    """Good files of one of `PICTURE_FORMATS`; none where nothing here writes the format."""
    rows, columns = np.mgrid[:20, :28]
    colours = np.stack([rows * 9, columns * 8, rows + columns], axis=-1).astype(np.uint8)
    grey = colours[..., 0]
    if format_ == "JPEG with more inside":
        jpeg = bytes(encode_original(".jpg", Original(colours)))
        return [make(jpeg) for make, _ in WITH_MORE_INSIDE.values()]
    frames = [Image.fromarray(colours), Image.fromarray(255 - colours)]
    if format_ == "several frames":
        return [
            bytes(cv2.imencodemulti(".tif", [colours, colours])[1]),
            *(_saved(frames, kind) for kind in ("GIF", "PNG", "WEBP", "MPO")),
        ]
    below = {0xA002: Tag(3, 1, b"\x1c\0"), 0x927C: Tag(7, 20, b"maker" * 4)}
    tags = {ORIENTATION: Tag(3, 1, b"\6\0"), EXIF_DIRECTORY: Tag(4, 1, below)}
    profile = bytes(16) + b"RGB " + bytes(120)
    full = Metadata(exif_block(tags), b"<x:xmpmeta/>", profile, Density(300, 300, "inch"))
    originals = [
        Original(colours, metadata=full),
        Original(grey),
        Original(colours, grey, full),
        Original(colours.astype(np.uint16) * 257),
        Original(colours, lossless=True),
    ]
    if missing_reader(format_) or not is_writable(format_):
        return []
    seeds = [bytes(encode_original(EXTENSIONS[format_][0], original)) for original in originals]
    if format_ in ("JPEG", "TIFF"):
        seeds.append(_saved([Image.fromarray(np.dstack([colours, grey]), "CMYK")], format_))
    if format_ == "JPEG":
        seeds.append(bytes(cv2.imencode(".jpg", colours, [cv2.IMWRITE_JPEG_PROGRESSIVE, 1])[1]))
    return seeds


def _saved(frames: Sequence[Image.Image], kind: str) -> bytes:
    file = io.BytesIO()
    more = {"save_all": True, "append_images": frames[1:]} if len(frames) > 1 else {}
    frames[0].save(file, kind, **more)
    return file.getvalue()


def read_and_edit(data: bytes, folder: Path) -> object:
    """A picture's way through a run, but for faces and networks."""
    original = decode_original(data, folder / "x", max_pixels=MAX_PIXELS)
    crop = to_crop(original.pixels)
    edited = original.with_pixels(with_difference(original.pixels, crop, 255 - crop))
    return [encode_original(extension, edited) for extension in (".jpg", ".png", ".tif")]


def labels_reader() -> Reader:
    """Label tables as OpenFace and as spreadsheets write them."""
    from train.data.labels import read_labels

    points = ["eyes_x", "eyes_y", "nose_x", "nose_y", "mouth_x", "mouth_y"]
    header = ["file", "identity", "expression", *(f"{name}_r" for name in AU_NAMES), *points]
    row = ["a.jpg", "ann", "happy", *["1.5"] * len(AU_NAMES), *["64.0"] * 6]
    tables = [
        comma.join(header) + end + (comma.join(row) + end) * 3
        for comma, end in ((",", "\n"), (", ", "\r\n"), ('","', '"\n"'))
    ]

    def read(data: bytes, folder: Path) -> object:
        path = folder / "labels.csv"
        path.write_bytes(data)
        return read_labels(path).prototypes()

    return Reader("labels", tuple(table.encode() for table in tables), read)


def manifest_reader(scratch: Path) -> Reader:
    """Manifests of an engine directory, its properties included."""
    directory = scratch / "engines"
    directory.mkdir()
    write_toy_engines(directory)
    text = (directory / "manifest.json").read_bytes()
    packed = json.dumps(json.loads(text)).encode()

    def read(data: bytes, folder: Path) -> object:
        (folder / "manifest.json").write_bytes(data)
        directory = EngineDirectory(folder)
        read_properties(directory)
        return [directory.content(entry.stored) for entry in directory.manifest.networks.values()]

    return Reader("manifest", (text, packed), read)


def checkpoint_reader(scratch: Path, suffix: str) -> Reader:
    """Checkpoints, `.pt` or `.safetensors`, up to the networks built of them."""
    import torch

    from train.checkpoint import Checkpoint, save_pt, save_safetensors
    from train.data.regions import RegionBox
    from train.families.cascade.networks.config import ModelConfig
    from train.families.cascade.networks.inference import empty_networks
    from train.families.registry import load_checkpoint

    torch.manual_seed(0)
    config = ModelConfig(
        width=1,
        residual_blocks=1,
        stages=1,
        critic_width=1,
        interpolator_width=1,
        regions={"mouth": RegionBox(78, 32, 40, 60)},
    )
    networks = empty_networks(config)
    weights = {
        f"{name}.{key}": value
        for name, module in (("cascade", networks.cascade), ("au_reader", networks.au_reader))
        for key, value in module.state_dict().items()
    }
    checkpoint = Checkpoint(config, weights, {"happy": np.ones(17, np.float32)}, {"step": 1})
    path = scratch / f"seed{suffix}"
    (save_pt if suffix == ".pt" else save_safetensors)(checkpoint, path)

    def read(data: bytes, folder: Path) -> object:
        path = folder / f"x{suffix}"
        path.write_bytes(data)
        return load_checkpoint(path).build()

    return Reader(f"checkpoint{suffix}", (path.read_bytes(),), read)


def au_reader() -> Reader:
    """The grammar of `--au`, and names of expressions."""
    seeds = (b"AU12=3.5,AU04-=1", b"12+=0.25 , au1 = 5", b"AU45_r=0", b"", b"happy")
    expressions = {"happy": np.ones(17, np.float32)}

    def read(data: bytes, folder: Path) -> object:
        text = data.decode("utf-8", "surrogateescape")
        with contextlib.suppress(EfganError):
            target_for(expressions, AU_NAMES, expression=text, au=None)
        return target_for(expressions, AU_NAMES, expression="happy", au=text)

    return Reader("au", seeds, read)


def label_files_reader(scratch: Path) -> Reader:
    """Label files of other projects, as text; which format it is, is seen by the columns."""
    from tests.label_files import affectnet_csv, libreface_csv, openface_csv, pyfeat_csv
    from train.data.formats import read_any_labels

    files = [
        openface_csv(scratch / "sequence.csv", [{}, {}], sequence=True),
        openface_csv(scratch / "picture.csv", [{}], sequence=False, marks=False),
        pyfeat_csv(scratch / "fex.csv", [{"input": "a.jpg"}]),
        libreface_csv(scratch / "libreface.csv", [{"input_image_path": "a.jpg"}]),
        affectnet_csv(scratch / "affectnet.csv", [("1/a.jpg", 1), ("b.jpg", 9)]),
    ]

    def read(data: bytes, folder: Path) -> object:
        path = folder / "labels.csv"
        path.write_bytes(data)
        labels = read_any_labels(path, scale_probabilities=True)
        return [row.region_centres for row in labels.rows]

    return Reader("label files", tuple(file.read_bytes() for file in files), read)


def target_table_reader() -> Reader:
    """Tables of `--from-csv`."""
    seeds = (
        b"file,expression,intensity,AU12,AU01_r,AU45+,notes\na.jpg,happy,0.5,,1,-2,x\nb/c.png,,,3,,,\n",
        b"file,AU12\na.jpg,1\nb.jpg,2.5\n",
    )
    properties = Properties(128, au_names=AU_NAMES, expressions={"happy": np.ones(17, np.float32)})

    def lent(path: Path, output: tuple[str, str]) -> FloatArray:
        return np.ones(17, np.float32)

    def read(data: bytes, folder: Path) -> object:
        path = folder / "targets.csv"
        path.write_bytes(data)
        return read_target_table(
            path, lambda wish: CASCADE.goal(properties, wish, lent, lambda _: None), AU_NAMES
        )

    return Reader("target table", seeds, read)


def pickle_reader(scratch: Path) -> Reader:
    """GANimation's pickles, of the oldest and the newest protocol."""
    from tests.label_files import ganimation_pickle, python_2_pickle
    from train.data.ganimation import read_ganimation

    files = [
        *(ganimation_pickle(scratch / f"{n}.pkl", ["a", "b"], n) for n in (0, 2, 4, 5)),
        python_2_pickle(scratch / "old.pkl"),
    ]

    def read(data: bytes, folder: Path) -> object:
        path = folder / "aus.pkl"
        path.write_bytes(data)
        return read_ganimation(path)

    return Reader("pickle", tuple(file.read_bytes() for file in files), read)


def template_reader() -> Reader:
    """Alignment templates."""
    from efgan_rt.faces.detector_facts import DetectorFacts
    from efgan_rt.faces.template import Template, read_template

    points = np.array([[43, 49], [85, 49], [63, 72], [47, 91], [82, 91]], np.float32)
    template = Template(points, 128, DetectorFacts("yunet", "yunet.onnx", "0f" * 32), 6400)

    def read(data: bytes, folder: Path) -> object:
        path = folder / "template.json"
        path.write_bytes(data)
        return read_template(path).to_dict()

    return Reader("template", (json.dumps(template.to_dict(), indent=1).encode(),), read)


def all_readers(scratch: Path) -> dict[str, Callable[[], Reader]]:
    """Makers of every reader by name; `scratch` is an empty folder for what they are made of."""
    return {
        "picture": picture_reader,
        **{name: partial(format_reader, name) for name in PICTURE_FORMATS},
        "labels": labels_reader,
        "manifest": lambda: manifest_reader(scratch),
        "checkpoint.pt": lambda: checkpoint_reader(scratch, ".pt"),
        "checkpoint.safetensors": lambda: checkpoint_reader(scratch, ".safetensors"),
        "au": au_reader,
        "label files": lambda: label_files_reader(scratch),
        "pickle": lambda: pickle_reader(scratch),
        "target table": target_table_reader,
        "template": template_reader,
    }
