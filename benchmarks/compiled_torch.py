"""torch.compile in a process of its own, because nothing else can end a compilation.

The process takes a line of JSON for each run (batch, folders) and answers with one: pictures a
second. The first run at a batch compiles the networks for it, which takes a minute or several;
whoever waits sets a limit, and beyond it the process is ended.
"""

import json
import select
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(REPOSITORY))  # a script's own folder is there, the repository is not

from efgan_rt.errors import EfganError  # noqa: E402
from efgan_rt.expressions import Target  # noqa: E402

PATIENCE_S: Final = 600.0  # once everything is compiled


class CompiledLoop:
    """The other side: starts the process, asks it to edit, ends it where it takes too long."""

    def __init__(self, networks: Sequence[str], form: Sequence[str], target: Target) -> None:
        """Starts the process.

        Args:
            networks: arguments of `benchmarks.opponents` that say which networks: width, stages or
                a checkpoint.
            form: precision, and `channels_last` if that.
            target: what to make of every picture.
        """
        self.is_compiled = False
        self._target = [target.scale.tolist(), target.offset.tolist()]
        self._process = subprocess.Popen(
            [sys.executable, __file__, json.dumps([list(networks), list(form)])],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            bufsize=0,
        )

    def edit(self, batch: int, source: Path, out: Path, *, limit_s: float | None) -> float:
        """Edits all pictures of a folder; gives pictures a second, compiling not counted.

        Args:
            batch: always the same.
            source: the pictures.
            out: an existing folder for the edits.
            limit_s: for compiling and running; None is ten minutes.

        Raises:
            EfganError: the process has failed, or took longer than `limit_s`.
        """
        asked = {"batch": batch, "source": str(source), "out": str(out), "target": self._target}
        assert self._process.stdin is not None and self._process.stdout is not None
        started = time.monotonic()
        limit_s = PATIENCE_S if limit_s is None else max(0.0, limit_s)
        try:
            self._process.stdin.write(json.dumps(asked).encode() + b"\n")
            ready, _, _ = select.select([self._process.stdout], [], [], limit_s)
            if not ready:
                self.close()
                waited = time.monotonic() - started
                raise EfganError(f"batch {batch} was not compiled within {waited:.0f} s")
            answer = self._process.stdout.readline()
        except BrokenPipeError:
            answer = b""
        if not answer:
            raise EfganError(f"its process ended with status {self._process.wait()}")
        self.is_compiled = True
        return float(json.loads(answer)["images_per_s"])

    def close(self) -> None:
        """Ends the process."""
        self._process.kill()
        self._process.communicate()


def main() -> None:
    """The process: answers until its input ends."""
    from benchmarks.file_loops import edit_files
    from benchmarks.opponents import networks_of, parse_arguments
    from benchmarks.torch_engine import TorchForm, torch_networks
    from benchmarks.torch_loop import TorchLoop

    arguments, (precision, *layout) = json.loads(sys.argv[1])
    networks = networks_of(parse_arguments(arguments))
    form = TorchForm(precision, compiled=True, channels_last=bool(layout))
    exported = torch_networks(networks, form, "cpu")
    loops: dict[int, TorchLoop] = {}
    for line in sys.stdin:
        asked: dict[str, Any] = json.loads(line)
        batch = asked["batch"]
        scale, offset = (np.asarray(each, np.float32) for each in asked["target"])
        target, files = Target(scale, offset), sorted(Path(asked["source"]).iterdir())
        if batch not in loops:
            loops[batch] = TorchLoop(exported, networks.cascade.config.stages, batch, "cpu")
            edit_files(loops[batch], target, files[:batch], Path(asked["out"]), batch=batch)
        speed = edit_files(loops[batch], target, files, Path(asked["out"]), batch=batch)
        print(json.dumps({"images_per_s": speed}), flush=True)


if __name__ == "__main__":
    main()
