"""How soon the studio's page shows a change, and what a run from the page costs.

    python -m benchmarks studio_preview

A photograph of one face, enlarged to the height of a canvas of two megapixels, is opened in
`efgan-rt studio`, in a headless Chromium. The intensity is changed a hundred times, each time once
the change before is drawn; a change counts from the slider's event to the frame with the new
picture, as the page itself measures it (User Timing), and the server says how much of that the edit
took. Then the same edit runs on a folder, from the page and from the command line by turns, each a
process of its own, by the clock.

Prints a line each and writes benchmarks/results/studio_preview.json.
"""

import random
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, Final

import cv2
import numpy as np

from benchmarks.chromium import BROWSER, DRIVER, MISSING, open_browser, wait_for
from benchmarks.kit import (
    COMMAND,
    ENVIRONMENT,
    PORTRAIT,
    Document,
    finish,
    parser,
    with_machine,
)
from benchmarks.photograph_speed import HEIGHT, WIDTH
from efgan_rt.errors import EfganError
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.read import read_picture
from efgan_rt.pictures.write import write_picture

CHANGE: Final = """
  const slider = document.getElementById("intensity");
  slider.value = arguments[0];
  slider.dispatchEvent(new Event("input", {bubbles: true}));"""
DRAWN: Final = "return performance.getEntriesByName('preview').length"
RUN: Final = """
  const done = arguments[1];
  const post = (path, body) => fetch(path, {method: "POST", body: JSON.stringify(body),
    headers: {"Content-Type": "application/json"}}).then((each) => each.json());
  const ended = async () => {
    const now = await (await fetch("run")).json();
    if (now.state === "ended") done(now); else setTimeout(ended, 50);
  };
  post("start", {name: arguments[0], ask: {expression: "happy"}}).then(ended);"""


def photograph() -> Picture:
    """The portrait in the middle of two megapixels, uint8 RGB; around it is nothing."""
    canvas = np.full((HEIGHT, WIDTH, 3), 128, np.uint8)
    side = (HEIGHT, HEIGHT)
    left = (WIDTH - HEIGHT) // 2
    portrait = cv2.resize(read_picture(PORTRAIT), side, interpolation=cv2.INTER_CUBIC)
    canvas[:, left : left + HEIGHT] = portrait
    return canvas


@contextmanager
def studio(folder: Path) -> Iterator[str]:
    """The address of a studio in a process of its own."""
    environment = ENVIRONMENT | {"PYTHONUNBUFFERED": "1"}
    with subprocess.Popen(
        [*COMMAND, "studio", str(folder)], stdout=subprocess.PIPE, text=True, env=environment
    ) as process:
        assert process.stdout is not None
        try:
            for line in process.stdout:
                if line.startswith("studio: "):
                    yield line.split()[1]
                    break
        finally:
            process.terminate()


def is_drawn(browser: Any, count: int) -> bool:
    """Whether so many previews have been drawn."""
    return bool(browser.execute_script(DRAWN) == count)


def preview_ms(browser: Any, changes: int) -> tuple[list[float], dict[str, Any]]:
    """The milliseconds of each change, and what was shown."""
    wait_for(lambda: browser.execute_script("return picture && $('after').width > 300"), 60)
    browser.execute_script("document.querySelector('[name=expression][value=happy]').click()")
    wait_for(lambda: browser.execute_script(DRAWN) == 1, 60)
    draw = random.Random(0)
    for number in range(1, changes + 1):
        browser.execute_script(CHANGE, round(draw.uniform(0.05, 2), 2))
        wait_for(partial(is_drawn, browser, number + 1), 30)
    script = "return performance.getEntriesByName('preview').slice(1).map((each) => each.duration)"
    editing = """
      return performance.getEntriesByType("resource")
        .filter((each) => each.name.endsWith("/preview"))
        .slice(1).map((each) => each.serverTiming[0].duration)"""
    shown = browser.execute_script(
        "return {width: $('after').width, height: $('after').height, faces: asks.length}"
    )
    shown["edit_ms"] = statistics.median(browser.execute_script(editing))
    return list(map(float, browser.execute_script(script))), dict(shown)


def run_seconds(browser: Any, folder: Path, pictures: int, rounds: int) -> dict[str, list[float]]:
    """The seconds of each run on the folder, from the page and from the command line by turns."""
    browser.set_script_timeout(600)
    seconds: dict[str, list[float]] = {"page": [], "command line": []}
    for number in range(rounds):
        started = time.perf_counter()
        state = browser.execute_async_script(RUN, f"page-{number}")
        seconds["page"].append(time.perf_counter() - started)
        assert state["done"] == pictures, state
        out = folder / "edited" / f"command-{number}"
        page = ["--report", str(out / "report.html"), "--exclude", "edited"]
        started = time.perf_counter()
        subprocess.run(
            [*COMMAND, "batch", str(folder), str(out), "-e", "happy", *page],
            check=True,
            capture_output=True,
            env=ENVIRONMENT,
        )
        seconds["command line"].append(time.perf_counter() - started)
    return seconds


def measure(changes: int, pictures: int, rounds: int) -> Document:
    """All figures."""
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place) / "pictures"
        folder.mkdir()
        write_picture(folder / "000.jpg", photograph())
        with studio(folder) as address, open_browser(Path(place) / "profile") as browser:
            browser.get(address)
            durations, shown = preview_ms(browser, changes)
            for number in range(1, pictures):
                shutil.copy(folder / "000.jpg", folder / f"{number:03}.jpg")
            seconds = run_seconds(browser, folder, pictures, rounds) if rounds else {}
    found = {f"p{each}_ms": float(np.percentile(durations, each)) for each in (50, 90, 99)}
    return with_machine(
        what="from the slider's event to the new picture drawn in Chromium, one face",
        megapixels=WIDTH * HEIGHT / 1e6,
        edit_p50_ms=shown.pop("edit_ms"),
        shown=shown,
        changes=len(durations),
        **found,
        largest_ms=max(durations),
        run_pictures=pictures,
        run_seconds=seconds,
        run_median_s={name: statistics.median(each) for name, each in seconds.items()},
    )


def main() -> None:
    """Measures, writes, prints."""
    given = parser(__doc__, "studio_preview")
    given.add_argument("--changes", type=int, default=100, metavar="N")
    given.add_argument("--pictures", type=int, default=24, metavar="N", help="in the run's folder")
    given.add_argument("--rounds", type=int, default=3, metavar="N", help="of the run, each way")
    options = given.parse_args()
    if not (BROWSER and DRIVER):
        raise EfganError(MISSING)
    document = measure(options.changes, options.pictures, options.rounds)
    finish(options.json, document, "studio_preview")
