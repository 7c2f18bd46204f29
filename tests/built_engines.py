"""Engines built from toy checkpoints; an export takes seconds, so a session makes each set once."""

from dataclasses import dataclass
from pathlib import Path

from engines.manifest import Manifest
from export.build import build_engines
from export.calibration import bundled_faces
from tests.toy import REGIONS, toy_checkpoint


@dataclass(frozen=True)
class Built:
    """A checkpoint and the engines made from it."""

    checkpoint: Path
    directory: Path
    manifest: Manifest
    progress: tuple[str, ...]


def build_fp32(folder: Path) -> Built:
    """Two stages with all regions, FP32 throughout."""
    checkpoint = toy_checkpoint(folder / "toy.pt")
    lines: list[str] = []
    out = folder / "engines"
    manifest = build_engines(checkpoint, out, faces=bundled_faces()[:3], progress=lines.append)
    return Built(checkpoint, out, manifest, tuple(lines))


def build_fp16(folder: Path) -> Built:
    """Two stages with one region, half precision."""
    checkpoint = toy_checkpoint(folder / "toy.pt", regions={"mouth": REGIONS["mouth"]})
    out = folder / "engines"
    faces = bundled_faces()[:3]
    manifest = build_engines(checkpoint, out, precision="fp16", batch=(1, 4, 4), faces=faces)
    return Built(checkpoint, out, manifest, ())
