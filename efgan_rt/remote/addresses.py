"""A text file of http(s) addresses, one a line, and how such a picture is fetched.

The output tree has a folder for each host and then the address's own path. User, password and
query are sent and never shown.
"""

import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Any, Final
from urllib.parse import unquote, urlsplit

from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from efgan_rt.pipeline.files import Listing
from efgan_rt.remote.path import RemotePath

ATTEMPTS: Final = 5
MOST_BYTES: Final = 1 << 30
TOLD_LINES: Final = 3
LISTED_TOGETHER: Final = 1000
_BLOCK: Final = 1 << 20
_PASSING: Final = (429, 500, 502, 503, 504)


@dataclass(frozen=True)
class AddressList:
    """The pictures that a text file names.

    Attributes:
        source: the file.
    """

    source: Path

    def check(self) -> None:
        """Refuses lines that are no addresses.

        Raises:
            EfganError: there are some; the first are named, without what may be secret in them.
        """
        bad: list[str] = []
        count = 0
        for number, line in self._lines():
            if why := _fault_of(line):
                count += 1
                bad = [*bad, f"line {number} {why}"][:TOLD_LINES]
        if bad:
            more = ", ..." if count > len(bad) else ""
            raise EfganError(
                f"{self.source}: {count:,} of its lines cannot be used: {'; '.join(bad)}{more}; "
                "expected one http:// or https:// address a line, or # and a remark"
            )

    def listings(self, output: Path) -> Iterator[Listing]:
        """The pictures in the file's order, in groups of one folder."""
        folder, names = Path(), list[str]()
        for _, line in self._lines():
            path = _path_of(line)
            if names and (path.parent != folder or len(names) == LISTED_TOGETHER):
                yield Listing(folder, names, is_part=True)
                names = []
            folder = path.parent
            names.append(line)
        if names:
            yield Listing(folder, names, is_part=True)

    def picture(self, listing: Listing, name: str) -> RemotePath:
        """A picture's address; the name in the listing is the whole line."""
        path = _path_of(name)
        path.url = name
        return path

    def below(self, picture: Path) -> PurePosixPath:
        """Host and path."""
        return PurePosixPath(*picture.parts[1:])

    def _lines(self) -> Iterator[tuple[int, str]]:
        try:
            with open(self.source, encoding="utf-8-sig", errors="replace") as file:
                for number, line in enumerate(file, 1):
                    line = line.strip()
                    if line and not line.startswith("#"):
                        yield number, line
        except OSError as error:
            raise EfganError(f"{self.source}: cannot be read: {error.strerror}") from error


def _path_of(url: str) -> RemotePath:
    split = urlsplit(url)
    host = split.netloc.rpartition("@")[2].lower()
    return RemotePath(f"{split.scheme.lower()}:", host, *split.path.split("/"))


def _fault_of(line: str) -> str:
    """What is wrong with a line; "" if nothing is. Quotes nothing that may be secret."""
    try:
        split = urlsplit(line)
        host, _ = split.hostname, split.port
    except ValueError:
        return "is no address"
    if split.scheme.lower() not in ("http", "https"):
        return f"begins with {split.scheme}:" if "://" in line else "is no address"
    if not host or re.search(r"[\s\x00-\x1f]", line):
        return "is no address"
    parts = split.path.split("/")
    if "." in parts or ".." in parts:
        return "has a . or .. in its path"
    if not parts[-1]:
        return "names no file"
    return ""


class Web:
    """Fetches pictures by http(s), for any thread.

    Raises:
        EfganError: urllib3 is not installed.
    """

    def __init__(self) -> None:
        with needs_extra("remote"):
            import urllib3
        self._faults = urllib3.exceptions
        self._pool = urllib3.PoolManager(
            num_pools=64,
            maxsize=16,
            timeout=urllib3.Timeout(connect=10, read=60),
            retries=urllib3.Retry(
                total=ATTEMPTS - 1,
                backoff_factor=0.5,
                status_forcelist=_PASSING,
                raise_on_status=False,
                # A password is for the host that it was given for.
                remove_headers_on_redirect=("Authorization", "Cookie"),
            ),
            headers={"User-Agent": "efgan-rt", "Accept-Encoding": "identity"},
        )

    def stamp(self, path: RemotePath) -> str:
        """What the server says of the picture; its content's hash where that is nothing.

        Raises:
            FileNotFoundError: there is none.
            EfganError: it cannot be asked for.
        """
        answer = self._asked(path, "HEAD")
        if answer.status == 200 and (stamp := _stamp(answer.headers)):
            return stamp
        return self.read(path)[1]

    def read(self, path: RemotePath) -> tuple[bytes, str]:
        """The picture's content and stamp.

        Raises:
            FileNotFoundError: there is none.
            EfganError: it cannot be fetched.
        """
        for left in reversed(range(3)):
            answer = self._asked(path, "GET")
            if answer.status in (404, 410):
                raise FileNotFoundError(str(path))
            if answer.status != 200:
                what = {401: "wants a password", 403: "gives no permission"}
                said = what.get(answer.status, f"answers {answer.status}")
                raise EfganError(f"{path}: cannot be read: the server {said}")
            blocks, size = [], 0
            try:
                for block in answer.stream(_BLOCK, decode_content=True):
                    size += len(block)
                    if size > MOST_BYTES:
                        raise EfganError(
                            f"{path}: is over the limit of {MOST_BYTES:,} bytes; get a smaller file"
                        )
                    blocks.append(block)
            except (self._faults.HTTPError, OSError) as error:
                if not left:
                    raise self._fault(path, error) from None
                continue
            finally:
                answer.close()  # what was read to its end has given its connection back
            data = b"".join(blocks)
            return data, _stamp(answer.headers) or f"sha256 {hashlib.sha256(data).hexdigest()}"
        raise AssertionError("the last attempt raises")

    def _asked(self, path: RemotePath, method: str) -> Any:
        from urllib3.util import make_headers

        split = urlsplit(path.url or str(path))
        user, at, host = split.netloc.rpartition("@")
        headers = dict(self._pool.headers)
        if at:
            headers |= make_headers(basic_auth=unquote(user))
        url = split._replace(netloc=host, fragment="").geturl()
        try:
            return self._pool.request(method, url, headers=headers, preload_content=False)
        except (self._faults.HTTPError, OSError, ValueError) as error:
            raise self._fault(path, error) from None

    def _fault(self, path: RemotePath, error: Exception) -> EfganError:
        # Not the error's own text: it quotes the address.
        reason = getattr(error, "reason", None)
        name = type(reason if isinstance(reason, Exception) else error).__name__
        return EfganError(
            f"{path}: cannot be read: the server cannot be reached, after several attempts "
            f"({name}); see to the network and run the same command again"
        )


def _stamp(headers: Mapping[str, str]) -> str:
    told = headers.get("ETag") or headers.get("Last-Modified")
    return f"{headers.get('Content-Length', '')} {told}" if told else ""
