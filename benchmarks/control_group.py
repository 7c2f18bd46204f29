"""Processor time of commands and all that they start, living or ended, by a control group of Linux.

A process tells the time of children that it has waited for; a cluster's daemons have others, and
some that nobody waits for. A control group counts them all.
"""

import subprocess
import tempfile
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from time import monotonic, sleep
from typing import Any, Final

from efgan_rt.errors import EfganError

ROOT: Final = Path("/sys/fs/cgroup")
# Where groups are made, what counts in them, and its unit: version 1 and version 2.
PLACES: Final = (
    (ROOT / "cpuacct", "cpuacct.usage", 1e-9),
    (ROOT, "cpu.stat", 1e-6),
)
EMPTIES_WITHIN_S: Final = 10.0


class ControlGroup:
    """A group of its own, for as long as it is entered.

    Raises:
        EfganError: none can be made here.
    """

    def __enter__(self) -> "ControlGroup":
        for place, file, unit in PLACES:
            if (place / file).is_file():
                with suppress(OSError):
                    self._folder = Path(tempfile.mkdtemp(prefix="efgan-rt-", dir=place))
                    self._file, self._unit = self._folder / file, unit
                    return self
        raise EfganError(
            f"{ROOT}: no control group can be made, by which processor time is counted; run this "
            "as root on Linux"
        )

    def __exit__(self, *_: object) -> None:
        until = monotonic() + EMPTIES_WITHIN_S
        while self._folder.exists() and monotonic() < until:
            try:
                self._folder.rmdir()
            except OSError:  # somebody is still in it
                sleep(0.1)

    @property
    def processor_s(self) -> float:
        """Of all that were started in it, until now."""
        words = self._file.read_text().split()
        number = words[words.index("usage_usec") + 1] if "usage_usec" in words else words[0]
        return int(number) * self._unit

    def start(self, command: Sequence[str], **how: Any) -> "subprocess.Popen[str]":
        """Starts a command in it; `how` is as `subprocess.Popen` takes it."""
        joining = f'echo $$ > "{self._folder}/cgroup.procs" && exec "$@"'
        return subprocess.Popen(["sh", "-c", joining, "sh", *command], text=True, **how)
