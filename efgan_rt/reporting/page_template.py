"""The page's files (`page/`), and how they become one HTML file that opens offline.

HTML, styles and scripts lie in files of their own, for readers and linters; they are put into one
document with the run's data. The document forbids itself everything else: its content policy names
the hashes of its own scripts and styles, allows pictures from files, and no network.

What comes from a run is escaped on its way in: text by `as_text`, data by `as_json`.
"""

import base64
import html
import json
import os
import re
from collections.abc import Iterable, Iterator, Mapping
from hashlib import sha256
from importlib.resources import files
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

SCRIPTS: Final = ("pictures.js", "list.js", "detail.js")  # in the order that they need each other
MARK: Final = b"<!-- efgan-rt page 1 -->"
MARK_WITHIN: Final = 256  # bytes from the page's start
PLACE: Final = re.compile(r"\{\{(\w+)\}\}")


def as_text(value: object) -> str:
    """Text for an element's content or a quoted attribute.

    What is not printable, and a file name's byte that is no text, is shown as an escape such as
    `\\x1b`, so that a name can neither reverse the line that it stands in nor look like another.
    """
    return html.escape(shown(value))


def shown(value: object) -> str:
    """A file name or any other text with what cannot be shown as escapes."""
    text = os.fsencode(str(value)) if _has_bytes(str(value)) else None
    readable = text.decode("utf-8", "backslashreplace") if text is not None else str(value)
    return "".join(
        each if each.isprintable() or each == "\n" else each.encode("unicode_escape").decode()
        for each in readable
    )


def as_json(value: Any) -> str:
    """JSON that is safe inside a script element: ASCII, and nothing that could end the element."""
    return json.dumps(value, separators=(",", ":")).replace("<", "\\u003c")


def href(path: Path, folder: Path) -> str:
    """A file's address for a page in `folder`; relative, and safe whatever bytes the name has."""
    real = os.path.join(os.path.realpath(path.parent), path.name)
    return quote(os.fsencode(os.path.relpath(real, os.path.realpath(folder))))


def page_pieces(parts: Mapping[str, str | Iterable[str]]) -> Iterator[str]:
    """The page, piece by piece, so that it need not fit into memory.

    Args:
        parts: HTML for every place of the template but `policy`, `style` and `script`; what is long
            as an iterable.
    """
    style = asset("colours.css") + asset("page.css")
    scripts = [asset(name) for name in SCRIPTS]
    script = "</script>\n<script>".join(scripts)
    policy = (
        "default-src 'none'; base-uri 'none'; form-action 'none'; img-src data: 'self' file:; "
        f"style-src {_hash(style)}; script-src {' '.join(map(_hash, scripts))}"
    )
    own = {"policy": policy, "style": style, "script": script}
    for number, piece in enumerate(PLACE.split(asset("page.html"))):
        if number % 2 == 0:
            yield piece
            continue
        part = own[piece] if piece in own else parts[piece]
        if isinstance(part, str):
            yield part
        else:
            yield from part


def _has_bytes(text: str) -> bool:
    """Whether a name holds bytes that are no UTF-8, as Python keeps them."""
    return any("\udc80" <= each <= "\udcff" for each in text)


def asset(name: str) -> str:
    """The text of a file of the page."""
    return (files("efgan_rt.reporting") / "page" / name).read_text("utf-8")


def _hash(content: str) -> str:
    """A content policy's name for an inline script or style."""
    return f"'sha256-{base64.b64encode(sha256(content.encode()).digest()).decode()}'"
