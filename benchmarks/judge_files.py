"""Does a classifier name the files that `make demo` wrote as what they were to be?

    make demo && python benchmarks/judge_files.py

Reads every picture of `build/demo/<expression>/` and has the judge name it: the files themselves,
JPEG loss included. The judge was trained on real crops of other people and is used in no loss; a
classifier cannot tell a good picture from one that merely has the right expression, so the sheet is
there to be looked at. Prints a line an expression; writes benchmarks/results/contact_sheet.json.
"""

import argparse
import json
import sys
from pathlib import Path

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from benchmarks.picture_set import find_picture_set  # noqa: E402
from efgan_rt.pictures.read import read_picture  # noqa: E402
from efgan_rt.reporting.machine import machine_facts  # noqa: E402
from train.metrics.judges import load_or_train_judges  # noqa: E402

RESULTS = REPOSITORY / "benchmarks" / "results" / "contact_sheet.json"


def main() -> None:
    """Judges, prints, writes."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    add = parser.add_argument
    add("folder", type=Path, nargs="?", default=REPOSITORY / "build" / "demo", metavar="DIR")
    add("--data", type=Path, metavar="DIR", help="the picture set: labels.csv and images/")
    add("--judges", type=Path, default=REPOSITORY / "build" / "judges", metavar="DIR")
    arguments = parser.parse_args()
    judges = load_or_train_judges(find_picture_set(arguments.data), arguments.judges)
    named: dict[str, dict[str, str]] = {}
    for folder in sorted(arguments.folder.glob("[!.]*/")):  # the run's own records are hidden
        files = sorted(folder.glob("*.jpg"))
        pixels = np.stack([read_picture(file) for file in files])
        names = judges.name(pixels)
        named[folder.name] = dict(zip((file.stem for file in files), names, strict=True))
    right = {wanted: list(found.values()).count(wanted) for wanted, found in named.items()}
    count = sum(len(found) for found in named.values())
    for wanted, found in named.items():
        print(f"{wanted}: {right[wanted]} of {len(found)}")
    print(f"{sum(right.values())} of {count} named right")
    document = {
        "machine": machine_facts(),
        "right": sum(right.values()),
        "pictures": count,
        "by_expression": right,
        "named": named,
    }
    RESULTS.parent.mkdir(parents=True, exist_ok=True)
    RESULTS.write_text(json.dumps(document, indent=1) + "\n")


if __name__ == "__main__":
    main()
