"""Whether what is built installs and runs elsewhere, and whether every extra goes with every other.

    python -m benchmarks wheels                     (make wheels)
    python -m benchmarks wheels --install all       every extra in an environment of its own

Builds wheel and sdist, installs each into a clean environment on this Python, edits the example
photograph there, and asks `pip check`. Then pip resolves the core and every extra for the newer
Pythons, and all extras that may lie beside each other together. Extras are installed for real where
`--install` names them: `pip check` does not see it when one OpenCV overwrites another, `import cv2`
and `efgan-rt info` do.

It needs a network, so it is no part of `make test`. Writes benchmarks/results/wheels.json; the exit
status is 1 where something does not hold that is not listed as known.
"""

import re
import subprocess
import sys
import tempfile
import tomllib
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final

from benchmarks.kit import PORTRAIT, REPOSITORY, Document, parser, write

MOST_MB: Final = 40.0
PYTHONS: Final = ("3.12", "3.13", "3.14")
AT_ONCE: Final = 4  # of pip's resolutions, which wait for the network
# Two builds of one import package: of each set one is installed, never two.
APART: Final = (("cpu", "gpu"), ("gpu", "rtx"))
# Small, and what people install beside the engines; the others bring gigabytes.
SMALL: Final = ("cpu", "heic", "jxl", "plot", "portraits", "studio", "video")
# Why pip cannot resolve it from wheels alone, wherever that is.
SOURCE_ALONE: Final = {
    "judges": "face-recognition-models has no wheel",
    "pycuda": "is built from source with CUDA's headers; there are no wheels",
    "tensorrt": "comes as a source package, which asks for the wheels of a CUDA release",
}


def run(*command: object, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A command, whose output is kept."""
    return subprocess.run(
        list(map(str, command)), capture_output=True, text=True, check=False, cwd=cwd
    )


def last_line(text: str) -> str:
    """What pip says at its end of what is wrong, without colours."""
    plain = re.sub(r"\x1b\[[\d;]*m", "", text)
    lines = [line for line in plain.splitlines() if line.startswith("ERROR: ")]
    return (lines or plain.splitlines() or [""])[0].removeprefix("ERROR: ")[:300]


def build(out: Path) -> tuple[Path, Path]:
    """The wheel and the sdist, made as the package index would get them."""
    done = run(sys.executable, "-m", "build", "--outdir", out, REPOSITORY)
    assert done.returncode == 0, done.stdout[-2000:] + done.stderr[-2000:]
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return wheel, sdist


def environment(place: Path) -> Path:
    """The Python of a new, empty environment."""
    assert run(sys.executable, "-m", "venv", place).returncode == 0
    return place / "bin" / "python"


def installed(place: Path, file: Path, extra: str, *, edit: bool) -> dict[str, Any]:
    """What comes of a file with an extra in a clean environment.

    Args:
        place: of the environment.
        file: wheel or sdist.
        extra: "" for none.
        edit: whether the example photograph is edited there.
    """
    python = environment(place)
    wanted = f"{file}[{extra}]" if extra else str(file)
    done = run(python, "-m", "pip", "install", "--quiet", wanted)
    if done.returncode:
        return {"installs": False, "said": last_line(done.stderr)}
    found: dict[str, Any] = {"installs": True}
    found["pip check"] = run(python, "-m", "pip", "check").returncode == 0
    found["import cv2"] = run(python, "-c", "import cv2; cv2.FaceDetectorYN").returncode == 0
    command = place / "bin" / "efgan-rt"
    info = run(command, "info", cwd=place)
    found["info"] = info.returncode == 0 and "overwrite each other" not in info.stdout
    if edit:
        done = run(command, "batch", PORTRAIT.parent, place / "out", "-e", "happy", cwd=place)
        found["edits"] = done.returncode == 0 and (place / "out" / "astronaut.jpg").is_file()
    return found


def resolved(wheel: Path, extras: tuple[str, ...], python: str) -> str:
    """Why pip cannot resolve extras from wheels for a Python; "" where it can."""
    wanted = f"{wheel}[{','.join(extras)}]" if extras else str(wheel)
    options = ["--dry-run", "--ignore-installed", "--only-binary=:all:", "--quiet"]
    if python != f"{sys.version_info.major}.{sys.version_info.minor}":
        options += ["--python-version", python, "--target", "nowhere"]
    done = run(sys.executable, "-m", "pip", "install", *options, wanted)
    return last_line(done.stderr) if done.returncode else ""


def together(extras: list[str]) -> list[tuple[str, ...]]:
    """Sets of extras such that any two that may lie beside each other are in one of them."""
    lone = {name for pair in APART for name in pair}
    common = [name for name in extras if name not in lone and name not in SOURCE_ALONE]
    return [(*common, "cpu", "rtx"), (*common, "gpu")]


def main() -> int:
    """Runs the script."""
    given = parser(__doc__, "wheels")
    given.add_argument("--install", default=",".join(SMALL), metavar="EXTRAS", help="or all, none")
    options = given.parse_args()
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    extras = sorted(project["optional-dependencies"])
    chosen = extras if options.install == "all" else options.install.split(",")
    faults: list[str] = []

    def told(what: str, found: Any, fault: str) -> None:
        print(f"{what:44} {fault or found}", flush=True)
        if fault:
            faults.append(f"{what}: {fault}")

    with tempfile.TemporaryDirectory() as name:
        place = Path(name)
        wheel, sdist = build(place / "built")
        size = wheel.stat().st_size / 1e6
        told("the wheel's size, MB", f"{size:.1f}", "" if size < MOST_MB else f"{size:.1f}")
        document: Document = {"wheel_mb": round(size, 1), "installed": {}, "resolves": {}}
        asked = [(python, each) for python in PYTHONS for each in ("", *extras)]
        with ThreadPoolExecutor(AT_ONCE) as pool:
            answers = pool.map(lambda it: resolved(wheel, (it[1],) if it[1] else (), it[0]), asked)
            for (python, each), why in zip(asked, answers, strict=True):
                what = f"Python {python}, {each or 'the core'}"
                document["resolves"][what] = why or True
                listed = SOURCE_ALONE.get(each, "")
                told(what, listed or "resolves", "" if listed else why)
        for group in together(extras):
            why = resolved(wheel, group, f"{sys.version_info.major}.{sys.version_info.minor}")
            document["resolves"][" ".join(group)] = why or True
            told(f"{len(group)} extras beside each other", "resolve", why)
        clean = [(file.suffix.strip(".") + " + cpu", file, "cpu") for file in (wheel, sdist)]
        alone = [(f"wheel + {each}", wheel, each) for each in chosen if each not in ("none", "cpu")]
        for number, (what, file, extra) in enumerate([*clean, ("wheel", wheel, ""), *alone]):
            found = installed(place / f"env-{number}", file, extra, edit=extra == "cpu")
            document["installed"][what] = found
            wrong = [key for key, value in found.items() if value is False]
            known = extra in SOURCE_ALONE
            told(what, found, f"{', '.join(wrong)}: {found}" if wrong and not known else "")
    document["python"] = ".".join(map(str, sys.version_info[:3]))
    write(options.json, document)
    for fault in faults:
        print(f"fault: {fault}", file=sys.stderr)
    return int(bool(faults))
