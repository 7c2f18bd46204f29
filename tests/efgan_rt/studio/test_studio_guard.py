"""The studio opens nothing to others: each sentence of that has its test here."""

import os
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pictures.original import Picture
from efgan_rt.pictures.write import write_picture
from efgan_rt.studio.private_folder import PrivateFolder
from efgan_rt.studio.roots import Roots
from efgan_rt.studio.server import MAX_UPLOAD_BYTES, SECRET_BYTES, StudioOptions, studio
from tests.efgan_rt.studio.studio_client import Client, served

PATHS = ("/", "/static/studio.js", "/listing", "/run", "/thumbnail?path=a.png", "/folder/a.png")


@pytest.fixture(scope="module")
def client(
    tmp_path_factory: pytest.TempPathFactory,
    make_picture: Callable[..., Picture],
) -> Iterator[Client]:
    """A studio of toy networks on a folder of two pictures, with links out of it."""
    from tests.toy_engines import write_toy_engines

    above = tmp_path_factory.mktemp("studio")
    engines = above / "engines"
    engines.mkdir()
    write_toy_engines(engines)
    folder, outside = above / "pictures", above / "outside"
    for each in (folder / "sub", outside):
        each.mkdir(parents=True)
    for number, path in enumerate((folder / "a.png", folder / "sub" / "b.png", outside / "o.png")):
        write_picture(path, make_picture(64, 64, seed=number))
    (folder / "link.png").symlink_to(outside / "o.png")
    (folder / "links").symlink_to(outside)
    (folder / "inner.png").symlink_to(folder / "a.png")
    for name in ("notes.html", "report.html", "drawing.svg"):
        (folder / name).write_text("<script>alert(1)</script>")
    before = os.environ.get("XDG_CACHE_HOME")
    os.environ["XDG_CACHE_HOME"] = str(above / "cache")
    with served(engines, folder=folder) as found:
        yield found
    if before is None:
        os.environ.pop("XDG_CACHE_HOME")
    else:
        os.environ["XDG_CACHE_HOME"] = before


def refused(client: Client, *given: Any, **more: Any) -> bool:
    answer = client.request(*given, **more)
    return (answer.status, answer.body) == (403, b"refused\n")


def test_the_page_answers_those_who_have_its_address(client: Client) -> None:
    page = client.get("/")
    assert page.status == 200 and b"Drop a photograph here" in page.body
    assert client.get("/listing").json["pictures"] == ["a.png", "inner.png", "sub/b.png"]


def test_it_listens_on_loopback_alone(client: Client) -> None:
    with Path("/proc/net/tcp").open() as table:
        listening = [line.split()[1] for line in table if line.split()[3] == "0A"]
    port = f"{client.port:04X}"
    assert [each for each in listening if each.endswith(f":{port}")] == [f"0100007F:{port}"]
    others = Path("/proc/net/tcp6").read_text().splitlines()
    assert not any(line.split()[1].endswith(f":{port}") for line in others)


@pytest.mark.parametrize("path", PATHS)
@pytest.mark.parametrize("secret", ["", "x", "../", "%2e%2e"])
def test_every_request_needs_the_secret(client: Client, path: str, secret: str) -> None:
    assert refused(client, "GET", path, secret=secret)
    assert refused(client, "POST", path, b"{}", secret=secret)


def test_a_secret_that_is_nearly_right_is_wrong(client: Client) -> None:
    for wrong in (client.secret[:-1], client.secret + "A", client.secret.swapcase()):
        assert refused(client, "GET", "/", secret=wrong)


def test_the_secret_is_long_and_each_time_another(client: Client) -> None:
    assert SECRET_BYTES >= 32 and len(client.secret) >= 43
    assert client.secret not in " ".join(sys.argv)


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:{port}", "127.0.0.1", "127.0.0.1:1", "[::1]:{port}", ""]
)
def test_a_foreign_host_is_refused(client: Client, host: str) -> None:
    # A name that somebody has bound to 127.0.0.1 reaches the port, with that name as Host.
    assert refused(client, "GET", "/", headers={"Host": host.format(port=client.port)})


def test_two_hosts_are_refused(client: Client) -> None:
    own = f"127.0.0.1:{client.port}"
    with socket.create_connection((client.host, client.port)) as raw:
        lines = [f"GET /{client.secret}/ HTTP/1.1", f"Host: {own}", "Host: evil.example", "", ""]
        raw.sendall("\r\n".join(lines).encode())
        assert raw.recv(200).split()[1] in (b"400", b"403")


@pytest.mark.parametrize(
    "origin", ["http://evil.example", "null", "http://127.0.0.1:1", "https://127.0.0.1:{port}", "x"]
)
@pytest.mark.parametrize("method", ["GET", "POST"])
def test_a_foreign_origin_is_refused(client: Client, origin: str, method: str) -> None:
    headers = {"Origin": origin.format(port=client.port), "Content-Type": "application/json"}
    assert refused(client, method, "/stop", b"{}", headers)


def test_a_change_needs_an_origin(client: Client) -> None:
    lines = ["POST /{}/stop HTTP/1.1", "Host: 127.0.0.1:{}", "Content-Length: 2", "", "{{}}"]
    with socket.create_connection((client.host, client.port)) as raw:
        raw.sendall("\r\n".join(lines).format(client.secret, client.port).encode())
        assert raw.recv(200).split()[1] == b"403"


def test_a_request_from_another_site_is_refused(client: Client) -> None:
    for site in ("cross-site", "same-site"):
        assert refused(client, "GET", "/", headers={"Sec-Fetch-Site": site})
    for site in ("none", "same-origin"):
        assert client.request("GET", "/", headers={"Sec-Fetch-Site": site}).status == 200


@pytest.mark.parametrize(
    "path",
    [
        "/open",
        "/upload",
        "/reference",
        "/preview",
        "/animation",
        "/download",
        "/save",
        "/preset",
        "/presets",
        "/start",
        "/stop",
        "/download-animation",
    ],
)
def test_what_changes_anything_is_a_post(client: Client, path: str) -> None:
    assert client.get(path).status == 405
    for method in ("PUT", "DELETE", "PATCH", "OPTIONS"):
        assert client.request(method, path).status == 405


@pytest.mark.parametrize("kind", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_form_of_another_page_cannot_be_a_change(client: Client, kind: str) -> None:
    # What a browser sends across sites without asking first.
    assert client.request("POST", "/stop", b"{}", {"Content-Type": kind}).status == 415
    assert client.request("POST", "/upload", b"x", {"Content-Type": kind}).status == 415


@pytest.mark.parametrize("path", PATHS)
def test_every_answer_has_a_strict_policy(client: Client, path: str) -> None:
    headers = client.get(path).headers
    policy = headers["content-security-policy"]
    assert policy.startswith("default-src 'none'; ")
    assert "http" not in policy and "*" not in policy and "unsafe-eval" not in policy
    assert "frame-ancestors 'none'" in policy
    if not path.startswith("/folder"):
        assert "unsafe" not in policy
    assert headers["referrer-policy"] == "no-referrer"
    assert headers["x-content-type-options"] == "nosniff"
    assert headers["cross-origin-resource-policy"] == "same-origin"
    assert headers["cache-control"] == "no-store"
    assert "access-control-allow-origin" not in headers and "server" not in headers


def test_a_refusal_has_it_too(client: Client) -> None:
    answer = client.request("GET", "/", secret="x")
    assert answer.headers["content-security-policy"].startswith("default-src 'none'; ")


@pytest.mark.parametrize(
    "path",
    [
        "../outside/o.png",
        "link.png",
        "links/o.png",
        "/etc/hostname",
        "sub",
        "",
        "none.png",
        "sub/../../outside/o.png",
        "a.png\0.png",
    ],
)
def test_only_the_named_folder_is_read_links_resolved_first(client: Client, path: str) -> None:
    answer = client.post("/open", path=path)
    assert answer.status == 400
    assert answer.json["error"] == f"{path}: no such picture in the folder"
    assert client.request("GET", "/thumbnail?path=" + path.replace("\0", "%00")).status == 400


def test_a_link_within_the_folder_is_read(client: Client) -> None:
    assert client.post("/open", path="inner.png").status == 200


@pytest.mark.parametrize(
    "path",
    [
        "folder/../outside/o.png",
        "folder/..%2foutside%2fo.png",
        "folder/link.png",
        "folder/links/o.png",
        "folder//etc/hostname",
        "folder/notes.html",
        "folder/report.html",
        "folder/drawing.svg",
        "folder/sub",
        "edits/../a.png",
        "other/a.png",
    ],
)
def test_what_a_report_leads_to_is_a_picture_of_the_folders(client: Client, path: str) -> None:
    assert client.get("/folder/a.png").status == 200
    assert client.get(f"/{path}").status == 404


def test_a_reference_is_never_a_path_of_the_pages(client: Client) -> None:
    number = client.post("/open", path="a.png").json["picture"]
    edit = {"face": 0, "ask": {"reference": "/etc/hostname"}}
    answer = client.post("/preview", picture=number, edits=[edit], changed=[0], scale=1)
    assert answer.status == 400
    assert "a reference is given by its action units" in answer.json["error"]
    saved = client.post("/presets", name="a", ask={"reference": "/etc/hostname"})
    assert saved.status == 400


def test_nothing_is_written_through_a_link_out_of_the_edits(tmp_path: Path) -> None:
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    outside = tmp_path / "outside"
    outside.mkdir()
    roots = Roots.of(folder, None)
    (folder / "edited").mkdir()
    (folder / "edited" / "sub").symlink_to(outside)
    with pytest.raises(EfganError, match=r"a link leads out of .*edited; remove it"):
        roots.new_output("sub/b.png", "b.png")
    assert list(outside.iterdir()) == []
    (folder / "edited" / "sub").unlink()
    (folder / "edited").rmdir()
    (folder / "edited").symlink_to(outside)
    with pytest.raises(EfganError, match="is a link out of the folder; name the place with --out"):
        Roots.of(folder, None)


@pytest.mark.parametrize("out", [".", "..", "sub/.."])
def test_the_edits_never_go_over_the_pictures(tmp_path: Path, out: str) -> None:
    (tmp_path / "pictures" / "sub").mkdir(parents=True)
    folder = tmp_path / "pictures"
    with pytest.raises(EfganError, match="holds the pictures themselves; choose another folder"):
        Roots.of(folder, folder / out)


def test_a_saved_edit_replaces_no_file(tmp_path: Path) -> None:
    roots = Roots.of(tmp_path, None)
    first = roots.new_output("a.png", "a.png")
    first.write_bytes(b"kept")
    second = roots.new_output("a.png", "a.png")
    assert (first.name, second.name) == ("a.png", "a-2.png")


def test_a_request_over_the_limit_is_refused_before_it_is_read(client: Client) -> None:
    with socket.create_connection((client.host, client.port)) as raw:
        lines = [
            f"POST /{client.secret}/upload HTTP/1.1",
            f"Host: 127.0.0.1:{client.port}",
            f"Origin: {client.origin}",
            "Content-Type: application/octet-stream",
            f"Content-Length: {MAX_UPLOAD_BYTES + 1}",
        ]
        raw.sendall("\r\n".join([*lines, "", ""]).encode())
        assert raw.recv(200).split()[1] == b"413"


def test_a_body_without_a_length_is_counted(
    toy_engines: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("efgan_rt.studio.server.MAX_UPLOAD_BYTES", 1000)
    with served(toy_engines) as client:
        chunk = b"400\r\n" + b"x" * 1024 + b"\r\n"
        lines = [
            f"POST /{client.secret}/upload HTTP/1.1",
            f"Host: 127.0.0.1:{client.port}",
            f"Origin: {client.origin}",
            "Content-Type: application/octet-stream",
            "Transfer-Encoding: chunked",
        ]
        with socket.create_connection((client.host, client.port)) as raw:
            raw.sendall("\r\n".join([*lines, "", ""]).encode() + 2 * chunk + b"0\r\n\r\n")
            assert raw.recv(200).split()[1] == b"413"


def test_a_picture_over_the_limit_of_batch_is_refused(
    toy_engines: Path, make_picture: Callable[..., Picture], tmp_path: Path
) -> None:
    write_picture(tmp_path / "a.png", make_picture(40, 40))
    data = (tmp_path / "a.png").read_bytes()
    with served(toy_engines, max_pixels=1599) as client:
        answer = client.send("/upload", data, "a.png")
        assert answer.status == 400
        assert "40 x 40 is 1,600 pixels, over the limit of 1,599" in answer.json["error"]
        assert client.send("/reference", data, "a.png").status == 400


# Uploads.


def uploads(tmp_path: Path) -> list[Path]:
    return sorted((tmp_path / "user-cache" / "efgan-rt" / "studio").glob("studio-*"))


def test_uploads_lie_in_a_private_folder_that_goes_with_the_studio(
    toy_engines: Path, make_picture: Callable[..., Picture], tmp_path: Path
) -> None:
    write_picture(tmp_path / "a.png", make_picture(40, 40))
    with served(toy_engines) as client:
        answer = client.send("/upload", (tmp_path / "a.png").read_bytes(), "../../a b.png")
        assert answer.json["name"] == "a b.png"
        (folder,) = uploads(tmp_path)
        assert folder.stat().st_mode & 0o777 == 0o700
        kept = [each.name for each in folder.iterdir() if each.suffix == ".png"]
        assert len(kept) == 1 and "a b" not in kept[0]
        assert client.send("/upload", b"no picture", "b.png").status == 400
        assert len([each for each in folder.iterdir() if each.suffix == ".png"]) == 1
    assert uploads(tmp_path) == []


def test_what_a_killed_studio_left_goes_at_the_next_start(tmp_path: Path) -> None:
    script = (
        "import sys, time\n"
        "from efgan_rt.studio.private_folder import PrivateFolder\n"
        "folder = PrivateFolder().__enter__()\n"
        "(folder.path / '1.png').write_bytes(b'x')\n"
        "print(folder.path, flush=True)\n"
        "time.sleep(60)\n"
    )
    command = [sys.executable, "-c", script]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as killed:
        assert killed.stdout is not None
        left = Path(killed.stdout.readline().strip())
        with PrivateFolder() as alive:
            assert left.exists()  # its owner lives
            assert uploads(tmp_path) == sorted([left, alive.path])
        killed.send_signal(signal.SIGKILL)
        killed.wait()
    assert left.exists()
    with PrivateFolder() as fresh:
        assert uploads(tmp_path) == [fresh.path]


def test_a_folder_that_somebody_else_has_put_there_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    above = tmp_path / "user-cache" / "efgan-rt"
    above.mkdir(parents=True)
    (above / "studio").symlink_to(tmp_path)
    with pytest.raises(EfganError, match="is not this user's own folder; set XDG_CACHE_HOME"):
        PrivateFolder().__enter__()


# The command.


def test_a_taken_port_is_one_sentence(client: Client, toy_engines: Path) -> None:
    options = StudioOptions(engines=toy_engines, port=client.port)
    said = rf"port {client.port} cannot be used: .*--port, 0 takes"
    with pytest.raises(EfganError, match=said), studio(options, lambda _: None):
        pass


def test_out_needs_a_folder_and_the_folder_has_to_be_one(tmp_path: Path) -> None:
    for options, said in (
        (StudioOptions(out=tmp_path), "--out is for edits of a folder's pictures"),
        (StudioOptions(folder=tmp_path / "none"), "none: is no folder; expected one of pictures"),
    ):
        with pytest.raises(EfganError, match=said), studio(options, lambda _: None):
            pass


@pytest.mark.slow
def test_the_command_prints_its_address_once_and_ctrl_c_ends_it(
    toy_engines: Path, tmp_path: Path
) -> None:
    command = [sys.executable, "-m", "efgan_rt.cli.app", "studio", "--engines", str(toy_engines)]
    with subprocess.Popen(
        [*command, "--backend", "onnxruntime", "--crops"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    ) as process:
        kills = threading.Timer(60, process.kill)  # a failure must not wait for ever
        kills.start()
        assert process.stdout is not None
        lines: list[str] = []
        while not (lines and lines[-1].startswith("Whoever")):
            lines.append(process.stdout.readline())
            assert lines[-1]
        (address,) = (line.split()[1] for line in lines if line.startswith("studio: "))
        assert Client(address).get("/").status == 200
        started = Path(f"/proc/{process.pid}/cmdline").read_bytes()
        assert Client(address).secret.encode() not in started  # others may read it there
        process.send_signal(signal.SIGINT)
        rest = process.stdout.read()
        assert process.wait(20) == 0
        assert rest == ""
        kills.cancel()
    assert uploads(tmp_path) == []
