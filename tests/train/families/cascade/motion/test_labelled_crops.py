"""Labelled crops of a set of pairs: both pictures of each, whose they are, how they are turned."""

from importlib.util import find_spec
from pathlib import Path

import cv2
import numpy as np
import pytest

from efgan_rt.pictures.read import read_picture
from tests.toy_face_model import toy_face
from tests.train.portraits.test_portrait_pairs import Making, making
from train.data.labels import read_labels
from train.families.cascade.motion.labelled_crops import main
from train.families.cascade.motion.pairs_set import PairSet
from train.portraits.portrait_pairs import begin, write_atlas

__all__ = ["making"]


pytestmark = pytest.mark.skipif(
    find_spec("numba") is None, reason='no numba: pip install "efgan-rt[portraits]"'
)


def test_every_pair_gives_its_source_and_what_becomes_of_it(
    making: Making, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    pairs, out = tmp_path / "out", tmp_path / "crops"
    maker, settings = making(pairs=6)
    begin(pairs, settings, overwrite=False)
    record = maker.make(0)
    assert write_atlas(pairs, maker._model)
    main([str(pairs), str(out), "--side", "64"])
    table = read_labels(out / "labels.csv")
    found = PairSet([pairs / "train_00000"])
    truths = [found.row(number) for number in range(len(found))]
    moved = [np.abs(row["target_au"] - row["source_au"]).max() >= 0.05 for row in truths]
    assert len(table) == len(truths) + sum(moved)
    assert f"{len(table)} crops in " in capsys.readouterr().out
    assert set(table.identities) == set(record.train)
    assert table.identities[0] == record.train[0] and table.identities[-1] == record.train[-1]
    assert table.yaw_deg is not None
    assert table.yaw_deg == pytest.approx([record.yaw_deg[name] for name in table.identities])
    for number, row in enumerate(truths):
        place = table.files.index(f"00000_{number:04d}_source.jpg")
        assert table.au[place] == pytest.approx(row["source_au"], abs=0.01)
        shown = read_picture(out / "images" / table.files[place]).astype(int)
        small = cv2.resize(row["source"], (64, 64), interpolation=cv2.INTER_AREA)
        assert np.abs(shown - small).mean() < 4
        if moved[number]:
            place = table.files.index(f"00000_{number:04d}_target.jpg")
            assert table.au[place] == pytest.approx(row["target_au"], abs=0.01)
            edited = read_picture(out / "images" / table.files[place]).astype(int)
            far = np.abs(row["displacement"][-1].astype(float)).max() > 2
            assert not far or np.abs(edited - small).max() > 20


def test_a_turned_head_is_turned_the_way_it_looks() -> None:
    fit = toy_face(300, {}).fit
    assert abs(fit.yaw_deg) < 1
    cosine, sine = np.cos(np.radians(20)), np.sin(np.radians(20))
    turn = np.array([[cosine, 0, sine], [0, 1, 0], [-sine, 0, cosine]])
    turned = type(fit)(turn @ fit.rotation, fit.scale, fit.shift, fit.identity, fit.expression)
    assert turned.yaw_deg == pytest.approx(20, abs=1)  # its nose points to the picture's right


def test_what_is_no_set_of_pairs_and_a_table_that_is_there_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match="no set of pairs that efgan-rt prepare --face-model made"):
        main([str(tmp_path), str(tmp_path / "out")])
    with pytest.raises(SystemExit, match="--side 0, expected 1 to 256, a pair's own side"):
        main([str(tmp_path), str(tmp_path / "out"), "--side", "0"])
    (tmp_path / "out").mkdir(exist_ok=True)
    (tmp_path / "out" / "labels.csv").write_text("mine")
    with pytest.raises(SystemExit, match="exists already; choose another folder"):
        main([str(tmp_path), str(tmp_path / "out")])
    assert (tmp_path / "out" / "labels.csv").read_text() == "mine"
