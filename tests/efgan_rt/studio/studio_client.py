"""A studio that is served in a thread of the test, and requests to it as one likes them."""

import http.client
import json
import struct
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlsplit

import numpy as np

from efgan_rt.pictures.original import Picture
from efgan_rt.studio.server import StudioOptions, studio


@dataclass(frozen=True)
class Answer:
    """What came back."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Any:
        return json.loads(self.body)

    @property
    def regions(self) -> list[tuple[int, int, Picture]]:
        """Left, top and RGBA of each region."""
        (length,) = struct.unpack_from("<I", self.body)
        at, found = 4 + length, []
        for left, top, width, height in json.loads(self.body[4:at]):
            size = 4 * width * height
            pixels = np.frombuffer(self.body, np.uint8, size, at).reshape(height, width, 4)
            found.append((left, top, pixels))
            at += size
        return found


class Client:
    """Requests to a studio as its page makes them, unless a test says otherwise."""

    def __init__(self, address: str) -> None:
        parts = urlsplit(address)
        self.address = address
        self.secret = parts.path.strip("/")
        assert parts.hostname and parts.port
        self.host, self.port = parts.hostname, parts.port
        self.origin = f"http://{parts.netloc}"

    def request(
        self,
        method: str,
        path: str,
        body: bytes | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        secret: str | None = None,
    ) -> Answer:
        connection = http.client.HTTPConnection(self.host, self.port, timeout=60)
        own = {} if method == "GET" else {"Origin": self.origin}
        where = f"/{self.secret if secret is None else secret}{path}"
        try:
            connection.request(method, where, body, {**own, **(headers or {})})
            response = connection.getresponse()
            found = {name.lower(): value for name, value in response.getheaders()}
            return Answer(response.status, found, response.read())
        finally:
            connection.close()

    def get(self, path: str) -> Answer:
        return self.request("GET", path)

    def post(self, where: str, /, **body: Any) -> Answer:
        kind = {"Content-Type": "application/json"}
        return self.request("POST", where, json.dumps(body).encode(), kind)

    def send(self, path: str, data: bytes, name: str) -> Answer:
        kind = {"Content-Type": "application/octet-stream", "X-Name": quote(name)}
        return self.request("POST", path, data, kind)


@contextmanager
def served(engines: Path | None, **options: Any) -> Iterator[Client]:
    """A studio at work, on a port of its own."""
    wishes = {"backend": "onnxruntime", "crops": True} if engines is not None else {}
    with studio(
        StudioOptions(**{"engines": engines, **wishes, **options}), lambda _: None
    ) as server:
        thread = threading.Thread(target=server.run)
        thread.start()
        try:
            yield Client(server.address)
        finally:
            server.stop()
            thread.join(20)
            assert not thread.is_alive()
