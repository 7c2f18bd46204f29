"""The run of an edit on the studio's folder: `efgan-rt batch` in a process of its own.

So it does what the command line does, journal, report and all; what hangs or runs out of memory
takes no page with it, and stopping it is its Ctrl-C. How far it is comes as JSON lines.
"""

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Final

from efgan_rt.errors import EfganError
from efgan_rt.presets.library import checked_name
from efgan_rt.presets.preset import Preset, preset_toml
from efgan_rt.studio.roots import Roots

REPORT: Final = "report.html"
KEPT_SENTENCES: Final = 200
END_S: Final = 10.0
# Of `efgan-rt batch`: what each status means.
SAID: Final = {0: "done", 3: "some pictures failed", 130: "stopped"}


class FolderRun:
    """One run at a time; any thread may call it.

    Args:
        roots: the folder, and where edits go.
        private: a folder for the preset that is run.
        options: of `efgan-rt batch`: engines, faces and the like.
    """

    def __init__(self, roots: Roots, private: Path, options: Sequence[str]) -> None:
        self._roots = roots
        self._private = private
        self._options = tuple(options)
        self._lock = threading.Lock()
        self._process: subprocess.Popen[str] | None = None
        self._state: dict[str, Any] = {"state": "none"}
        self._sentences: list[str] = []

    def start(self, name: str, preset: Preset) -> dict[str, Any]:
        """Begins a run; its edits go to a folder of its name.

        Args:
            name: of the run.
            preset: what is edited.

        Raises:
            EfganError: another run is at work, or the name cannot be one.
        """
        out = self._roots.out / checked_name(name)
        self._roots.refuse_links_out()
        if out.is_symlink():
            raise EfganError(f"{out}: is a link; remove it, or give the run another name")
        with self._lock:
            if self._process is not None and self._process.poll() is None:
                raise EfganError("a run is at work; wait for its end, or stop it")
            file = self._private / f"{name}.toml"
            file.write_bytes(preset_toml(preset))
            self._roots.out.mkdir(parents=True, exist_ok=True)
            command = [
                *(sys.executable, "-m", "efgan_rt.cli.app", "batch"),
                *(str(self._roots.source), str(out), "--preset", str(file)),
                *("--report", str(self.report_of(name)), "--no-links", "--progress", "json"),
                *(part for each in self._roots.excluded for part in ("--exclude", each)),
                *self._options,
            ]
            self._sentences = []
            self._state = {"state": "running", "name": name, "done": 0, "failed": 0, "planned": 0}
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.STDOUT,
                text=True,
                errors="backslashreplace",
                start_new_session=True,  # the terminal's Ctrl-C is the studio's own
            )
            threading.Thread(target=self._follow, args=(self._process, name), daemon=True).start()
        return self.state()

    def _follow(self, process: subprocess.Popen[str], name: str) -> None:
        assert process.stdout is not None
        for line in process.stdout:
            text = line.rstrip()
            with self._lock:
                if text.startswith("{"):
                    self._state |= json.loads(text)
                elif text and len(self._sentences) < KEPT_SENTENCES:
                    self._sentences.append(text)
        status = process.wait()
        with self._lock:
            self._state["state"] = "ended"
            self._state["said"] = SAID.get(status, "it could not be done")
            report = self.report_of(name)
            self._state["report"] = self._roots.address_of(report) if report.is_file() else ""

    def report_of(self, name: str) -> Path:
        """The report page of a run; beside its edits, where it is no input of the next run."""
        return self._roots.out / checked_name(name) / REPORT

    def state(self) -> dict[str, Any]:
        """How far it is: `state` is `none`, `running` or `ended`."""
        with self._lock:
            return {**self._state, "sentences": list(self._sentences)}

    def stop(self, *, at_once: bool = False) -> None:
        """Has the run finish what it has in hand and end; of no effect where none is at work.

        Args:
            at_once: drops what it has in hand, and waits for the end.
        """
        process = self._process
        if process is None or process.poll() is not None:
            return
        if at_once:
            process.send_signal(signal.SIGINT)
            try:
                process.wait(END_S / 2)
                return
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGINT)
            try:
                process.wait(END_S / 2)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        else:
            process.send_signal(signal.SIGINT)
