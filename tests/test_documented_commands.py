"""Every command that README and docs show: run here, or parsed and listed with the reason.

The commands run as they are typed, in a folder with what they name, on toy engines that are the
user's current ones. What is listed needs data under a licence, a GPU, a training's result or hours.
"""

import importlib.util
import re
import shlex
import shutil
import tomllib
from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

from benchmarks.kit import REPOSITORY
from benchmarks.readme import pages
from efgan_rt.cli.app import app
from efgan_rt.engine_sets import make_current, own_set
from efgan_rt.pictures.read import read_picture
from efgan_rt.video.writer import VideoWriter
from tests.efgan_rt.conftest import cli, own_data_folder
from tests.toy_engines import write_toy_engines

__all__ = ["cli", "own_data_folder"]

EXPRESSIONS = {
    name: [0.1 * number, 4.5 - 0.5 * number, 0.3 * number]
    for number, name in enumerate(("happy", "sad", "angry", "surprised", "neutral"))
}
AU_NAMES = ("AU04", "AU12", "AU45")  # those that the pages name
# The beginning of a command -> why it is parsed alone. The longest beginning counts.
PARSED = {
    "prepare RaFD": "RaFD is licensed; tests/efgan_rt/cli/test_cli_prepare.py has its own labels",
    "prepare faces aus_openface.pkl": "the labels are licensed with CFEE; tested likewise",
    "prepare portraits": "the face model is licensed; tests/efgan_rt/cli/test_cli_prepare_pairs.py",
    "train paper": "trains on RaFD for days; tests/efgan_rt/cli/test_cli_train.py trains in small",
    "train rendered-w16": "trains for hours; likewise",
    "evaluate rafd": "RaFD is licensed; tests/efgan_rt/cli/test_cli_evaluate.py evaluates toys",
    "build-engines": "takes a training's result; tests/efgan_rt/cli/test_cli_build_engines.py",
    "batch faces out --expression happy --engines DIR": "takes a built set; test_int8_engines.py",
    "batch s3:": "a bucket; tests/efgan_rt/remote/test_remote_folders.py has servers of its own",
    "batch gs:": "likewise",
    "batch pictures.txt": "addresses; likewise",
    "batch /shared/photos": "a cluster's folders; tests/efgan_rt/shards runs two nodes",
    "batch faces out --model eet": "nothing of it ships; tests/efgan_rt/families builds toys",
    "train eet": "trains for hours; tests/train/families trains in small",
    "train ecgan": "likewise",
    "export-triton": "the shipped set; tests/export/test_triton.py exports toys and it",
    "bench": "takes minutes; tests/efgan_rt/cli/test_cli_bench.py measures toys",
    "studio": "ends with Ctrl-C; tests/efgan_rt/studio/test_studio_guard.py runs and ends it",
}
MAKE_BY_HAND = ("demo", "test", "check", "evaluate", "bench", "wheels", "ship", "clean")


def shown(pattern: str) -> list[str]:
    """The lines of the pages that are commands, without what is commented behind them."""
    text = "\n".join(path.read_text() for path in pages()).replace("\\\n", " ")
    found = re.findall(rf"^ {{4,6}}({pattern} .*)$", text, flags=re.MULTILINE)
    return sorted({shlex.join(shlex.split(line, comments=True)) for line in found})


COMMANDS = shown("efgan-rt")


def reason_to_parse(command: str) -> str | None:
    """Why a command is not run here; None for one that is."""
    words = command.removeprefix("efgan-rt ")
    found = [each for each in PARSED if _begins(words, each)]
    return PARSED[max(found, key=len)] if found else None


def _begins(words: str, beginning: str) -> bool:
    """Whether a command begins so; a beginning that ends with a colon is of an address."""
    return f"{words} ".startswith(beginning if beginning.endswith(":") else f"{beginning} ")


RUN = [command for command in COMMANDS if reason_to_parse(command) is None]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, own_data_folder: Path) -> Path:
    """A folder with all that the commands name."""
    engines = own_set("toy")
    engines.mkdir(parents=True)
    properties = {"expressions": EXPRESSIONS, "au_names": list(AU_NAMES)}
    write_toy_engines(engines, properties=properties)
    make_current(engines)
    examples = REPOSITORY / "examples"
    place = tmp_path / "place"
    for folder, files in {
        "photos": sorted((examples / "photographs").glob("*.jpg")),
        "faces": sorted((examples / "faces").glob("*.jpg"))[:2],
    }.items():
        (place / folder).mkdir(parents=True)
        for number, file in enumerate(files):
            shutil.copy(file, place / folder / f"{number}.jpg")
    shutil.copy(place / "photos" / "0.jpg", place / "smile.jpg")
    shutil.copytree(examples, place / "examples", ignore=shutil.ignore_patterns("__pycache__"))
    (place / "edits.csv").write_text("file,expression\n0.jpg,happy\n1.jpg,sad\n")
    (place / "rules.csv").write_text("path,face,expression\nchurch,1,surprised\n")
    (place / "wedding.toml").write_text('version = 1\nexpression = "happy"\n')
    (place / "openface").mkdir()
    for number in range(2):
        units = ", ".join(f"{name}_r" for name in AU_NAMES)
        values = ", ".join("1.0" for _ in AU_NAMES)
        text = f"face, confidence, {units}\n0, 0.98, {values}\n"
        (place / "openface" / f"{number}.csv").write_text(text)
    monkeypatch.chdir(place)
    return place


def film(path: Path) -> None:
    """Four frames of the photograph."""
    picture = read_picture(REPOSITORY / "examples" / "photographs" / "astronaut.jpg")[:256, :320]
    with VideoWriter(path, 320, 256, Fraction(12), quality=80) as writer:
        for _ in range(4):
            writer.write(picture)


@pytest.mark.slow
@pytest.mark.parametrize("command", RUN)
def test_a_command_does_what_the_page_shows(
    command: str, place: Path, cli: Callable[..., Any]
) -> None:
    words = shlex.split(command)[1:]
    if words[0] == "video" or "mp4" in words:
        pytest.importorskip("av", reason="PyAV is missing: pip install av")
        for name in ("talk.mp4", "talk.mov"):
            film(place / name)
    if "portrait" in words and words[1] != "save":
        cli("presets", "save", "portrait", "-e", "happy")
    if words[-1] == "group" and "--preset" in words:
        cli("presets", "save", "group", "-e", "happy", "--only-if", "AU12<1.5")
    result = cli(*words)
    assert result.status == 0, result.err
    if words[0] in ("batch", "video") and "--dry-run" not in words:
        made = place / words[2]
        assert made.is_file() or any(made.rglob("*.*"))
    for option in ("--report", "--contact-sheet"):
        if option in words:
            assert (place / words[words.index(option) + 1]).is_file()


@pytest.mark.parametrize("command", [each for each in COMMANDS if each not in RUN])
def test_a_command_that_is_not_run_is_parsed(command: str) -> None:
    words = shlex.split(command)[1:]
    group = get_command(app)
    parser = group.commands[words[0]]  # type: ignore[attr-defined]
    context = parser.make_context(words[0], words[1:], resilient_parsing=False)
    assert context.params


def test_every_reason_is_one_of_a_command() -> None:
    unused = [
        each
        for each in PARSED
        if not any(_begins(c.removeprefix("efgan-rt "), each) for c in COMMANDS)
    ]
    assert unused == []
    assert len(RUN) >= 25, "most pages are about what runs here"


def test_every_make_target_is_one() -> None:
    makefile = (REPOSITORY / "Makefile").read_text()
    targets = set(re.findall(r"^([a-z]+):", makefile, flags=re.MULTILINE))
    for line in shown("make"):
        assert shlex.split(line)[1] in targets, line
    assert set(MAKE_BY_HAND) <= targets


def test_every_pip_line_names_extras_that_there_are() -> None:
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = set(project["optional-dependencies"])
    lines = shown("pip")
    assert lines
    for line in lines:
        for found in re.findall(r"\[([a-z0-9,_-]+)\]", line):
            assert set(found.split(",")) <= extras, line


def test_every_module_that_is_run_is_one() -> None:
    for line in shown("python"):
        words = shlex.split(line)
        if words[1] == "-m":
            assert importlib.util.find_spec(words[2]) is not None, line
        else:
            assert (REPOSITORY / words[1]).is_file(), line
