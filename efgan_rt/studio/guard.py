"""Who may ask the studio for anything: the page that its terminal's address opens, nobody else.

Other users of the machine can reach a loopback port, and so can any web page in the user's browser.
So every request needs the secret in its address, which only the terminal has shown; its Host and
Origin have to be ours, which a page that rebinds a name to this machine cannot have; and what
changes anything is a POST, which a link or an image cannot be. Every refusal reads the same.
"""

import hmac
from collections.abc import Iterable
from typing import Final

from starlette.types import ASGIApp, Message, Receive, Scope, Send

HOSTS: Final = ("127.0.0.1", "localhost")
POLICY: Final = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
)
HEADERS: Final = {
    "content-security-policy": POLICY,
    "referrer-policy": "no-referrer",  # the address holds the secret
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",
    "cache-control": "no-store",
}
SAFE: Final = ("GET", "HEAD")


class TooLargeError(Exception):
    """A request's body is over the limit."""


class Guard:
    """Passes on what the page asks, and refuses everything else.

    Args:
        app: sees paths without the secret.
        secret: the first part of every path.
        port: that the page is served on.
        max_bytes: of a request's body.
    """

    def __init__(self, app: ASGIApp, *, secret: str, port: int, max_bytes: int) -> None:
        self._app = app
        self._secret = secret.encode()
        self._hosts = {f"{host}:{port}".encode() for host in HOSTS}
        self._origins = {b"http://" + host for host in self._hosts}
        self._max_bytes = max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """One request, or the server's own start and end."""
        if scope["type"] == "lifespan":
            await self._app(scope, receive, send)
            return
        if scope["type"] != "http":
            await send({"type": "websocket.close", "code": 1008})
            return
        path = self._inner_path(scope)
        if path is None or not self._is_ours(scope):
            await _answer(send, 403, b"refused\n")
            return
        if scope["method"] not in (*SAFE, "POST"):
            await _answer(send, 405, b"expected GET or POST\n", [(b"allow", b"GET, HEAD, POST")])
            return
        length = _one(scope, b"content-length") or b"0"
        if not length.isdigit() or int(length) > self._max_bytes:
            await _answer(send, 413, b"too large\n")
            return
        read = 0

        async def counted() -> Message:
            nonlocal read
            message = await receive()
            read += len(message.get("body", b""))
            if read > self._max_bytes:
                raise TooLargeError
            return message

        async def guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                own = {name for name, _ in message["headers"]}
                added = [(k.encode(), v.encode()) for k, v in HEADERS.items()]
                message["headers"] = [
                    *message["headers"],
                    *(each for each in added if each[0] not in own),
                ]
            await send(message)

        inner = {**scope, "path": path, "raw_path": path.encode(), "root_path": ""}
        await self._app(inner, counted, guarded)

    def _inner_path(self, scope: Scope) -> str | None:
        """The path behind the secret; None where that is not ours."""
        _, secret, *rest = f"{scope['path']}/".split("/", 2)
        if not hmac.compare_digest(secret.encode(), self._secret):
            return None
        return "/" + rest[0].removesuffix("/") if rest and scope["path"] != f"/{secret}" else None

    def _is_ours(self, scope: Scope) -> bool:
        if _one(scope, b"host") not in self._hosts:
            return False
        origin = _one(scope, b"origin")
        if origin is None and scope["method"] not in SAFE:
            return False
        site = _one(scope, b"sec-fetch-site")
        return origin in (None, *self._origins) and site in (None, b"same-origin", b"none")


def _one(scope: Scope, name: bytes) -> bytes | None:
    """A header's value; None where it is missing, and what nothing equals where it is there twice.

    Two values of one header are read by each program as it likes.
    """
    found = [value for key, value in scope["headers"] if key == name]
    return found[0] if len(found) == 1 else b"?" if found else None


async def _answer(
    send: Send, status: int, body: bytes, headers: Iterable[tuple[bytes, bytes]] = ()
) -> None:
    own = [(name.encode(), value.encode()) for name, value in HEADERS.items()]
    length = (b"content-length", str(len(body)).encode())
    kind = (b"content-type", b"text/plain; charset=utf-8")
    start = {"type": "http.response.start", "status": status}
    await send({**start, "headers": [kind, length, *own, *headers]})
    await send({"type": "http.response.body", "body": body})
