"""A taste of `benchmarks/processes.py`: its pictures, its arithmetic, and a few real runs."""

from pathlib import Path

import pytest

from benchmarks.control_group import ControlGroup
from benchmarks.processes import (
    ONE,
    RAY,
    TWO,
    Taken,
    faults,
    mixed_pictures,
    outputs,
    ratios,
    ray_share,
)
from efgan_rt.errors import EfganError
from tests.toy_engines import write_toy_engines


def test_pictures_are_of_several_formats_and_no_two_are_the_same(tmp_path: Path) -> None:
    mixed_pictures(tmp_path, 60, 10)
    made = [path for path in tmp_path.rglob("*") if path.is_file()]
    whole = [path.read_bytes() for path in made if "broken" not in path.parent.name]
    assert len(set(whole)) == len(whole) == 50
    formats = {path.suffix for path in made}
    assert formats == {".jpg", ".png", ".webp", ".bmp", ".tif"}
    assert len(list((tmp_path / "broken-0").iterdir())) == 10


def test_a_start_is_in_no_figure() -> None:
    one, two = Taken(), Taken()
    for started in (3.0, 30.0):
        one.add(100, started + 1, started + 0.1)
        one.add(300, started + 3, started + 0.3)
        two.add(100, started + 2, started + 0.1)
        two.add(300, started + 3, started + 0.4)
    assert one.plain["ms"] == {"median": 10.0, "lowest": 10.0, "highest": 10.0}
    assert one.plain["processor_ms"]["median"] == 1.0
    assert ratios(two.processor_s, one.processor_s) == pytest.approx([1.5, 1.5])


def test_what_ray_takes_is_over_two_processes_and_of_a_shipped_picture() -> None:
    def took(milliseconds: float) -> dict[str, dict[str, float]]:
        return {"processor_ms": {"median": milliseconds}}

    host = {"ways": {TWO: took(1.5), RAY: took(1.8)}}
    assert ray_share({"host": host}) is None
    found = ray_share({"host": host, "shipped": {"ways": {ONE: took(30.0)}}})
    assert found == {"over_two_processes_ms": 0.3, "share": 0.01}


@pytest.mark.slow
def test_every_way_makes_the_same_outputs(tmp_path: Path) -> None:
    pytest.importorskip("ray", reason='no Ray: pip install "efgan-rt[ray]"')
    try:
        with ControlGroup() as group:
            assert group.start(["true"]).wait() == 0 and group.processor_s > 0
    except EfganError as error:
        pytest.skip(str(error))
    write_toy_engines(tmp_path)
    found = outputs(60, 10, tmp_path)
    assert len(found["ways"]) == 4 and faults(found) == 0
    for way in found["ways"].values():
        assert (way["exit_status"], way["files"]) == (3, 50)
        assert way["unedited"] <= 6  # faces are looked for in every tenth, and not found in all
    found["ways"][TWO]["different"] = 1
    assert faults(found) == 1
