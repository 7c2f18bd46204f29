"""Malformed inputs for every reader: does any crash, hang, or do something it should not?

    python -m benchmarks fuzz                          100,000 seeded mutations, shared out
    python -m benchmarks fuzz --guided 20000           as many again of atheris's, for each reader

Each reader has a process of its own, which is watched: an input that takes over 10 seconds is a
hang, a process that dies is a crash, an exception that is none of our sentences escapes, and a file
opened for writing, a renamed file, a started program or a connection anywhere but in the reader's
own folder is an act outside. After a hang or a crash the process goes on with the next input. An
input is known by its reader and number: `--reader JPEG --only 4711` tries that one again.

`--guided` needs atheris (`pip install atheris`), which steers by the branches that Python code
takes; OpenCV and PyTorch are not instrumented. Prints a line a reader and one JSON object last; the
same goes to benchmarks/results/fuzz.json. The exit status is 1 if anything was found.
"""

import importlib.util
import json
import re
import struct
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any, Final

from benchmarks.fuzz_worker import HANG_S, STATE
from benchmarks.kit import ENVIRONMENT, finish, parser, with_machine
from efgan_rt.pictures.header import is_writable

WORKER: Final = (sys.executable, "-m", "benchmarks.fuzz_worker")
START_S: Final = 60.0  # that a worker may take to import and to make its seeds
POLL_S: Final = 0.1
MAX_FINDINGS: Final = 20
# Shares of the inputs: as many as leave 20,000 of a million that give pixels, of every format.
SHARES: Final = {
    **{"JPEG": 0.06, "PNG": 0.14, "WebP": 0.07, "BMP": 0.05, "TIFF": 0.06, "HEIC": 0.06},
    **{"AVIF": 0.09, "JPEG XL": 0.15, "JPEG with more inside": 0.06, "several frames": 0.16},
    **{"labels": 0.03, "manifest": 0.03, "au": 0.02},
    **{"checkpoint.pt": 0.01, "checkpoint.safetensors": 0.01},
}


@dataclass
class Tried:
    """What came of one reader's inputs."""

    inputs: int = 0
    refused: int = 0
    seconds: float = 0.0
    slowest_s: float = 0.0
    slowest_input: int = 0
    guided_inputs: int = 0
    findings: list[dict[str, Any]] = field(default_factory=list)


def watch(name: str, inputs: int, folder: Path) -> Tried:
    """Runs a reader's worker to the end of its inputs, starting it again where it falls."""
    state_file, findings_file = folder / "state", folder / "findings"
    state_file.write_bytes(STATE.pack(0, 0, 0.0, 0))
    findings_file.touch()
    tried = Tried(inputs)
    started = time.perf_counter()
    fallen: list[dict[str, Any]] = []
    while True:
        command = [*WORKER, "work", name, str(inputs), str(folder)]
        with (folder / "said").open("wb") as said:
            worker = subprocess.Popen(
                command, cwd=folder, env=ENVIRONMENT, stdout=said, stderr=said
            )
        kind = _wait(worker, state_file)
        number, tried.refused, tried.slowest_s, tried.slowest_input = _state(state_file)
        if kind is None:
            break
        last_words = (folder / "said").read_text(errors="replace")[-300:]
        fallen.append({"kind": kind, "input": number, "what": last_words})
        with state_file.open("r+b") as handle:
            handle.write(struct.pack("<Q", number + 1))
        if len(fallen) >= MAX_FINDINGS:
            break
    tried.seconds = round(time.perf_counter() - started, 1)
    tried.slowest_s = round(tried.slowest_s, 3)
    tried.findings = fallen + [json.loads(line) for line in findings_file.read_text().splitlines()]
    return tried


def _state(path: Path) -> tuple[int, int, float, int]:
    number, refused, slowest_s, slowest = STATE.unpack(path.read_bytes())
    return int(number), int(refused), float(slowest_s), int(slowest)


def _wait(
    worker: "subprocess.Popen[bytes]", state_file: Path, hang_s: float = HANG_S
) -> str | None:
    """How the worker fell: `hang` or `crash`; None where it came to its end."""
    number, since = -1, time.monotonic()
    grace_s = START_S + hang_s
    while worker.poll() is None:
        time.sleep(POLL_S)
        current = _state(state_file)[0]
        if current != number:
            grace_s = hang_s if number >= 0 else grace_s
            number, since = current, time.monotonic()
        elif time.monotonic() - since > grace_s:
            worker.kill()
            worker.wait()
            return "hang"
    return "crash" if worker.returncode else None


def guide(name: str, runs: int, folder: Path, tried: Tried) -> None:
    """Runs atheris on a reader, and adds to what came of it."""
    (folder / "corpus").mkdir()
    command = [*WORKER, "work_guided", name, str(runs), str(folder)]
    with (folder / "said").open("w") as said:
        status = subprocess.run(
            command, cwd=folder, env=ENVIRONMENT, stdout=said, stderr=said, check=False
        )
    words = (folder / "said").read_text(errors="replace")
    executed = re.search(r"stat::number_of_executed_units:\s*(\d+)", words)
    tried.guided_inputs = int(executed[1]) if executed else 0
    if status.returncode or not executed:
        tried.findings.append({"kind": "guided", "input": None, "what": words[-1500:]})


def try_one(name: str, number: int) -> None:
    """Tries one input again, in this process, and lets everything through."""
    from tests.mutations import all_readers

    with tempfile.TemporaryDirectory() as seeds, tempfile.TemporaryDirectory() as own:
        reader = all_readers(Path(seeds))[name]()
        print(reader.read(reader.input(number), Path(own)))


def main() -> int:
    """Runs, prints, writes."""
    options = parser(__doc__, "fuzz")
    options.add_argument("--inputs", type=int, default=100_000, metavar="N")
    options.add_argument("--guided", type=int, default=0, metavar="N")
    options.add_argument("--reader", choices=SHARES, action="append", help="only this one")
    options.add_argument("--only", type=int, metavar="NUMBER", help="with --reader: this input")
    arguments = options.parse_args()
    names = arguments.reader or list(SHARES)
    if arguments.only is not None:
        try_one(names[0], arguments.only)
        return 0
    if arguments.guided and importlib.util.find_spec("atheris") is None:
        options.error("--guided needs atheris: pip install atheris")
    results = {}
    for name in names:
        if name == "HEIC" and not is_writable(name):
            print(
                "HEIC: left out, nothing here writes it: pip install 'efgan-rt[heic]'", flush=True
            )
            continue
        with tempfile.TemporaryDirectory() as folder:
            tried = watch(name, round(arguments.inputs * SHARES[name]), Path(folder))
            if arguments.guided:
                guide(name, arguments.guided, Path(folder), tried)
        results[name] = tried
        guided = f" + {tried.guided_inputs:,} guided" if tried.guided_inputs else ""
        print(
            f"{name}: {tried.inputs:,}{guided} inputs, {tried.refused:,} refused, "
            f"{len(tried.findings)} findings, slowest {tried.slowest_s:.3f} s, "
            f"{tried.seconds:.0f} s",
            flush=True,
        )
    findings = sum(len(tried.findings) for tried in results.values())
    document = with_machine(
        inputs=sum(tried.inputs + tried.guided_inputs for tried in results.values()),
        hang_s=HANG_S,
        findings=findings,
        readers={name: asdict(tried) for name, tried in results.items()},
    )
    finish(arguments.json, document, "fuzz")
    return 1 if findings else 0
