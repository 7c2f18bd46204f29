"""The studio's process: its engines, its port on this machine, its secret, and its end."""

import secrets
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import uvicorn

from efgan_rt.editor import Editor
from efgan_rt.environment import installation_fault
from efgan_rt.errors import EfganError
from efgan_rt.studio.app import studio_app, title_of
from efgan_rt.studio.desk import Desk
from efgan_rt.studio.folder_run import FolderRun
from efgan_rt.studio.guard import Guard
from efgan_rt.studio.private_folder import PrivateFolder
from efgan_rt.studio.roots import Roots

HOST: Final = "127.0.0.1"
SECRET_BYTES: Final = 32
# A file of the largest picture that `batch` takes is smaller: 200 megapixels of 16 bits are 1.2 GB
# bare, and no codec leaves them so; what is larger is opened from a folder.
MAX_UPLOAD_BYTES: Final = 512 << 20


@dataclass(frozen=True)
class StudioOptions:
    """The options of `efgan-rt studio`.

    Attributes:
        folder: of pictures; None for uploads alone.
        out: where edits go; None for a folder in `folder`.
        port: 0 takes a free one.
        max_pixels: the largest picture accepted.
        mark: whether edits say that a network made them.
        min_face_px: of a face.
        min_score: of a face.
        crops: whether pictures are face crops.
        detector: of faces.
        engines: an engine directory.
        backend: `auto` or one by name.
        precision: of the networks.
        threads: of the processor.
    """

    folder: Path | None = None
    out: Path | None = None
    port: int = 0
    max_pixels: int = 200_000_000
    mark: bool = True
    min_face_px: int = 40
    min_score: float = 0.6
    crops: bool | None = None
    detector: Path | None = None
    engines: Path | None = None
    backend: str = "auto"
    precision: str | None = None
    threads: int | None = None

    @property
    def for_batch(self) -> list[str]:
        """The same as options of `efgan-rt batch`."""
        values: dict[str, Any] = {
            "--max-pixels": self.max_pixels,
            "--engines": self.engines,
            "--backend": self.backend,
            "--precision": self.precision,
            "--threads": self.threads,
            "--detector": self.detector,
        }
        if not self.crops:
            values |= {"--min-face": self.min_face_px, "--min-score": self.min_score}
        found = [
            str(part) for key, value in values.items() if value is not None for part in (key, value)
        ]
        if self.crops is not None:
            found.append("--crops" if self.crops else "--no-crops")
        return [*found, *([] if self.mark else ["--no-mark"])]


def serve(options: StudioOptions) -> None:
    """Serves the page until Ctrl-C.

    Raises:
        EfganError: the folder, the port or the engines cannot be used.
    """
    with studio(options, print) as server:
        server.run()


@contextmanager
def studio(options: StudioOptions, say: Callable[[str], None]) -> Iterator["StudioServer"]:
    """A studio that is ready to run.

    Args:
        options: what was asked for.
        say: told the address, and what there is to know.

    Raises:
        EfganError: as `serve`.
    """
    if options.out is not None and options.folder is None:
        raise EfganError("--out is for edits of a folder's pictures; name the folder as well")
    if (fault := installation_fault()) is not None:
        raise EfganError(fault)
    roots = None if options.folder is None else Roots.of(options.folder, options.out)
    with ExitStack() as opened:
        listening = opened.enter_context(_bound(options.port))
        private = opened.enter_context(PrivateFolder()).path
        editor = opened.enter_context(
            Editor.open(
                options.engines,
                options.backend,
                precision=options.precision,
                threads=options.threads,
                min_face_px=options.min_face_px,
                min_score=options.min_score,
                crops=options.crops,
                detector=options.detector,
                mark=options.mark,
                say=say,
            )
        )
        run = None
        if roots is not None:
            run = FolderRun(roots, private, options.for_batch)
            opened.callback(run.stop, at_once=True)
        desk = Desk(editor, roots, private, max_pixels=options.max_pixels)
        secret = secrets.token_urlsafe(SECRET_BYTES)
        port = listening.getsockname()[1]
        app = Guard(
            studio_app(desk, run, title_of(None if roots is None else roots.source)),
            secret=secret,
            port=port,
            max_bytes=MAX_UPLOAD_BYTES,
        )
        server = StudioServer(app, listening, f"http://{HOST}:{port}/{secret}/")
        say(f"backend: {editor.backend}")
        if roots is not None:
            say(f"pictures: {roots.source}; edits go to {roots.out}")
        say(f"studio: {server.address}")
        say("Whoever has this address can use the page; Ctrl-C ends it.")
        yield server


class StudioServer:
    """uvicorn over a socket that is bound already.

    Attributes:
        address: of the page, with its secret.
    """

    def __init__(self, app: Any, listening: socket.socket, address: str) -> None:
        self.address = address
        self._listening = listening
        config = uvicorn.Config(
            app,
            access_log=False,  # it would repeat the secret
            log_level="warning",
            lifespan="off",
            ws="none",
            proxy_headers=False,
            server_header=False,
            loop="asyncio",
            http="h11",
            timeout_graceful_shutdown=3,
            limit_concurrency=64,
        )
        self._server = uvicorn.Server(config)

    def run(self) -> None:
        """Serves until Ctrl-C or `stop`."""
        with suppress(KeyboardInterrupt):  # raised again by uvicorn once it has ended
            self._server.run(sockets=[self._listening])

    def stop(self) -> None:
        """Has `run` end; any thread may call it."""
        self._server.should_exit = True


def _bound(port: int) -> socket.socket:
    """A socket on this machine's own address.

    Raises:
        EfganError: the port is taken or not allowed.
    """
    listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    try:
        # Without it a port stays taken for a minute after each end.
        listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind((HOST, port))
        listening.listen(64)  # at once: the address is told before the server is at work
    except OSError as error:
        listening.close()
        raise EfganError(
            f"port {port} cannot be used: {error.strerror}; choose another with --port, 0 takes "
            "any free one"
        ) from error
    return listening
