"""What the studio's page can ask: the paths behind the secret, and what each answers.

Pixels go as they are, RGBA, behind a small header of JSON; so the page draws them without a codec.
What the user can mend comes as `{"error": sentence}` with status 400.
"""

import json
import struct
from collections.abc import Awaitable, Callable
from importlib.resources import files
from importlib.util import find_spec
from pathlib import Path
from time import perf_counter
from typing import Any, Final
from urllib.parse import quote, unquote

import msgspec
from jinja2 import Environment
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import FileResponse, HTMLResponse, JSONResponse, Response
from starlette.routing import Route

from efgan_rt.action_units import AU_DESCRIPTIONS, MAX_INTENSITY
from efgan_rt.errors import EfganError
from efgan_rt.expressions import MAX_EXPRESSION_INTENSITY
from efgan_rt.pictures.original import Picture
from efgan_rt.presets.library import preset_names, save_preset
from efgan_rt.presets.preset import VERSION, Ask, Preset
from efgan_rt.studio.desk import Desk, Wanted, checked_ask
from efgan_rt.studio.folder_run import REPORT, FolderRun
from efgan_rt.studio.guard import TooLargeError

MAX_LISTED: Final = 5_000
SCRIPTS: Final = {
    "studio.js": "text/javascript",
    "studio.css": "text/css",
    "icon.svg": "image/svg+xml",
}
# Of a run's page, whose own policy allows its scripts by their hashes; both have to allow.
REPORT_POLICY: Final = (
    "default-src 'none'; img-src data: 'self'; style-src 'unsafe-inline'; "
    "script-src 'unsafe-inline'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
# What a browser shows; nothing in which a script could lie.
PICTURES: Final = {
    ".jpg": "image/jpeg",
    ".jpeg": "image/jpeg",
    ".png": "image/png",
    ".webp": "image/webp",
    ".bmp": "image/bmp",
    ".avif": "image/avif",
    ".gif": "image/gif",
}
ANIMATIONS: Final = {".webp": "image/webp", ".gif": "image/gif", ".mp4": "video/mp4"}


class PresetToSave(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A preset that the page saves, or runs on the folder.

    Attributes:
        name: of the preset or the run.
        ask: what is asked of every face; None with `preset`.
        faces: which faces of a photograph.
        preset: a saved one, in place of both.
        overwrite: whether one of that name is replaced.
    """

    name: str
    ask: Ask | None = None
    faces: str | int = "all"
    preset: str | None = None
    overwrite: bool = False

    @property
    def as_preset(self) -> Preset:
        """As its file would have it.

        Raises:
            EfganError: nothing is asked for, or it is out of range.
        """
        ask = checked_ask(self.ask or Ask())
        try:
            return Preset(**msgspec.structs.asdict(ask), version=VERSION, faces=self.faces)
        except ValueError as error:
            raise EfganError(str(error)) from error


class ToOpen(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A picture of the folder, by its path in it."""

    path: str


class PresetToLoad(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A saved preset, and the open picture whose faces it is for."""

    name: str
    picture: int | None = None


class Nothing(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """A request that says nothing."""


def _read(body: bytes, kind: type[Any]) -> Any:
    """A request's JSON.

    Raises:
        EfganError: it is none, or of another form.
    """
    try:
        return msgspec.json.decode(body, type=kind)
    except (msgspec.MsgspecError, RecursionError) as error:
        raise EfganError(f"the request cannot be read: {error}") from error


def _framed(regions: list[tuple[int, int, Picture]]) -> bytes:
    """Regions as bytes: the header's length, the header, then the pixels one behind the other."""
    places = [[left, top, each.shape[1], each.shape[0]] for left, top, each in regions]
    header = json.dumps(places).encode()
    header += b" " * (-len(header) % 4)
    pixels = [each.tobytes() for _, _, each in regions]
    return b"".join((struct.pack("<I", len(header)), header, *pixels))


class Pages:
    """The answers.

    Args:
        desk: single pictures.
        run: the folder's; None without a folder.
        title: of the page: the folder's name.
    """

    def __init__(self, desk: Desk, run: FolderRun | None, title: str) -> None:
        self._desk = desk
        self._run = run
        self._title = title

    def page(self, _: Request) -> Response:
        """The page itself."""
        editor, roots = self._desk.editor, self._desk.roots
        environment = Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
        template = environment.from_string(_asset("studio.html"))
        formats = [each for each in ANIMATIONS if each != ".mp4" or find_spec("av")]
        text = template.render(
            expressions=editor.expressions,
            units=[(name, AU_DESCRIPTIONS.get(name, "")) for name in editor.au_names],
            most_intensity=MAX_EXPRESSION_INTENSITY,
            most_unit=MAX_INTENSITY,
            backend=editor.backend,
            folder=None if roots is None else roots.source,
            out=None if roots is None else roots.out,
            title=self._title,
            formats=formats,
        )
        return HTMLResponse(text)

    def asset(self, request: Request) -> Response:
        """A script or a style sheet of the page."""
        name = request.path_params["name"]
        if name not in SCRIPTS:
            return Response(status_code=404)
        text = _asset(name)
        if name == "studio.css":  # the colours are those of a run's page
            text = (files("efgan_rt.reporting") / "page" / "colours.css").read_text("utf-8") + text
        return Response(text, media_type=f"{SCRIPTS[name]}; charset=utf-8")

    def listing(self, _: Request) -> Response:
        """The folder's pictures and the saved presets."""
        roots = self._desk.roots
        pictures: list[str] = []
        more = 0
        for path in () if roots is None else roots.pictures():
            if len(pictures) < MAX_LISTED:
                pictures.append(str(path))
            else:
                more += 1
        editor = self._desk.editor
        prototypes = {
            name: dict(zip(editor.au_names, map(float, units), strict=True))
            for name, units in editor.prototypes.items()
        }
        return JSONResponse(
            {
                "pictures": pictures,
                "more": more,
                "presets": preset_names(),
                "prototypes": prototypes,
            }
        )

    def thumbnail(self, request: Request) -> Response:
        """A small picture."""
        data = self._desk.thumbnail(request.query_params.get("path", ""))
        return Response(data, media_type="image/jpeg")

    def view(self, request: Request) -> Response:
        """An open picture, unedited, at a size."""
        try:
            number = int(request.query_params["picture"])
            scale = float(request.query_params["scale"])
        except (KeyError, ValueError) as error:
            raise EfganError("expected picture and scale, both numbers") from error
        pixels = self._desk.view(number, scale)
        return Response(_framed([(0, 0, pixels)]), media_type="application/octet-stream")

    def open(self, wanted: ToOpen) -> Response:
        """Opens a picture of the folder."""
        return JSONResponse(self._desk.open_path(wanted.path))

    def upload(self, body: bytes, name: str) -> Response:
        """Opens a picture that the page sent."""
        return JSONResponse(self._desk.open_upload(body, name))

    def reference(self, body: bytes, name: str) -> Response:
        """Reads a face whose expression is to be taken over."""
        return JSONResponse(self._desk.reference(body, name))

    def preview(self, wanted: Wanted) -> Response:
        """The regions of the faces whose edit has changed."""
        started = perf_counter()
        body = _framed(self._desk.preview(wanted))
        took = {"server-timing": f"edit;dur={(perf_counter() - started) * 1e3:.1f}"}
        return Response(body, media_type="application/octet-stream", headers=took)

    def animation(self, wanted: Wanted) -> Response:
        """The expression unfolding, to be looked at."""
        return Response(
            self._desk.animation(wanted), media_type=ANIMATIONS.get(wanted.format, "image/webp")
        )

    def download(self, wanted: Wanted) -> Response:
        """The edit as a file."""
        name, data = self._desk.edited_file(wanted)
        return _file(name, data)

    def download_animation(self, wanted: Wanted) -> Response:
        """The expression unfolding as a file, with what the picture's file held."""
        name = f"{self._desk.stem(wanted.picture)}{wanted.format}"
        return _file(name, self._desk.animation(wanted, full=True))

    def save(self, wanted: Wanted) -> Response:
        """Writes the edit into the folder for edits."""
        return JSONResponse({"saved": str(self._desk.save(wanted))})

    def load_preset(self, wanted: PresetToLoad) -> Response:
        """A saved preset, and what it asks of the faces at hand."""
        found = self._desk.preset(wanted.name, wanted.picture)
        return Response(msgspec.json.encode(found), media_type="application/json")

    def save_preset(self, wanted: PresetToSave) -> Response:
        """Saves a preset."""
        save_preset(wanted.name, wanted.as_preset, overwrite=wanted.overwrite)
        return JSONResponse({"presets": preset_names()})

    def start_run(self, wanted: PresetToSave) -> Response:
        """Begins a run on the folder."""
        if self._run is None:
            raise EfganError("no folder was named on the command line")
        if wanted.preset is None:
            preset = wanted.as_preset
        else:
            preset = self._desk.whole_preset(wanted.preset)
        return JSONResponse(self._run.start(wanted.name, preset))

    def stop_run(self, _: Nothing) -> Response:
        """Has the run finish what it has in hand and end."""
        if self._run is not None:
            self._run.stop()
        return JSONResponse(self._state())

    def run_state(self, _: Request) -> Response:
        """How far the run is."""
        return JSONResponse(self._state())

    def _state(self) -> dict[str, Any]:
        return {"state": "none"} if self._run is None else self._run.state()

    def file(self, request: Request) -> Response:
        """A run's page, the pictures that it shows, and those that it leads to."""
        roots = self._desk.roots
        found = None
        if roots is not None and request.path_params["top"] in ("folder", "edits"):
            found = roots.served(request.path_params["top"], request.path_params["path"])
        if found is None:
            return Response(status_code=404)
        kind = PICTURES.get(found.suffix.lower())
        is_report = roots is not None and found.name == REPORT and found.is_relative_to(roots.out)
        if is_report:
            kind = "text/html; charset=utf-8"
        if kind is None:  # whatever else lies there is nothing for a browser
            return Response(status_code=404)
        policy = {"content-security-policy": REPORT_POLICY}
        return FileResponse(found, media_type=kind, headers=policy)


def _file(name: str, data: bytes) -> Response:
    headers = {"x-name": quote(name), "content-disposition": "attachment"}
    return Response(data, media_type="application/octet-stream", headers=headers)


def studio_app(desk: Desk, run: FolderRun | None, title: str) -> Starlette:
    """The application behind the guard."""
    pages = Pages(desk, run, title)
    get = [
        ("/", pages.page),
        ("/static/{name}", pages.asset),
        ("/listing", pages.listing),
        ("/thumbnail", pages.thumbnail),
        ("/view", pages.view),
        ("/run", pages.run_state),
        ("/{top}/{path:path}", pages.file),
    ]
    post: list[tuple[str, type[Any], Callable[[Any], Response]]] = [
        ("/open", ToOpen, pages.open),
        ("/preview", Wanted, pages.preview),
        ("/animation", Wanted, pages.animation),
        ("/download", Wanted, pages.download),
        ("/download-animation", Wanted, pages.download_animation),
        ("/save", Wanted, pages.save),
        ("/preset", PresetToLoad, pages.load_preset),
        ("/presets", PresetToSave, pages.save_preset),
        ("/start", PresetToSave, pages.start_run),
        ("/stop", Nothing, pages.stop_run),
    ]
    sent = [("/upload", pages.upload), ("/reference", pages.reference)]
    return Starlette(
        routes=[
            *(Route(path, _answered(answer), methods=["GET"]) for path, answer in get),
            *(Route(path, _posted(kind, answer), methods=["POST"]) for path, kind, answer in post),
            *(Route(path, _sent(answer), methods=["POST"]) for path, answer in sent),
        ],
        exception_handlers={EfganError: _mendable, TooLargeError: _too_large},
    )


Endpoint = Callable[[Request], Awaitable[Response]]


def _answered(answer: Callable[[Request], Response]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        return await run_in_threadpool(answer, request)

    return endpoint


def _posted(kind: type[Any], answer: Callable[[Any], Response]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if request.headers.get("content-type") != "application/json":
            return JSONResponse({"error": "expected application/json"}, 415)
        return await run_in_threadpool(answer, _read(await request.body(), kind))

    return endpoint


def _sent(answer: Callable[[bytes, str], Response]) -> Endpoint:
    async def endpoint(request: Request) -> Response:
        if request.headers.get("content-type") != "application/octet-stream":
            return JSONResponse({"error": "expected application/octet-stream"}, 415)
        name = unquote(request.headers.get("x-name", "")) or "picture"
        return await run_in_threadpool(answer, await request.body(), name)

    return endpoint


async def _mendable(_: Request, error: Exception) -> Response:
    return JSONResponse({"error": str(error)}, 400)


async def _too_large(_: Request, __: Exception) -> Response:
    return JSONResponse({"error": "the request is too large"}, 413)


def _asset(name: str) -> str:
    return (files("efgan_rt.studio") / "page" / name).read_text("utf-8")


def title_of(folder: Path | None) -> str:
    """What the page is called."""
    return "efgan-rt studio" if folder is None else f"{folder.name} - efgan-rt studio"
