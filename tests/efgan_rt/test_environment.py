"""Machines as people have them: no home, another system's calls, and OpenCV over OpenCV."""

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from efgan_rt.engine_sets import compiled_folder, current_set, make_current
from efgan_rt.environment import installation_fault, opencv_packages
from efgan_rt.errors import EfganError
from efgan_rt.user_folders import data_folder

NAMELESS = 54321  # a user number that no machine has given a name
RUN = ("-m", "efgan_rt.cli.app")


@pytest.fixture
def open_folder(repository: Path) -> Iterator[Path]:
    """A folder that everybody may write to, with one picture in `in`; pytest's own are closed."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "in").mkdir()
        picture = sorted((repository / "examples/faces").glob("*.jpg"))[0]
        shutil.copy(picture, folder / "in" / "a.jpg")
        for each in (folder, folder / "in"):
            each.chmod(0o777)
        yield folder


def run(
    folder: Path,
    *arguments: object,
    environment: Mapping[str, str] | None = None,
) -> subprocess.CompletedProcess[str]:
    """The command line in a process of its own, with nothing in its environment but what is given.

    The package is found where this process finds it.
    """
    found = {"PATH": os.defpath, "PYTHONPATH": os.pathsep.join(sys.path), **(environment or {})}
    return subprocess.run(
        [sys.executable, *map(str, arguments)],
        cwd=folder,
        env=found,
        capture_output=True,
        text=True,
        timeout=300,
    )


def batch(toy_engines: Path, *options: object) -> tuple[object, ...]:
    engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", 4)
    return (*RUN, "batch", "in", "out", "-e", "happy", "--crops", *engines, *options)


# Files are still read as root, whose home folder may hold the interpreter.
NOBODY = f"""
import os, sys
os.setresuid({NAMELESS}, 0, 0)
from efgan_rt.cli.app import main
sys.argv = ["efgan-rt", *sys.argv[1:]]
main()
"""


def test_a_user_without_name_and_home_edits_and_keeps_nothing(
    open_folder: Path, toy_engines: Path
) -> None:
    if os.geteuid() != 0:
        pytest.skip("only root may become another user")
    engines = shutil.copytree(toy_engines, open_folder / "engines")  # pytest's own are closed
    _, _, *words = batch(engines)
    words.remove("--crops")  # so that a detector is opened
    done = run(open_folder, "-c", NOBODY, *words)
    assert done.returncode == 0, done.stderr
    assert sorted(each.name for each in open_folder.iterdir()) == ["engines", "in", "out"]
    info = run(open_folder, "-c", NOBODY, "info")
    assert info.returncode == 0, info.stderr
    said = " ".join(info.stdout.split())
    assert "home this user has no home directory" in said and "nothing is kept" in said


def test_an_empty_environment_is_enough(open_folder: Path, toy_engines: Path) -> None:
    done = run(open_folder, *batch(toy_engines))
    assert done.returncode == 0, done.stderr


def no_home(*_: object, **__: object) -> Path:
    raise RuntimeError("Could not determine home directory.")


def test_without_a_home_nothing_is_found_and_what_is_to_be_kept_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.delenv("XDG_DATA_HOME")
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setattr("platformdirs.user_data_path", no_home)
    monkeypatch.setattr("platformdirs.user_cache_path", no_home)
    assert compiled_folder() is None and current_set() is None
    with pytest.raises(EfganError, match=r"no home directory.*set HOME or XDG_DATA_HOME"):
        data_folder()
    with pytest.raises(EfganError, match="no home directory"):
        make_current(Path("mine"))


ELSEWHERE = """
import os, sys
sys.modules["fcntl"] = None
for name in ("link", "sched_getaffinity", "O_NONBLOCK"):
    delattr(os, name)
from efgan_rt.pipeline import journal
from engines import processor
journal.BOOT_ID = processor.CPUINFO = journal.Path("nowhere")
from efgan_rt.cli.app import main
sys.argv = ["efgan-rt", *sys.argv[1:]]
main()
"""


def test_a_folder_is_edited_without_what_only_linux_has(
    open_folder: Path, toy_engines: Path
) -> None:
    _, _, *words = batch(toy_engines)
    for said in ("1 of 1 picture edited", "1 were already done"):
        done = run(open_folder, "-c", ELSEWHERE, *words)
        assert done.returncode == 0, done.stderr
        assert said in done.stdout
    assert (open_folder / "out" / "a.jpg").is_file()


def test_this_installation_has_no_fault() -> None:
    assert installation_fault() is None


def other_opencv(
    folder: Path,
    source: str | None,
    package: str = "opencv-python-headless",
    release: str = "4.9.0.80",
) -> str:
    """A folder for the front of Python's path, with another OpenCV, or only word of one."""
    facts = folder / "site" / f"{package.replace('-', '_')}-{release}.dist-info"
    facts.mkdir(parents=True)
    (facts / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {release}\n")
    if source is not None:
        (folder / "site" / "cv2").mkdir()
        (folder / "site" / "cv2" / "__init__.py").write_text(source)
    return os.pathsep.join((str(folder / "site"), *sys.path))


@pytest.mark.parametrize(
    ("source", "package", "sentence"),
    [
        (
            None,
            "opencv-python",
            "and opencv-python 4.9.0.80 are installed, which overwrite each other's files; pip "
            "uninstall -y opencv-python-headless opencv-python && pip install",
        ),
        (
            "raise ImportError('libGL.so.1: cannot open shared object file')",
            "opencv-python-headless",
            "OpenCV is installed but does not load (libGL.so.1: cannot open shared object file); "
            "pip install --force-reinstall 'opencv-python-headless>=4.14,<5'",
        ),
        (
            "__version__ = '4.9.0'\nFaceDetectorYN = None",
            "opencv-python-headless",
            "OpenCV 4.9.0 is installed, and 4.14 or newer is needed; pip install",
        ),
        ("", "opencv-python-headless", "OpenCV is installed in part: files of it are missing; pip"),
    ],
    ids=["two", "does not load", "old", "in part"],
)
def test_what_is_wrong_with_opencv_is_one_sentence_and_info_shows_it(
    open_folder: Path,
    toy_engines: Path,
    tmp_path: Path,
    source: str | None,
    package: str,
    sentence: str,
) -> None:
    path = {"PYTHONPATH": other_opencv(tmp_path, source, package)}
    done = run(open_folder, *batch(toy_engines), environment=path)
    assert done.returncode == 1
    assert done.stderr.startswith("error: ") and sentence in done.stderr
    assert done.stderr.count("\n") == 1
    info = run(open_folder, *RUN, "info", environment=path)
    assert info.returncode == 0, info.stderr
    assert sentence in info.stdout


def test_two_opencvs_of_one_release_are_no_fault(
    open_folder: Path, toy_engines: Path, tmp_path: Path
) -> None:
    release = opencv_packages()["opencv-python-headless"]
    other = other_opencv(tmp_path, None, "opencv-contrib-python", release)
    done = run(open_folder, *batch(toy_engines), environment={"PYTHONPATH": other})
    assert done.returncode == 0, done.stderr


def test_a_package_that_is_missing_is_named(open_folder: Path, toy_engines: Path) -> None:
    code = "import sys; sys.modules['cv2'] = None\nfrom efgan_rt.cli.app import main\nmain()"
    _, _, *words = batch(toy_engines)
    done = run(open_folder, "-c", code, *words)
    assert done.returncode == 1
    assert done.stderr == (
        "error: efgan-rt needs opencv-python-headless, which is not installed; "
        "pip install 'opencv-python-headless>=4.14,<5'\n"
    )
