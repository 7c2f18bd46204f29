"""The judges, each a process of its own, and the readings of theirs that are kept.

A judge is told one job a line on stdin, JSON with a `key`, and answers `{"key", "reading"}` on
stdout; its first line is `{"versions"}`. A reading is kept under a key made of the job's content,
so a run that was stopped goes on where it was, and a picture that did not change is judged once.
None of the judges is in any loss.
"""

import base64
import hashlib
import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from efgan_rt.errors import EfganError

HERE: Final = Path(__file__).resolve().parent
SHOW_EVERY: Final = 100
ONE_CORE: Final = {
    "OMP_NUM_THREADS": "1",
    "OPENBLAS_NUM_THREADS": "1",
    "TF_CPP_MIN_LOG_LEVEL": "3",
    "GLOG_minloglevel": "3",
}

Reading = dict[str, Any] | None
Say = Callable[[str], None]


@dataclass(frozen=True)
class Job:
    """What a judge is asked.

    Attributes:
        key: of the content; two jobs with one key are one job.
        values: what the judge's process reads, besides the key.
    """

    key: str
    values: Mapping[str, Any]

    @classmethod
    def of(cls, values: Mapping[str, Any], content: Mapping[str, Any] | None = None) -> "Job":
        """A job; `content` stands for the values where those hold a place and not a content."""
        plain = json.dumps(values if content is None else content, sort_keys=True)
        return cls(hashlib.sha256(plain.encode()).hexdigest()[:32], values)


@dataclass(frozen=True)
class Judge:
    """A program that reads pictures.

    Attributes:
        name: for tables and files.
        command: starts it.
        install: the line that installs what it needs.
        revision: of our own program; a new one makes old readings void.
    """

    name: str
    command: tuple[str, ...]
    install: str
    revision: int = 1


class JudgeMissingError(EfganError):
    """A judge cannot be started here; its columns are left out."""


def encoded(pixels: npt.NDArray[np.uint8]) -> dict[str, Any]:
    """A crop as a job holds it."""
    whole = np.ascontiguousarray(pixels)
    return {"shape": list(whole.shape), "base64": base64.b64encode(whole.tobytes()).decode()}


def readings_of(
    judge: Judge, jobs: Sequence[Job], folder: Path, say: Say
) -> tuple[dict[str, Reading], dict[str, str]]:
    """Every job's reading by its key, and the judge's versions.

    Args:
        judge: asked for what is not kept yet.
        jobs: in any order.
        folder: of the kept readings, a file for each judge.
        say: told how far it is.

    Raises:
        JudgeMissingError: the judge does not start.
        EfganError: it stops before it has answered.
    """
    folder.mkdir(parents=True, exist_ok=True)
    kept = folder / f"{judge.name}-{judge.revision}.jsonl"
    versions, readings = _kept_readings(kept)
    wanted = {job.key: job for job in jobs}
    missing = [key for key in wanted if key not in readings]
    say(f"{judge.name}: {len(wanted) - len(missing)} of {len(wanted)} readings are kept")
    if missing:
        versions = _ask(judge, wanted, kept, versions, readings, say)
    return {key: readings[key] for key in wanted}, versions


def _kept_readings(file: Path) -> tuple[dict[str, str], dict[str, Reading]]:
    versions: dict[str, str] = {}
    readings: dict[str, Reading] = {}
    if not file.is_file():
        return versions, readings
    for line in file.read_text(encoding="utf-8").splitlines():
        try:
            values = json.loads(line)
        except json.JSONDecodeError:
            continue  # the run was stopped while it wrote this line
        if "versions" in values:
            if values["versions"] != versions:  # another version reads otherwise
                versions, readings = values["versions"], {}
        else:
            readings[values["key"]] = values["reading"]
    return versions, readings


def _ask(
    judge: Judge,
    wanted: Mapping[str, Job],
    kept: Path,
    kept_versions: dict[str, str],
    readings: dict[str, Reading],
    say: Say,
) -> dict[str, str]:
    """Has the judge answer, adding to `readings` and to the file; returns its versions."""
    errors = kept.with_suffix(".log")
    with errors.open("w", encoding="utf-8") as log, kept.open("a", encoding="utf-8") as store:
        try:
            process = subprocess.Popen(
                judge.command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
                env=os.environ | ONE_CORE,
            )
        except OSError as error:
            raise JudgeMissingError(
                f"{judge.command[0]}: cannot be started ({error.strerror}); the judge "
                f"{judge.name} needs: {judge.install}"
            ) from error
        assert process.stdin is not None and process.stdout is not None
        with process:
            first = process.stdout.readline()
            if not first:
                process.wait()
                raise JudgeMissingError(
                    f"the judge {judge.name} does not start ({_last_line(errors)}); it needs: "
                    f"{judge.install}"
                )
            versions: dict[str, str] = json.loads(first)["versions"]
            if versions != kept_versions:
                readings.clear()
                store.write("\n" + first)
            else:
                store.write("\n")  # a run that was stopped may have left half a line
            jobs = [job for key, job in wanted.items() if key not in readings]
            for count, job in enumerate(jobs, 1):
                try:
                    process.stdin.write(json.dumps({"key": job.key, **job.values}) + "\n")
                    process.stdin.flush()
                except BrokenPipeError:
                    pass  # the answer, which there is none of, tells
                answer = process.stdout.readline()
                if not answer:
                    process.wait()
                    raise EfganError(
                        f"the judge {judge.name} stopped after {count - 1} of {len(jobs)} "
                        f"pictures: {_last_line(errors)}"
                    )
                found = json.loads(answer)
                readings[found["key"]] = found["reading"]
                store.write(answer)
                store.flush()
                if count % SHOW_EVERY == 0:
                    say(f"{judge.name}: {count} of {len(jobs)}")
            process.stdin.close()
    return versions


def _last_line(errors: Path) -> str:
    lines = errors.read_text(encoding="utf-8", errors="replace").strip().splitlines()
    return lines[-1].strip() if lines else "no message"


def say_aloud(sentence: str) -> None:
    """To stderr, where progress belongs."""
    print(sentence, file=sys.stderr, flush=True)
