"""What the second floor's tests share: pictures, toy engines, and the command line itself."""

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest

from efgan_rt.cli.app import main
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.write import write_picture
from tests.toy_engines import write_toy_engines


def make_picture(height: int = 128, width: int = 128, seed: int = 0) -> Picture:
    """A smooth picture, uint8 (height, width, 3), different for every seed."""
    rows, columns = np.mgrid[:height, :width] / max(height, width)
    phase = np.random.default_rng(seed).uniform(0, 6, 3)
    waves = [np.sin(6 * rows + p) + np.cos(6 * columns - p) for p in phase]
    return np.stack([63 * wave + 127 for wave in waves], axis=-1).astype(np.uint8)


@pytest.fixture(scope="session", name="make_picture")
def make_picture_fixture() -> Callable[..., Picture]:
    """`make_picture(height, width, seed)`."""
    return make_picture


@pytest.fixture
def faces(tmp_path: Path) -> Path:
    """A folder of 11 PNG pictures of 128 x 128, four of them in two subfolders."""
    folder = tmp_path / "faces"
    names = [
        *(f"{number:02}.png" for number in range(7)),
        "a/x.png",
        "a/y.png",
        "b/x.png",
        "b/z.png",
    ]
    for seed, name in enumerate(names):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        write_picture(folder / name, make_picture(seed=seed))
    return folder


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """An empty folder for pictures."""
    folder = tmp_path / "in"
    folder.mkdir()
    return folder


@pytest.fixture
def out(tmp_path: Path) -> Path:
    """Where a run's outputs go."""
    return tmp_path / "out"


@contextmanager
def without_root() -> Iterator[None]:
    """Reads and writes as an ordinary user, for root may do both everywhere."""
    user = os.geteuid()
    os.seteuid(65534 if user == 0 else user)
    try:
        yield
    finally:
        os.seteuid(user)


@pytest.fixture(name="without_root")
def without_root_fixture() -> Callable[[], AbstractContextManager[None]]:
    """`with without_root(): ...`."""
    return without_root


@pytest.fixture(scope="session")
def toy_engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine directory of toy networks: crops of 16 pixels, expressions happy and blink."""
    directory = tmp_path_factory.mktemp("toy") / "engines"
    directory.mkdir()
    write_toy_engines(directory)
    return directory


@pytest.fixture(scope="session")
def three_stages(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An engine directory of toy networks with a cascade of three stages."""
    directory = tmp_path_factory.mktemp("three-stages")
    write_toy_engines(directory, stages=3)
    return directory


@pytest.fixture(autouse=True)
def own_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps the tester's own engines out of the tests: the user's data folder is an empty one.

    So is the cache folder, where compiled networks are kept.
    """
    folder = tmp_path / "user-data"
    monkeypatch.setenv("XDG_DATA_HOME", str(folder))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "user-cache"))
    return folder


@dataclass(frozen=True)
class CommandResult:
    """What a command did."""

    status: int
    out: str
    err: str


@pytest.fixture
def cli(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Callable[..., CommandResult]:
    """`cli("batch", ...)` runs the command line in this process."""

    def run(*arguments: object) -> CommandResult:
        monkeypatch.setattr(sys, "argv", ["efgan-rt", *map(str, arguments)])
        capsys.readouterr()
        with pytest.raises(SystemExit) as exit_:
            main()
        captured = capsys.readouterr()
        status = exit_.value.code
        assert isinstance(status, int)
        return CommandResult(status, captured.out, captured.err)

    return run


@pytest.fixture(autouse=True)
def squares_are_not_covered(
    request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Squares and waves stand for faces in some tests: nobody asks what covers or lights them."""
    text = Path(request.path).read_text()
    if "red_squares" in text:
        monkeypatch.setattr("efgan_rt.faces.framing.free_share", lambda _: None)
    if "inverter" in text:  # pictures of waves, in whatever light
        monkeypatch.setattr("efgan_rt.faces.exposure.exposure_of", lambda _: None)
