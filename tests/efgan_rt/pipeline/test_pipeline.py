"""Batch runs: what is made of the pictures, and how they go through the networks."""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.pictures.crop import to_crop
from efgan_rt.pictures.original import Density, Metadata, Original, Picture
from efgan_rt.pictures.read import read_original, read_picture
from efgan_rt.pictures.write import write_original, write_picture
from efgan_rt.pipeline.batch import run_batch
from efgan_rt.pipeline.files import Plan, asked_of_all
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.shots import Product, Shot, stills
from tests.efgan_rt.inverter import BATCH, Inverter, K, files_in, offset_target, run


@pytest.mark.parametrize("lanes", [1, 3])
def test_every_picture_is_edited_into_a_mirrored_tree(
    faces: Path, tmp_path: Path, lanes: int
) -> None:
    outcome = run(faces, tmp_path / "out", lanes=lanes)
    assert (outcome.pictures, outcome.written, outcome.failed) == (11, 11, 0)
    assert files_in(tmp_path / "out") == files_in(faces)
    for name in files_in(faces):
        np.testing.assert_array_equal(
            read_picture(tmp_path / "out" / name), 255 - read_picture(faces / name)
        )


def test_the_tail_is_padded_with_black_to_the_fixed_batch(faces: Path, tmp_path: Path) -> None:
    editor = Inverter()
    run(faces, tmp_path / "out", editor=editor)
    assert len(editor.given) == 3
    assert editor.given[1][0][3].any()
    assert not editor.given[2][0][3].any()


def test_a_picture_of_another_size_keeps_its_size(
    tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    (tmp_path / "in").mkdir()
    write_picture(tmp_path / "in" / "large.png", make_picture(300, 200))
    run(tmp_path / "in", tmp_path / "out")
    result = read_picture(tmp_path / "out" / "large.png")
    assert result.shape == (300, 200, 3)
    wanted = 255 - to_crop(make_picture(300, 200)).astype(int)
    assert np.abs(to_crop(result).astype(int) - wanted).mean() < 2


def test_depth_alpha_grey_and_metadata_survive_a_run(
    tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    picture = make_picture()
    metadata = Metadata(xmp=b"<x:xmpmeta/>", density=Density(300, 300, "inch"))
    originals = {
        "deep.png": Original(picture.astype(np.uint16) * 257, metadata=metadata),
        "grey.jpg": Original(picture[..., 0], metadata=metadata),
        "alpha.tif": Original(picture, picture[..., 1], Metadata(xmp=metadata.xmp)),
    }
    (tmp_path / "in").mkdir()
    for name, original in originals.items():
        write_original(tmp_path / "in" / name, original)
    options = BatchOptions(mark=False)
    assert run(tmp_path / "in", tmp_path / "out", options=options).failed == 0
    for name, before in originals.items():
        after = read_original(tmp_path / "out" / name)
        assert after.pixels.dtype == before.pixels.dtype, name
        assert after.pixels.shape == before.pixels.shape, name
        assert after.metadata.xmp == before.metadata.xmp, name
        if before.alpha is not None and after.alpha is not None:
            np.testing.assert_array_equal(after.alpha, before.alpha)
        assert (before.alpha is None) == (after.alpha is None), name
    deep = read_original(tmp_path / "out" / "deep.png").pixels
    np.testing.assert_array_equal(deep, 65535 - originals["deep.png"].pixels)


def test_several_targets_share_one_decoding_and_one_reading_of_the_source(
    faces: Path, tmp_path: Path
) -> None:
    editor = Inverter()
    outcome = run(faces, tmp_path / "out", editor=editor, targets=("a", "b", "c"))
    assert (outcome.pictures, outcome.written) == (11, 33)
    picture = read_picture(faces / "b" / "x.png")
    for number, folder in enumerate("abc"):
        np.testing.assert_array_equal(
            read_picture(tmp_path / "out" / folder / "b" / "x.png"),
            (255 - picture - 10 * number).astype(np.uint8),
        )
    for first in range(0, 9, 3):
        pixels, none_yet = editor.given[first]
        assert none_yet is None
        for _, source_au in editor.given[first + 1 : first + 3]:
            assert source_au is not None
            np.testing.assert_array_equal(source_au[:, 0], pixels[:, 0, 0, 0] / np.float32(51))


def test_shots_on_the_way_to_a_target_have_their_own_progress(faces: Path, tmp_path: Path) -> None:
    editor = Inverter()
    shots = (Shot(0, 0.5), Shot(0))
    products = (Product("", (0,), "_1"), Product("", (1,), "_2"))
    jobs = asked_of_all(
        Plan(faces / "00.png", tmp_path / "out", products).jobs(), [offset_target(0)], [b"1", b"2"]
    )
    with Journal(tmp_path / "out") as journal:
        run_batch(jobs, [editor], shots, products, batch=BATCH, journal=journal, stages=2)
    assert files_in(tmp_path / "out") == ["00_1.png", "00_2.png"]
    (both,) = editor.progress  # for one face leaves room for the other
    np.testing.assert_array_equal(both, [[0.25, 0.5], [0.5, 1], [0, 0], [0, 0]])


def test_the_pictures_of_every_stage_come_from_one_run(faces: Path, tmp_path: Path) -> None:
    editor = Inverter()
    shots = (Shot(0, stage=1), Shot(0, stage=2), Shot(0))
    products = tuple(Product("", (number,), f"_{number}") for number in range(3))
    jobs = asked_of_all(
        Plan(faces / "00.png", tmp_path / "out", products).jobs(), [offset_target(0)], [b""] * 3
    )
    with Journal(tmp_path / "out") as journal:
        run_batch(jobs, [editor], shots, products, batch=BATCH, journal=journal, stages=2)
    assert len(editor.given) == 1
    last = 255 - read_picture(faces / "00.png")
    for number, expected in enumerate((last // 2, last, last)):
        np.testing.assert_array_equal(read_picture(tmp_path / "out" / f"00_{number}.png"), expected)


def test_action_units_that_are_known_are_not_read(faces: Path, tmp_path: Path) -> None:
    editor = Inverter()
    plan = Plan(faces, tmp_path / "out", stills(""))
    known = np.full(K, 2.5, np.float32)
    jobs = [
        replace(job, source_au=known if job.source.name[0] == "0" else None)
        for job in asked_of_all(plan.jobs(), [offset_target(0)], [b""])
    ]
    with Journal(tmp_path / "out") as journal:
        options = BatchOptions(workers=1)
        run_batch(iter(jobs), [editor], batch=BATCH, journal=journal, options=options)
    (_, all_known), (mixed_pixels, mixed), (_, none) = editor.given
    np.testing.assert_array_equal(all_known, [known] * BATCH)
    assert mixed is not None and none is None
    np.testing.assert_array_equal(mixed[:3], [known] * 3)
    np.testing.assert_array_equal(mixed[3:], editor.estimate(mixed_pixels)[3:])
