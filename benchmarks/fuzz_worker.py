"""The process that tries malformed inputs on one reader, for `benchmarks/fuzz.py` to watch."""

import contextlib
import json
import mmap
import os
import resource
import struct
import sys
import tempfile
import time
import traceback
import warnings
from pathlib import Path
from typing import Any, Final

HANG_S: Final = 10.0
MEMORY_GB: Final = 8
# The state that a worker shares: the next input, how many were refused, the slowest in seconds and
# which one that was.
STATE: Final = struct.Struct("<QQdQ")
ACTS: Final = ("os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.link", "os.symlink")
NEVER: Final = ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn", "socket.connect")


def work(name: str, inputs: int, folder: Path) -> None:
    """A worker: tries one input after the other and keeps the shared state."""
    from tests.mutations import MENDABLE, all_readers

    (folder / "seeds").mkdir(exist_ok=True)
    own = Path(tempfile.mkdtemp(dir=folder))
    reader = all_readers(Path(tempfile.mkdtemp(dir=folder / "seeds")))[name]()
    acts = watch_acts(own)
    warnings.simplefilter("ignore")
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_GB << 30, MEMORY_GB << 30))
    with (
        (folder / "state").open("r+b") as handle,
        mmap.mmap(handle.fileno(), STATE.size) as state,
        (folder / "findings").open("a") as findings,
    ):
        number, refused, slowest_s, slowest = STATE.unpack(state)
        acts.clear()  # of our own opening
        while number < inputs:
            STATE.pack_into(state, 0, number, refused, slowest_s, slowest)
            data = reader.input(number)
            found = None
            started = time.perf_counter()
            try:
                reader.read(data, own)
            except MENDABLE:
                refused += 1
            except BaseException as error:
                where = traceback.format_exception(error)[-2:]
                found = {"kind": "escape", "input": number, "what": "".join(where)[-600:]}
            seconds = time.perf_counter() - started
            if acts:
                found = {"kind": "outside", "input": number, "what": acts[0]}
                acts.clear()
            if found is not None:
                print(json.dumps(found), file=findings, flush=True)
            if seconds > slowest_s:
                slowest_s, slowest = seconds, number
            number += 1
        STATE.pack_into(state, 0, number, refused, slowest_s, slowest)


def watch_acts(own: Path) -> list[str]:
    """A list that fills with whatever Python does outside a folder but read."""
    acts: list[str] = []

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event in NEVER:
            acts.append(f"{event} {arguments}")
            return
        if event == "open":
            path, mode, flags = arguments
            writes = (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT)
            if not writes and not set(mode or "") & set("wax+"):
                return
        elif event not in ACTS:
            return
        path = arguments[0]
        if isinstance(path, str | bytes) and not os.path.realpath(os.fsdecode(path)).startswith(
            f"{own}{os.sep}"
        ):
            acts.append(f"{event} {path!r}")

    sys.addaudithook(hook)
    return acts


def work_guided(name: str, runs: int, folder: Path) -> None:
    """A guided worker: hands the reader to libFuzzer, which ends the process."""
    import atheris

    with atheris.instrument_imports(include=["efgan_rt", "engines", "train"]):
        from tests.mutations import MENDABLE, all_readers

        (folder / "guided-seeds").mkdir()
        reader = all_readers(folder / "guided-seeds")[name]()
    own = Path(tempfile.mkdtemp(dir=folder))
    for number, seed in enumerate(reader.seeds):
        (folder / "corpus" / f"{number}").write_bytes(seed)
    acts = watch_acts(own)
    warnings.simplefilter("ignore")

    def once(data: bytes) -> None:
        with contextlib.suppress(*MENDABLE):
            reader.read(data, own)
        if acts:
            raise RuntimeError(f"acted outside: {acts}")

    limits = [f"-runs={runs}", f"-timeout={HANG_S:.0f}", f"-rss_limit_mb={MEMORY_GB << 10}"]
    fixed = ["-seed=1", "-max_len=65536", "-print_final_stats=1", f"-artifact_prefix={folder}/"]
    atheris.Setup([sys.argv[0], *limits, *fixed, str(folder / "corpus")], once)
    atheris.Fuzz()


if __name__ == "__main__":
    how, what, count, place = sys.argv[1:]
    {"work": work, "work_guided": work_guided}[how](what, int(count), Path(place))
