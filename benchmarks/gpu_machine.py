"""The first minutes on a GPU machine that can fetch nothing: four calls, each of a limited time.

    python -m benchmarks gpu_machine 1      180 s: providers, PyTorch on lanes, the host's own limit
    python -m benchmarks gpu_machine 2      120 s: launches and graphs; PyCUDA begins to be built
    python -m benchmarks gpu_machine 3      300 s: ONNX Runtime: parity, speed, kernels
    python -m benchmarks gpu_machine 4      150 s: PyCUDA, lanes, memory over 5,000 pictures

What is missing there is packed beforehand (`gpu.pack`) and carried in folders build/gpu-machine/0
to 3, one a call. A call takes in what has been carried, then does its steps, each with a limit
of its own, and ends in its time. Results are in one file, written after every unit: $OUT/gpu.json
where OUT names a folder, and what is there, or was carried as build/gpu-machine/gpu.json, is not
measured again. docs/gpu-machine.md says what to look at.

Nothing is imported here but Python itself: before the first call the machine has nothing else.
"""

import argparse
import hashlib
import lzma
import os
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from collections.abc import Collection
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Final

REPOSITORY: Final = Path(__file__).resolve().parents[1]
CARRIED: Final = REPOSITORY / "build" / "gpu-machine"
HOME: Final = Path(os.environ.get("GPU_HOME", "/tmp/efgan-gpu"))
RESULTS: Final = "gpu.json"
MARGIN_S: Final = 5.0  # of a call, for its own end
WAIT_FOR_PYCUDA_S: Final = 40.0
TIME_OVER: Final = 75
PATIENCE: Final = 6  # with a machine that only rehearses


@dataclass(frozen=True)
class Step:
    """A part of `benchmarks.gpu`, and how long it may take."""

    part: str
    limit_s: float
    options: str = ""
    quick: str = ""
    """In place of them where only the way is rehearsed."""


@dataclass(frozen=True)
class Call:
    """One command there.

    Attributes:
        limit_s: for all of it.
        archive: that has to have arrived.
        steps: in their order; what is most worth knowing comes first.
    """

    limit_s: float
    archive: str
    steps: tuple[Step, ...]


SHORT: Final = "--rounds 1 --seconds 1"
QUICK: Final = "--rounds 1 --seconds 0.01 --batches 2"
CALLS: Final = {
    1: Call(
        180,
        "small",
        (
            Step("facts", 25, "--only without-onnxruntime-gpu"),
            Step("tests", 35, "--only providers --tests-of cuda-bindings"),
            Step(
                "bench",
                60,
                f"--only channels_last, --batches 64 8 {SHORT} --precisions fp16",
                f"--only lanes {QUICK} --precisions fp32",
            ),
            Step("host", 60, "--pictures 8000 --batches 64", "--pictures 8 --processes 1 2"),
        ),
    ),
    2: Call(120, "small", (Step("launches", 60, "--seconds 2", QUICK),)),
    3: Call(
        300,
        "large",
        (
            Step("facts", 30),
            Step("parity", 90, "--only onnxruntime-cuda", "--only fp32 --faces 2"),
            Step(
                "bench",
                120,
                f"--only onnxruntime-cuda --batches 64 8 {SHORT} --precisions fp16",
                f"--only loop {QUICK} --precisions fp32",
            ),
            Step(
                "kernels",
                60,
                "--only onnxruntime-cuda --batches 64 --precisions fp16",
                f"--only loop {QUICK} --precisions fp32",
            ),
        ),
    ),
    4: Call(
        150,
        "large",
        (
            Step("tests", 20, "--only providers --tests-of stays_there"),
            Step("tests", 25, "--only providers --tests-of pycuda"),
            Step("tests", 45, "--only lanes"),
            Step("plateau", 80, "--pictures 5000 --batches 32", "--pictures 24 --batches 2"),
        ),
    ),
}


def take_in(carried: Path, home: Path) -> None:
    """Joins the pieces that have arrived; a whole archive is unpacked and its wheels installed.

    Raises:
        SystemExit: the pieces are not what was packed.
    """
    pieces = home / "pieces"
    pieces.mkdir(parents=True, exist_ok=True)
    for file in carried.glob("[0-9]*/*"):
        shutil.copy(file, pieces)
    for summed in sorted(pieces.glob("*.sum")):
        name, done = summed.stem, home / f"{summed.stem}.done"
        digest, count = summed.read_text().split()
        found = sorted(pieces.glob(f"{name}.[0-9]*"))
        if done.is_file() and done.read_text() == digest:
            continue
        if len(found) < int(count):
            print(f"{name}: {len(found)} of {count} pieces are here", flush=True)
            continue
        packed = home / f"{name}.tar.xz"
        packed.write_bytes(b"".join(piece.read_bytes() for piece in found))
        if hashlib.sha256(packed.read_bytes()).hexdigest() != digest:
            raise SystemExit(f"error: the pieces of {name} are not those that were packed")
        with lzma.open(packed) as content, tarfile.open(fileobj=content, mode="r|") as tar:
            tar.extractall(home, filter="data")
        packed.unlink()
        wheels = [str(wheel) for wheel in (home / "wheels").glob("*.whl")]
        if wheels:
            pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps"]
            pip += ["--no-compile", "--upgrade", "--target", str(home / "site"), *wheels]
            subprocess.run(pip, check=True)
        for wheel in wheels:
            Path(wheel).unlink()
        done.write_text(digest)
        print(f"{name}: taken in", flush=True)


def environment(home: Path) -> dict[str, str]:
    """Of the steps: what was carried before what is there, with CUDA's libraries of both."""
    found = dict(os.environ)
    torch = find_spec("torch")
    places = [home / "site", *([Path(torch.origin or "").parents[1]] if torch else [])]
    libraries = [str(path) for place in places for path in place.glob("nvidia/*/lib")]
    found["LD_LIBRARY_PATH"] = ":".join(filter(None, [*libraries, found.get("LD_LIBRARY_PATH")]))
    found["PYTHONPATH"] = f"{home / 'site'}:{REPOSITORY}"
    found |= {"PYTHONUNBUFFERED": "1", "TORCHINDUCTOR_CACHE_DIR": str(home / "inductor")}
    return found


BUILD_PYCUDA: Final = """
set -e
rm -rf "$1/pycuda" && mkdir -p "$1/pycuda" && cd "$1/pycuda"
tar --strip-components=1 -xzf "$1"/wheels/pycuda-*.tar.gz
# Something to link with where the driver's library has no name without a number.
gcc -shared -x c /dev/null -Wl,-soname,libcuda.so.1 -o libcuda.so
export LIBRARY_PATH=$PWD
# Without CURAND, whose header comes apart from the compiler's.
"$2" configure.py --cuda-root="${CUDA_ROOT:-/usr/local/cuda}" --no-cuda-enable-curand
"$2" -m pip install --quiet --no-index --no-deps --no-build-isolation --target "$1/site" .
"""


def build_pycuda(home: Path) -> None:
    """Begins to build PyCUDA, in a session of its own: it goes on when the call has ended."""
    if (home / "pycuda.log").exists() or not list((home / "wheels").glob("pycuda-*.tar.gz")):
        return
    command = f"({BUILD_PYCUDA}); touch '{home}/pycuda.done'"
    with (home / "pycuda.log").open("w") as log:
        subprocess.Popen(
            ["bash", "-c", command, "bash", str(home), sys.executable],
            env=environment(home),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )


def wait_for_pycuda(home: Path) -> None:
    """Until it is built, or for a while; says how it ended."""
    log, until = home / "pycuda.log", time.monotonic() + WAIT_FOR_PYCUDA_S
    while log.exists() and not (home / "pycuda.done").exists() and time.monotonic() < until:
        time.sleep(0.5)
    if log.exists():
        print("PyCUDA's build:", *log.read_text().splitlines()[-3:], sep="\n  ", flush=True)


def run_step(command: list[str], home: Path, limit_s: float) -> int:
    """A step's exit status; one that takes too long is ended with all that it has started."""
    with subprocess.Popen(
        command, cwd=REPOSITORY, env=environment(home), process_group=0
    ) as process:
        try:
            return process.wait(limit_s)
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            print(f"it took more than {limit_s:.0f} s and was ended", flush=True)
            return TIME_OVER


def run(
    number: int,
    carried: Path,
    home: Path,
    options: list[str],
    quick: bool,
    skip: Collection[str] = (),
) -> int:
    """One call, but for some parts; 0 where all of its steps ended well."""
    call, started = CALLS[number], time.monotonic()

    def left_s() -> float:
        return call.limit_s - MARGIN_S - (time.monotonic() - started)

    home.mkdir(parents=True, exist_ok=True)
    results = home / RESULTS
    if not results.exists() and (carried / RESULTS).exists():
        shutil.copy(carried / RESULTS, results)
    take_in(carried, home)
    if not (home / f"{call.archive}.done").exists() and not quick:
        print(f"error: call {number} needs what is packed as {call.archive}: carry its folders")
        return 1
    if number == 2:
        build_pycuda(home)
    if number == 4:
        wait_for_pycuda(home)
    status = 0
    for step in [each for each in call.steps if each.part not in skip]:
        limit_s = step.limit_s * PATIENCE if quick else min(step.limit_s, left_s())
        if limit_s <= 0:
            print(f"time is over before {step.part}; run the same call again", flush=True)
            return TIME_OVER
        asked = step.quick if quick and step.quick else step.options
        command = [sys.executable, "-m", "benchmarks", "gpu", step.part, *asked.split()]
        command += ["--results", str(results), "--sets", str(home / "sets"), *options]
        print(f"-- {step.part} {asked} (at most {limit_s:.0f} s)", flush=True)
        status = run_step(command, home, limit_s) or status
    print(f"call {number}: {time.monotonic() - started:.0f} of {call.limit_s:.0f} s", flush=True)
    return status


def main() -> int:
    """Runs a call; 0: all is done, 75: time was over before, 1: something failed."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("call", type=int, choices=CALLS)
    parser.add_argument("--carried", type=Path, default=CARRIED, metavar="DIR")
    parser.add_argument("--home", type=Path, default=HOME, metavar="DIR")
    parser.add_argument("--quick", action="store_true", help="a rehearsal: toy sizes, no GPU")
    parser.add_argument(
        "--skip", nargs="+", default=[], metavar="PART", help="leave out steps of these parts"
    )
    # The rest is for every step: see `gpu --help`.
    arguments, rest = parser.parse_known_args()
    at = arguments
    return run(at.call, at.carried, at.home, rest, at.quick, at.skip)
