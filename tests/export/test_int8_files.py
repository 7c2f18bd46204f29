"""Int8 files: made from the ONNX files alone, held to a bar, and never at the engines' cost."""

import re
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.editing import OpenedSet
from efgan_rt.errors import EfganError
from engines.base import EngineError
from engines.manifest import read_manifest
from export import int8_files
from export.build import build_engines
from export.calibration import Pixels
from export.int8_files import (
    check_int8_possible,
    edits_of,
    held,
    psnr_of_each,
    remake_int8,
    targets_of,
)
from tests.toy import REGIONS, toy_checkpoint
from tests.toy_engines import toy_faces, write_toy_engines

needs_nncf = pytest.mark.skipif(
    find_spec("nncf") is None,
    reason='no NNCF: pip install "efgan-rt[int8]"',
)


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_stages_are_quantised_but_for_what_sees_the_picture(int8_toy: Path) -> None:
    manifest = read_manifest(int8_toy)
    assert manifest.int8 is not None
    assert [name for name, entry in manifest.networks.items() if entry.int8] == [
        "stage_1",
        "stage_2",
    ]
    for facts in manifest.int8.settings["networks"].values():
        assert facts["convolutions"] == 2  # colour and mask
        assert len(facts["left_alone"]) == 1
    parity = manifest.int8.parity
    assert 38 <= parity["worst_pixels_psnr_db"] < parity["mean_pixels_psnr_db"]


@needs_nncf
def test_a_checkpoint_is_built_with_int8_files_beside_graphs_in_fp32(
    tmp_path: Path, faces: Pixels, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Random weights of 8 channels a layer are no task for int8: 31 dB.
    monkeypatch.setattr(int8_files, "WORST_DB", 20.0)
    checkpoint = toy_checkpoint(tmp_path / "toy.pt", stages=1, regions={"mouth": REGIONS["mouth"]})
    lines: list[str] = []
    made = build_engines(
        checkpoint, tmp_path / "engines", faces=faces, int8=True, progress=lines.append
    )
    assert read_manifest(tmp_path / "engines") == made
    assert made.precision == "fp32" and made.int8 is not None
    # Each branch and the Refiner has one convolution that sees a picture.
    assert [len(each["left_alone"]) for each in made.int8.settings["networks"].values()] == [3]
    assert lines[-1] == (
        f"int8: of fp32's pixels {made.int8.parity['worst_pixels_psnr_db']:.1f} dB at worst, "
        f"{made.int8.parity['mean_pixels_psnr_db']:.1f} on average"
    )


@needs_nncf
def test_int8_files_are_made_again_in_place_and_all_else_stays(
    int8_toy: Path, tmp_path: Path
) -> None:
    out = tmp_path / "engines"
    made = remake_int8(int8_toy, out, faces=toy_faces())
    before, after = content_of(int8_toy), content_of(out)
    assert before.keys() == after.keys()
    assert {name for name in before if name.endswith(".onnx")} <= {
        name for name in before if before[name] == after[name]
    }
    assert made == read_manifest(out)
    assert made.int8 == read_manifest(int8_toy).int8  # the same faces, ranges and figures
    assert [path.name for path in tmp_path.iterdir()] == ["engines"]


@needs_nncf
def test_a_set_that_int8_does_not_carry_stays_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    engines = tmp_path / "engines"
    engines.mkdir()
    write_toy_engines(engines, stages=1)
    before = content_of(engines)
    monkeypatch.setattr(int8_files, "WORST_DB", 98.0)
    with pytest.raises(EfganError, match="int8 does not carry these weights: of fp32's pixels"):
        remake_int8(engines, engines, faces=toy_faces())
    assert content_of(engines) == before
    assert [path.name for path in tmp_path.iterdir()] == ["engines"]


def test_the_worst_edit_is_held_to_the_bar_and_the_mean_is_told() -> None:
    with pytest.raises(EfganError) as caught:
        held(np.array([37.9, 50.0, 50.0]))
    assert str(caught.value) == (
        "int8 does not carry these weights: of fp32's pixels the worst of 3 edits keeps 37.9 dB "
        "and the mean 46.0, expected at least 38 of the worst; nothing was written; run these "
        "engines in bf16 or fp32"
    )
    assert held(np.array([38.0, 50.0])) == {
        "worst_pixels_psnr_db": 38.0,
        "mean_pixels_psnr_db": 44.0,
        "edits": 2.0,
    }


def test_a_figure_that_is_not_a_number_is_below_the_bar() -> None:
    with pytest.raises(EfganError, match="keeps nan dB"):
        held(np.array([np.nan, 50.0]))


def test_engines_in_half_precision_are_refused(tmp_path: Path) -> None:
    write_toy_engines(tmp_path, precision="fp16")
    sentence = (
        "int8 files are made of engines in fp32, and these are fp16; give the checkpoint: "
        "efgan-rt build-engines CKPT.pt --precision int8"
    )
    with pytest.raises(EfganError, match=re.escape(sentence)):
        remake_int8(tmp_path, tmp_path, faces=toy_faces())


def test_without_nncf_the_line_that_installs_it_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "nncf", None)
    sentence = 'this needs nncf, which is not installed; install it with: pip install "efgan-rt[int'
    with pytest.raises(EfganError, match=re.escape(sentence)):
        check_int8_possible()


def test_a_damaged_onnx_file_is_named_where_it_lies(tmp_path: Path) -> None:
    pytest.importorskip("nncf", reason='no NNCF: pip install "efgan-rt[int8]"')
    write_toy_engines(tmp_path)
    (tmp_path / "stage_1.onnx").write_bytes(b"")
    with pytest.raises(EngineError, match=re.escape(f"{tmp_path / 'stage_1.onnx'}: 0 bytes found")):
        remake_int8(tmp_path, tmp_path / "out", faces=toy_faces())


def test_every_face_is_edited_once_for_each_intensity_to_expressions_in_turn(
    tmp_path: Path,
) -> None:
    write_toy_engines(tmp_path)
    targets = targets_of(OpenedSet.open(tmp_path, precision="fp32"))
    happy, blink = targets
    edits = edits_of(toy_faces(2), targets, (1.0, 0.5))
    assert edits.pixels.shape == (4, 16, 16, 3)
    np.testing.assert_array_equal(edits.scale[:, 0], [0, 0, 0.5, 0.5])
    np.testing.assert_array_equal(edits.offset, [happy, blink, blink / 2, happy / 2])


def test_a_set_without_expressions_is_measured_with_every_unit_at_1(tmp_path: Path) -> None:
    write_toy_engines(tmp_path, properties={"expressions": {}})
    (target,) = targets_of(OpenedSet.open(tmp_path, precision="fp32"))
    assert target.tolist() == [1, 1, 1]


def test_the_same_picture_is_99_db_from_itself() -> None:
    faces = toy_faces(2)
    other = faces.copy()
    other[1] ^= 1  # every value off by one
    np.testing.assert_allclose(psnr_of_each(other, faces), [99, 20 * np.log10(255)])


@needs_nncf
def test_nncf_prints_nothing_and_finds_no_telemetry(tmp_path: Path) -> None:
    write_toy_engines(tmp_path, stages=1)
    code = (
        "import sys\nfrom pathlib import Path\nfrom export.int8_files import remake_int8\n"
        "from tests.toy_engines import toy_faces\n"
        f"remake_int8(Path({str(tmp_path)!r}), Path({str(tmp_path)!r}), faces=toy_faces(2))\n"
        "print(*(n for n in sys.modules if n.startswith('openvino_telemetry')))"
    )
    done = subprocess.run(
        [sys.executable, "-B", "-c", code], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == ""
