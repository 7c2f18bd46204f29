"""What `efgan-rt batch --report` writes: JSON for machines, or a page to look at, by the name."""

import shlex
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Final, Protocol

from efgan_rt.errors import EfganError
from efgan_rt.families.properties import Properties
from efgan_rt.pipeline.outcome import PictureResult
from efgan_rt.reporting.latency import LatencyRecorder

PAGE_EXTENSIONS: Final = (".html", ".htm")
LABELS: Final = {
    "efgan_rt": "efgan-rt",
    "memory_gib": "memory, GiB",
    "load_average": "load before",
}


class Report(Protocol):
    """Takes every picture that is dealt with, one at a time, and then the summary."""

    def add(self, result: PictureResult) -> None:
        """Takes a picture."""
        ...

    def finish(self, summary: Mapping[str, Any]) -> None:
        """Gives the report its name."""
        ...


def is_page(path: Path | None) -> bool:
    """Whether a report of that name is a page, for which every picture needs its view."""
    return path is not None and path.suffix.lower() in PAGE_EXTENSIONS


def refuse_as_input(path: Path, source: Path, output: Path, what: str) -> None:
    """Among the inputs a sheet would replace one; it, or a page's pictures, would be edited next.

    Raises:
        EfganError: the name lies there.
    """
    place, source, output = (each.resolve() for each in (path, source, output))
    if place.is_relative_to(source) and not place.is_relative_to(output):
        raise EfganError(f"{path}: lies among the inputs; choose another place for the {what}")


def check(path: Path, *, overwrite: bool) -> None:
    """Refuses a report before any work.

    Raises:
        EfganError: its name says no kind, or it would replace what is no report of that kind.
    """
    if is_page(path):
        from efgan_rt.reporting.page_report import check_page

        check_page(path, overwrite=overwrite)
    elif path.suffix.lower() == ".json":
        from efgan_rt.reporting.run_report import check_report

        check_report(path, overwrite=overwrite)
    else:
        raise EfganError(f"{path}: the report's name must end in .html or .json")


def open_report(
    path: Path,
    about: Mapping[str, Any],
    *,
    source: Path,
    targets: Sequence[str],
    properties: Properties,
    chosen_because: str,
    used: Mapping[str, Any],
    recorder: LatencyRecorder,
    edit_of: Callable[[Path], str] = lambda _: "",
    left_alone: Callable[[], Iterable[tuple[Path, str]]] = tuple,
) -> Report:
    """Begins a report.

    Args:
        path: its name.
        about: plain values on what was asked for.
        source: the pictures.
        targets: names of the edits.
        properties: of the engine set.
        chosen_because: why its backend and precision.
        used: the same as plain values.
        recorder: has the run's latency at its end.
        edit_of: what a picture was edited to, where each has its own; else "".
        left_alone: gives the files that were not edited, and why.

    Raises:
        EfganError: it cannot be written.
    """
    if not is_page(path):
        from efgan_rt.reporting.run_report import RunReport

        return RunReport(path, about, properties.au_names, edit_of, left_alone)
    from efgan_rt.reporting.machine import machine_facts
    from efgan_rt.reporting.page_report import PageAbout, PageReport

    facts = machine_facts()
    packages = facts.pop("packages")
    run = [
        ("Asked for", {"command": shlex.join(["efgan-rt", *sys.argv[1:]]), **about}),
        ("Engines", {**used, "chosen because": chosen_because, "stages": properties.stages}),
        ("Machine", {LABELS.get(name, name): value for name, value in facts.items()}),
        ("Versions", packages),
    ]
    page = PageAbout(source, targets, properties.au_names, properties.crop_px, run)
    return PageReport(path, page, recorder)
