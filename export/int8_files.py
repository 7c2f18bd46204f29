"""The int8 files of an engine directory: made beside the ONNX files, held to a bar, all or none.

They need the ONNX files and nothing else, so any directory in full precision gets them without its
checkpoint and without PyTorch. Networks that give pictures are quantised; what decides on action
units is not (`efgan_rt.editing` has the figures). Each takes the edit's aim as `au`, and the first
`pixels`, the others what the one before it made as `image_in`.

Ranges are found on the package's faces, edited by the whole set in full precision to several
expressions and intensities. Then other edits of the same faces are made in full precision and in
int8, with everything before and between as it runs, and what the edits differ by decides.
"""

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from efgan_rt.editing import OpenedSet
from efgan_rt.errors import EfganError
from efgan_rt.expressions import target_places
from efgan_rt.families.registry import read_properties
from engines.arrays import FloatArray
from engines.choice import INT8
from engines.directory import EngineDirectory
from engines.manifest import Int8Facts, Int8Files, Manifest, StoredFile
from engines.runtimes import import_openvino
from export.calibration import Pixels, checked_faces
from export.directory import check_replaceable, remade
from export.to_int8 import Quantised, import_nncf, to_int8

Progress = Callable[[str], None]

WORST_DB: Final = 38.0
CALIBRATION_INTENSITIES: Final = (1.0, 0.5, 1.0, 1.5)
PARITY_INTENSITIES: Final = (1.0, 1.0, 0.7)
WORST: Final = "worst_pixels_psnr_db"
MEAN: Final = "mean_pixels_psnr_db"
IDENTICAL_DB: Final = 99.0  # stands for an infinite PSNR, which JSON cannot say
_BACKEND: Final = "openvino"


@dataclass(frozen=True)
class Edits:
    """What is asked of a set: n pictures, each with a target of its own."""

    pixels: Pixels  # (n, H, W, 3)
    scale: FloatArray  # (n, K)
    offset: FloatArray  # (n, K)


def check_int8_possible(precision: str = "fp32") -> None:
    """Makes sure, before any long work, that int8 files can be made.

    Args:
        precision: of the ONNX files.

    Raises:
        EfganError: the ONNX files compute in half, or NNCF is not installed.
        EngineError: OpenVINO is not installed.
    """
    if precision != "fp32":
        raise EfganError(
            f"int8 files are made of engines in fp32, and these are {precision}; give the "
            "checkpoint: efgan-rt build-engines CKPT.pt --precision int8"
        )
    import_nncf()


def refuse_motion(manifest: Manifest) -> None:
    """Stages that move a face are not quantised: a displacement has no 256 levels.

    Raises:
        EfganError: the engines have motion.
    """
    if manifest.properties.get("motion"):
        raise EfganError(
            "int8 is for engines that repaint, and these move the face; build and run them in fp32 "
            "or bf16"
        )


def add_int8(
    folder: Path, manifest: Manifest, faces: Pixels, progress: Progress | None = None
) -> Manifest:
    """Quantises what gives pictures in an engine directory and writes its int8 files into it.

    Args:
        folder: holds the ONNX files; nobody reads it yet, and a manifest may be written here.
        manifest: of those files.
        faces: uint8 (n, crop, crop, 3), RGB, of the set's size.
        progress: called with a line when it begins and after each network.

    Returns:
        The manifest with the int8 files in it.

    Raises:
        EfganError: NNCF is not installed, or the edits are too far from full precision's.
        EngineError: OpenVINO is not installed, or a file is not as the manifest says.
    """
    nncf, openvino = import_nncf(), import_openvino()
    report = progress or (lambda _: None)
    batch = next(iter(manifest.networks.values())).batch[1]
    manifest.write(folder)
    exact = OpenedSet.open(folder, backend=_BACKEND, precision="fp32", batch=batch)
    calibration = edits_of(faces, targets_of(exact), CALIBRATION_INTENSITIES)
    report(f"int8: NNCF {nncf.__version__}, ranges on {len(calibration.pixels)} edits of faces")
    directory = EngineDirectory(folder, manifest)
    given = _given(exact, calibration)
    entries = dict(manifest.networks)
    networks: dict[str, Any] = {}
    for name, inputs in given.items():
        started = time.perf_counter()
        made = to_int8(directory.model(name), _one_by_one(inputs))
        entries[name] = replace(entries[name], int8=_stored(folder, name, made))
        networks[name] = {"convolutions": made.convolutions, "left_alone": list(made.left_alone)}
        seconds, megabytes = time.perf_counter() - started, len(made.weights) / 1e6
        report(f"{name}: {seconds:.1f} s, {megabytes:.2f} MB, {made.convolutions} convolutions")
    settings = {"networks": networks, "calibration": {"edits": len(calibration.pixels)}}
    facts = Int8Facts(nncf.__version__, openvino.__version__, {}, settings)
    quantised = replace(manifest, networks=entries, int8=facts)
    quantised.write(folder)
    rounded = OpenedSet.open(folder, backend=_BACKEND, precision=INT8, batch=batch)
    edits = edits_of(faces, targets_of(exact), PARITY_INTENSITIES, first=1)
    parity = held(psnr_of_each(_edited(rounded, edits), _edited(exact, edits)))
    report(f"int8: of fp32's pixels {parity[WORST]:.1f} dB at worst, {parity[MEAN]:.1f} on average")
    return replace(quantised, int8=replace(facts, parity=parity))


def remake_int8(
    directory: Path, out: Path, *, faces: Pixels | None = None, progress: Progress | None = None
) -> Manifest:
    """Gives an engine directory int8 files, made from its ONNX files alone.

    Args:
        directory: an engine directory in fp32, with int8 files or without; its plans are kept.
        out: where the result goes; may be `directory`.
        faces: uint8 (n, H, W, 3), RGB; None means the package's own.
        progress: called with a line when it begins and after each network.

    Raises:
        EngineError: the directory is none, a file is not as its manifest says, or OpenVINO is not
            installed.
        EfganError: as `add_int8` and `check_int8_possible`, or `out` holds something else. Then
            nothing there has changed.
    """
    source = EngineDirectory(directory)
    manifest = source.manifest
    refuse_motion(manifest)
    check_replaceable(out)
    check_int8_possible(manifest.precision)
    used = checked_faces(faces, read_properties(source).crop_px)
    without = {name: replace(entry, int8=None) for name, entry in manifest.networks.items()}
    made = replace(manifest, networks=without, int8=None)
    return remade(source, out, made, partial(add_int8, faces=used, progress=progress))


def targets_of(opened: OpenedSet) -> list[FloatArray]:
    """The set's expressions, float32 (K,) each; where it has none, every unit at 1."""
    return list(opened.expressions.values()) or [np.ones(len(opened.au_names), np.float32)]


def edits_of(
    faces: Pixels,
    targets: Sequence[FloatArray],
    intensities: tuple[float, ...],
    *,
    first: int = 0,
) -> Edits:
    """Every face once for each intensity, each time towards another expression.

    Args:
        faces: uint8 (n, crop, crop, 3).
        targets: the expressions, float32 (K,) each.
        intensities: how far towards the expression, 1 being all of it.
        first: the target that the first face begins with.
    """
    scale = np.empty((len(intensities) * len(faces), len(targets[0])), np.float32)
    offset = np.empty_like(scale)
    for number in range(len(scale)):
        turn, face = divmod(number, len(faces))
        intensity = intensities[turn]
        scale[number] = 1 - intensity
        offset[number] = intensity * targets[(first + turn + face) % len(targets)]
    return Edits(np.concatenate([faces] * len(intensities)), scale, offset)


def psnr_of_each(found: Pixels, expected: Pixels) -> npt.NDArray[np.float64]:
    """Peak signal-to-noise ratio of each picture of two arrays (n, H, W, 3), in dB."""
    error = found.astype(np.float64) - expected
    mean_square = np.square(error).reshape(len(error), -1).mean(axis=1)
    with np.errstate(divide="ignore"):
        decibels = 10 * np.log10(255**2 / mean_square)
    capped: npt.NDArray[np.float64] = np.minimum(decibels, IDENTICAL_DB)
    return capped


def held(decibels: npt.NDArray[np.float64]) -> Mapping[str, float]:
    """The figures of all edits, once the worst one has reached its bar.

    Raises:
        EfganError: it has not.
    """
    figures = {
        WORST: round(float(decibels.min()), 2),
        MEAN: round(float(decibels.mean()), 2),
        "edits": float(len(decibels)),
    }
    if not figures[WORST] >= WORST_DB:
        raise EfganError(
            f"int8 does not carry these weights: of fp32's pixels the worst of {len(decibels)} "
            f"edits keeps {figures[WORST]:.1f} dB and the mean {figures[MEAN]:.1f}, expected at "
            f"least {WORST_DB:g} of the worst; nothing was written; run these engines in bf16 or "
            "fp32"
        )
    return figures


def _given(opened: OpenedSet, edits: Edits) -> dict[str, dict[str, Any]]:
    """What each network that gives pictures is given, by its name.

    Between them the picture as it would be displayed stands for the one in float32: the layers
    that see it are not quantised, and half a level moves no range.
    """
    edited = opened.edit(edits.pixels, target_places(edits.scale, edits.offset), stages=True)
    pictures: list[dict[str, Any]] = [{"pixels": edits.pixels}]
    for pixels in edited.stage_pixels[:-1]:
        image = (pixels.astype(np.float32) / 127.5 - 1).transpose(0, 3, 1, 2)
        pictures.append({"image_in": np.ascontiguousarray(image)})
    names = (name for name, _ in opened.wiring.pictures)
    return {
        name: {**picture, "au": au}
        for name, picture, au in zip(names, pictures, edited.stage_au, strict=True)
    }


def _one_by_one(inputs: Mapping[str, Any]) -> list[dict[str, Any]]:
    count = len(inputs["au"])
    return [{name: array[n : n + 1] for name, array in inputs.items()} for n in range(count)]


def _edited(opened: OpenedSet, edits: Edits) -> Pixels:
    return opened.edit(edits.pixels, target_places(edits.scale, edits.offset)).pixels


def _stored(folder: Path, network: str, made: Quantised) -> Int8Files:
    """Writes a network's files; what vouches for them."""
    files = []
    for suffix, content in (("xml", made.graph), ("bin", made.weights)):
        path = folder / f"{network}.int8.{suffix}"
        path.write_bytes(content)
        files.append(StoredFile(path.name, hashlib.sha256(content).hexdigest(), len(content)))
    return Int8Files(*files)
