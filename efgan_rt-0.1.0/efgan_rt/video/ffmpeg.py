"""ffmpeg, which writes MP4 and reads videos: where it is, and what it says when it fails.

It is a program, not a library, and no part of the installation: the one on the PATH is used, else
the one that the package imageio-ffmpeg brings. Whoever needs it and has none is told how to get it.
"""

import os
import re
import shutil
import subprocess
import tempfile
from contextlib import suppress
from typing import IO, Final

from efgan_rt.errors import EfganError
from efgan_rt.extras import install_line

# No banner, no questions, and on stderr only what went wrong.
QUIET: Final = ("-hide_banner", "-nostdin", "-loglevel", "error")
GRACE_S: Final = 5.0
_IN_BRACKETS: Final = re.compile(r"^\[[^]]*\]\s*")
# Said behind the reason.
_AFTERWARDS: Final = ("Conversion failed", "Error while", "Error opening", "Error initializing")


class MissingFfmpegError(EfganError):
    """There is no ffmpeg."""


def find_ffmpeg() -> str | None:
    """The program's path, or None."""
    found = shutil.which("ffmpeg")
    if found is not None:
        return found
    try:
        from imageio_ffmpeg import get_ffmpeg_exe
    except ModuleNotFoundError:
        return None
    try:
        return str(get_ffmpeg_exe())
    except RuntimeError:  # the package without its program
        return None


def need_ffmpeg(what: str) -> str:
    """The program's path.

    Args:
        what: needs it, such as "MP4".

    Raises:
        MissingFfmpegError: there is none.
    """
    found = find_ffmpeg()
    if found is None:
        raise MissingFfmpegError(
            f"{what} needs ffmpeg, which is not on the PATH; install it with your system's "
            f"packages (such as: apt install ffmpeg) or with: {install_line('video')}"
        )
    return found


class Ffmpeg:
    """One run of ffmpeg, which reads what we write to it or writes what we read.

    Its stderr goes to a file, for nobody reads along and a pipe would fill up. Ctrl-C in the
    terminal reaches us alone, who then end it.
    """

    def __init__(self, arguments: list[str], *, writes: bool) -> None:
        """Starts it.

        Args:
            arguments: the program's path and its options.
            writes: whether we read from it; else we write to it.

        Raises:
            EfganError: it cannot be started.
        """
        self._stderr = tempfile.TemporaryFile()  # noqa: SIM115, closed in `close`
        pipe, nothing = subprocess.PIPE, subprocess.DEVNULL
        try:
            self._process = subprocess.Popen(
                arguments,
                stdin=nothing if writes else pipe,
                stdout=pipe if writes else nothing,
                stderr=self._stderr,
                start_new_session=True,
            )
        except OSError as error:
            self._stderr.close()
            raise EfganError(f"{arguments[0]}: cannot be started: {error.strerror}") from error
        found = self._process.stdout if writes else self._process.stdin
        assert found is not None, "a pipe was asked for"
        self.pipe: IO[bytes] = found

    def finish(self) -> str | None:
        """Waits for its end; None if all went well, else why not."""
        with suppress(BrokenPipeError):  # it has ended already, and its status says how
            self.pipe.close()
        status = self._process.wait()
        self._stderr.seek(0, os.SEEK_SET)
        said = self._stderr.read().decode(errors="replace")
        self._stderr.close()
        return None if status == 0 else complaint(said)

    def kill(self) -> None:
        """Ends it at once; of no effect on one that has ended."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait(GRACE_S)
        with suppress(BrokenPipeError):
            self.pipe.close()
        self._stderr.close()


def complaint(stderr: str) -> str:
    """Why ffmpeg failed, in one line: what it said first, without the names of its parts."""
    lines = [_IN_BRACKETS.sub("", line).strip() for line in stderr.splitlines()]
    lines = [line for line in lines if line]
    telling = [line for line in lines if not line.startswith(_AFTERWARDS)]
    return (telling or lines or ["no reason given"])[0][:300]
