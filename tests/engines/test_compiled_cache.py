"""Compiled networks, kept for the next start: used when whole, made again when not."""

import os
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pytest

from engines.choice import BackendChoice
from engines.compiled_cache import CompiledCache
from engines.directory import EngineDirectory
from engines.open import open_engine
from tests.toy_engines import AU_NAMES, CROP_PX, write_toy_engines


@pytest.fixture
def cache(tmp_path: Path) -> CompiledCache:
    """Room for 100 bytes of blobs and digests."""
    return CompiledCache(tmp_path / "cache", most_bytes=100)


def edited(directory: Path, cache_dir: Path | None, **changes: int) -> npt.NDArray[np.uint8]:
    """What the toy's first stage makes of a fixed picture."""
    options = {"batch": 2} | changes
    engine = open_engine(
        EngineDirectory(directory),
        "stage_1",
        BackendChoice("openvino", "fp32", ""),
        threads=1,
        cache_dir=cache_dir,
        **options,
    )
    random = np.random.default_rng(0)
    shape = (options["batch"], CROP_PX, CROP_PX, 3)
    pixels = random.integers(0, 256, shape).astype(np.uint8)
    au = np.ones((options["batch"], len(AU_NAMES)), np.float32)
    return engine.request().run({"pixels": pixels, "au": au})["pixels_out"].copy()


@pytest.fixture
def toy(tmp_path: Path) -> Path:
    """A toy engine directory."""
    (tmp_path / "toy").mkdir()
    write_toy_engines(tmp_path / "toy")
    return tmp_path / "toy"


def test_a_network_out_of_the_cache_gives_the_same_picture(toy: Path, tmp_path: Path) -> None:
    expected = edited(toy, None)
    np.testing.assert_array_equal(edited(toy, tmp_path / "cache"), expected)
    (kept,) = (tmp_path / "cache").iterdir()
    before = kept.stat().st_ino
    np.testing.assert_array_equal(edited(toy, tmp_path / "cache"), expected)
    assert kept.stat().st_ino == before  # not compiled again


def test_another_batch_or_number_of_streams_is_another_blob(toy: Path, tmp_path: Path) -> None:
    edited(toy, tmp_path / "cache")
    edited(toy, tmp_path / "cache", batch=4)
    edited(toy, tmp_path / "cache", streams=2)
    assert len(list((tmp_path / "cache").iterdir())) == 3


@pytest.mark.parametrize("damage", ["turned over", "cut short", "emptied"])
def test_a_damaged_blob_is_made_again(toy: Path, tmp_path: Path, damage: str) -> None:
    expected = edited(toy, tmp_path / "cache")
    (kept,) = (tmp_path / "cache").iterdir()
    whole = kept.read_bytes()
    middle = len(whole) // 2
    turned = whole[:middle] + bytes(255 - byte for byte in whole[middle : middle + 400])
    kept.write_bytes(
        {
            "turned over": turned + whole[len(turned) :],
            "cut short": whole[:middle],
            "emptied": b"",
        }[damage]
    )
    np.testing.assert_array_equal(edited(toy, tmp_path / "cache"), expected)
    # A blob's bytes may differ between two compilations of the same.
    # Nodes are numbered on through a process, so a digit more here or there.
    assert abs(len(kept.read_bytes()) - len(whole)) < len(whole) / 100


def test_a_blob_that_the_runtime_refuses_is_none(cache: CompiledCache) -> None:
    path = cache.path(b"model", "1", {})
    cache.keep(path, b"blob")
    assert cache.load(path, bytes) == b"blob"

    def refuse(_: bytes) -> None:
        raise RuntimeError("another version's")

    assert cache.load(path, refuse) is None


def test_everything_that_a_blob_depends_on_is_in_its_name(cache: CompiledCache) -> None:
    names = {
        cache.path(model, version, settings)
        for model in (b"a", b"b")
        for version in ("1", "2")
        for settings in ({}, {"NUM_STREAMS": 2})
    }
    assert len(names) == 8


def test_the_oldest_blobs_go_when_there_are_too_many_bytes(cache: CompiledCache) -> None:
    paths = [cache.path(model, "1", {}) for model in (b"a", b"b", b"c")]
    for age, path in zip((300, 200, 100), paths, strict=True):
        cache.keep(path, b"123456")  # and 32 of its digest
        if path.exists():
            stamp = path.stat().st_mtime - age
            os.utime(path, (stamp, stamp))
    assert [path.exists() for path in paths] == [False, True, True]


def test_a_blob_beyond_the_limit_is_not_kept(cache: CompiledCache, tmp_path: Path) -> None:
    cache.keep(cache.path(b"a", "1", {}), bytes(101))
    assert not (tmp_path / "cache").exists()


def test_a_folder_that_cannot_be_written_is_no_error(toy: Path, tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file where the folder would be")
    np.testing.assert_array_equal(edited(toy, tmp_path / "cache"), edited(toy, None))
