"""The page's own files, and how what comes from strangers is escaped on its way into them."""

import base64
import hashlib
import html
import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from efgan_rt.reporting.page_template import (
    MARK,
    MARK_WITHIN,
    SCRIPTS,
    as_json,
    as_text,
    href,
    page_pieces,
    shown,
)

PLACES = ("title", "lead", "tiles", "failures_link", "failures", "latency", "run")
HOSTILE = [
    "</script><script>alert(1)</script>",
    "<!--<script>",
    "]]></style><img src=x onerror=alert(1)>",
    "\"' onmouseover='alert(1)",
    "\u2028\u2029",
    "{{script}}",
    os.fsdecode(b"\xff\xfe.png"),
]


@pytest.fixture
def page() -> str:
    parts = dict.fromkeys(PLACES, "") | {"facts": "{}", "rows": iter(["[", "]"]), "bytes": "[]"}
    return "".join(page_pieces(parts))


@pytest.mark.parametrize("name", HOSTILE)
def test_data_cannot_leave_its_script_element(name: str) -> None:
    text = as_json({"n": name})
    assert "<" not in text
    assert text.isascii()
    assert json.loads(text) == {"n": name}


@pytest.mark.parametrize("name", HOSTILE)
def test_text_cannot_leave_its_element_or_attribute(name: str) -> None:
    text = as_text(name)
    assert not set(text) & set("<>\"'")
    assert html.unescape(text) == shown(name)
    text.encode("utf-8")


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("é日本.png", "é日本.png"),
        (os.fsdecode(b"a\xff\xc3.png"), "a\\xff\\xc3.png"),
        (os.fsdecode(b"\xc3\xa9\xff"), "é\\xff"),
        ("a\u202egnp.exe", "a\\u202egnp.exe"),
        ("a\x1b[2J\tb", "a\\x1b[2J\\tb"),
        ("\ud800", "\\ud800"),
    ],
)
def test_what_cannot_be_shown_becomes_an_escape(name: str, expected: str) -> None:
    assert shown(name) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (b"in/a b.png", "in/a%20b.png"),
        (b"in/\xff#?%.png", "in/%FF%23%3F%25.png"),
        (b"javascript:alert(1).png", "javascript%3Aalert%281%29.png"),
        (b"../x\"<'.png", "../x%22%3C%27.png"),
    ],
)
def test_a_files_address_is_relative_and_quoted_byte_by_byte(
    tmp_path: Path, name: bytes, expected: str
) -> None:
    folder = tmp_path / "pages"
    assert href(Path(os.fsdecode(os.fsencode(folder) + b"/" + name)), folder) == expected


def test_a_files_address_holds_through_linked_folders(tmp_path: Path) -> None:
    (tmp_path / "deep" / "in").mkdir(parents=True)
    (tmp_path / "link").symlink_to(tmp_path / "deep" / "in")
    assert href(tmp_path / "link" / "a.png", tmp_path) == "deep/in/a.png"


def test_a_page_is_known_by_its_start(page: str) -> None:
    assert MARK in page.encode()[:MARK_WITHIN]


def test_every_place_of_the_template_is_filled(page: str) -> None:
    assert "{{" not in page


def test_nothing_is_fetched(page: str) -> None:
    text = page.replace("http://www.w3.org/2000/svg", "").lower()  # a name, no address
    assert not re.search(r"https?:|//[\w.]+/|\bfetch\(|import\(|@import|url\(", text)


def test_the_policy_allows_the_pages_own_scripts_and_styles_and_no_network(page: str) -> None:
    found = re.search(r'http-equiv="Content-Security-Policy" content="([^"]*)"', page)
    assert found
    policy = dict(part.strip().split(" ", 1) for part in html.unescape(found[1]).split(";"))
    assert policy["default-src"] == "'none'"
    assert policy["img-src"] == "data: 'self' file:"
    for kind, element in (("script-src", "script"), ("style-src", "style")):
        inline = re.findall(rf"<{element}>(.*?)</{element}>", page, re.S)
        hashes = [base64.b64encode(hashlib.sha256(x.encode()).digest()).decode() for x in inline]
        assert policy[kind].split() == [f"'sha256-{each}'" for each in hashes]


class Outline(HTMLParser):
    """Collects the ids, what refers to them, and controls with their labels."""

    def __init__(self) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.references: list[str] = []
        self.unnamed: list[str] = []
        self.headings: list[int] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        if "id" in values:
            self.ids.append(values["id"])
        self.references += [values[name] for name in ("for", "aria-labelledby") if name in values]
        if values.get("href", "").startswith("#"):
            self.references.append(values["href"][1:])
        if re.fullmatch(r"h[1-6]", tag):
            self.headings.append(int(tag[1]))
        if tag == "button" and values.get("type") != "button":
            self.unnamed.append(f"button {values}")
        if tag == "nav" and "aria-label" not in values:
            self.unnamed.append(f"nav {values}")


def test_labels_links_and_ids_fit_together(page: str) -> None:
    outline = Outline()
    outline.feed(page)
    assert len(set(outline.ids)) == len(outline.ids)
    assert set(outline.references) - set(outline.ids) == set()
    assert outline.unnamed == []
    assert outline.headings[0] == 1
    assert all(b - a <= 1 for a, b in zip(outline.headings, outline.headings[1:], strict=False))
    assert 'role="status" aria-live="polite"' in page
    assert '<html lang="en">' in page


def test_scripts_write_text_and_never_markup(repository: Path) -> None:
    reporting = repository / "efgan_rt" / "reporting" / "page"
    studio = repository / "efgan_rt" / "studio" / "page" / "studio.js"
    for path in (*(reporting / name for name in SCRIPTS), studio):
        script = path.read_text()
        assert not re.search(r"innerHTML|outerHTML|insertAdjacentHTML|document\.write|eval", script)
        assert "</script" not in script
        assert script.count('"use strict";') == 1


def test_styles_heed_motion_colour_scheme_and_focus(repository: Path) -> None:
    folder = repository / "efgan_rt" / "reporting" / "page"
    style = "".join((folder / name).read_text() for name in ("colours.css", "page.css"))
    for wanted in ("prefers-reduced-motion", "prefers-color-scheme: dark", ":focus-visible"):
        assert wanted in style
