"""S3 and servers that speak it: streaming listings, whole objects, and puts under a condition.

botocore finds credentials, region and endpoint (`AWS_ENDPOINT_URL`) by its own rules, and tries
again with growing pauses what the network or an overloaded server has spoilt. An error is told by
its code alone, for its text may quote the request.
"""

import base64
import hashlib
import os
import uuid
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from io import BufferedReader, BytesIO
from pathlib import Path
from time import sleep
from typing import Any, Final, TypeVar

from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from efgan_rt.remote.path import RemotePath

T = TypeVar("T")

BLOCK_BYTES: Final = 1 << 20
ATTEMPTS: Final = 5  # AWS_MAX_ATTEMPTS overrides it
CONNECTIONS: Final = 64
CONNECT_TIMEOUT_S: Final = 10
READ_TIMEOUT_S: Final = 30
CONFLICT_PAUSES_S: Final = (0.1, 0.5, 2.0)
SHA256, TOKEN = "efgan-rt-sha256", "efgan-rt-put"  # metadata of what we put
_MISSING: Final = frozenset(("404", "NoSuchKey", "NotFound"))
_DENIED: Final = frozenset(("403", "AccessDenied", "AllAccessDisabled", "Forbidden"))
_STRANGER: Final = frozenset(
    ("401", "InvalidAccessKeyId", "SignatureDoesNotMatch", "ExpiredToken", "InvalidToken")
)
_CONFLICT: Final = frozenset(("409", "ConditionalRequestConflict", "OperationAborted"))
_UNMET: Final = frozenset(("412", "PreconditionFailed"))


class UnmetError(Exception):
    """The condition of a put does not hold: another object, or none, has the name."""


@dataclass(frozen=True)
class Found:
    """An object that is there.

    Attributes:
        etag: which the server changes with the content.
        size: bytes.
        modified: by the server's clock.
        sha256: of its content, hex, as we noted it; "" of an object of others.
        token: of the put that made it; "" likewise.
    """

    etag: str
    size: int
    modified: datetime | None = None
    sha256: str = ""
    token: str = ""

    @property
    def stamp(self) -> str:
        """As the journal has it of an input."""
        return f"{self.size} {self.etag}"


class S3:
    """A client for all buckets, for any thread.

    Raises:
        EfganError: boto3 is not installed, or its configuration is broken.
    """

    def __init__(self) -> None:
        with needs_extra("remote"):
            import boto3
            from botocore import exceptions
            from botocore.config import Config
        self._faults = exceptions
        told = os.environ.get("AWS_MAX_ATTEMPTS", "")
        self._attempts = int(told) if told.isdecimal() and int(told) else ATTEMPTS
        try:
            self._client: Any = boto3.session.Session().client(
                "s3",
                config=Config(
                    connect_timeout=CONNECT_TIMEOUT_S,
                    read_timeout=READ_TIMEOUT_S,
                    max_pool_connections=CONNECTIONS,
                    retries={"mode": "standard", "total_max_attempts": self._attempts},
                    # Newer checksums are not known to every server; Content-MD5 is.
                    request_checksum_calculation="when_required",
                    response_checksum_validation="when_required",
                ),
            )
        except (exceptions.BotoCoreError, ValueError) as error:
            raise EfganError(
                f"s3://: the configuration of AWS cannot be used ({type(error).__name__}); "
                "look at AWS_PROFILE, AWS_REGION and AWS_ENDPOINT_URL"
            ) from None

    # Reading.

    def stamp(self, path: RemotePath) -> str:
        """The object's ETag and size.

        Raises:
            FileNotFoundError: there is no such object.
            EfganError: it cannot be asked for.
        """
        found = self.head(path)
        if found is None:
            raise FileNotFoundError(str(path))
        return found.stamp

    def read(self, path: RemotePath) -> tuple[bytes, str]:
        """The object's content and stamp.

        Raises:
            FileNotFoundError: there is no such object.
            EfganError: it cannot be read.
        """

        def whole(answer: Any) -> tuple[bytes, str]:
            data: bytes = answer["Body"].read()
            return data, Found(answer["ETag"], len(data)).stamp

        return self._got(path, whole)

    def read_into(self, path: RemotePath, file: Path) -> str:
        """Writes the object's content into a file, block by block; gives its ETag.

        Raises:
            FileNotFoundError: there is no such object.
            EfganError: it cannot be read, or the file not be written.
        """

        def into(answer: Any) -> str:
            with open(file, "wb", buffering=0) as copy:
                while block := answer["Body"].read(BLOCK_BYTES):
                    try:
                        # A disk that fills up takes a part of what it is given, without an error.
                        while written := copy.write(block):
                            block = block[written:]
                    except OSError as error:
                        raise EfganError(f"{file}: cannot be written: {error.strerror}") from error
            return str(answer["ETag"])

        return self._got(path, into)

    def _got(self, path: RemotePath, take: Callable[[Any], T]) -> T:
        """What is taken of the answer to a GET."""
        for pause in (*CONFLICT_PAUSES_S, None):
            try:
                return take(self._client.get_object(Bucket=path.bucket, Key=path.key))
            except self._faults.ClientError as error:
                if _code(error) in _MISSING:
                    raise FileNotFoundError(str(path)) from None
                raise self._fault(path, "read", error) from None
            # The client's own attempts end where the body begins.
            except (self._faults.BotoCoreError, OSError) as error:
                if pause is None or isinstance(error, self._credential_faults):
                    raise self._fault(path, "read", error) from None
                sleep(pause)
        raise AssertionError("the last pause is None")

    def head(self, path: RemotePath) -> Found | None:
        """What is known of an object; None where there is none.

        Raises:
            EfganError: it cannot be asked for.
        """
        try:
            answer = self._client.head_object(Bucket=path.bucket, Key=path.key)
        except self._faults.ClientError as error:
            if _code(error) in _MISSING:
                return None
            raise self._fault(path, "read", error) from None
        except (self._faults.BotoCoreError, OSError) as error:
            raise self._fault(path, "read", error) from None
        noted = {name.lower(): value for name, value in answer.get("Metadata", {}).items()}
        return Found(
            answer["ETag"],
            answer["ContentLength"],
            answer.get("LastModified"),
            noted.get(SHA256, ""),
            noted.get(TOKEN, ""),
        )

    def folder(self, path: RemotePath) -> Iterator[tuple[str, Found | None]]:
        """The names in a folder, page by page, each with its object; None for a folder's.

        Raises:
            EfganError: it cannot be listed.
        """
        prefix = f"{path.key}/" if path.key else ""
        for page in self._pages(path, Prefix=prefix, Delimiter="/"):
            for each in page.get("CommonPrefixes", ()):
                yield each["Prefix"][len(prefix) : -1], None
            for each in page.get("Contents", ()):
                if each["Key"] != prefix:  # what some programs put for an empty folder
                    yield each["Key"][len(prefix) :], _listed(each)

    def everything(self, path: RemotePath) -> Iterator[tuple[str, Found]]:
        """All objects below a folder, page by page, by their names below it.

        Raises:
            EfganError: it cannot be listed.
        """
        prefix = f"{path.key}/" if path.key else ""
        for page in self._pages(path, Prefix=prefix):
            for each in page.get("Contents", ()):
                yield each["Key"][len(prefix) :], _listed(each)

    def _pages(self, path: RemotePath, **which: str) -> Iterator[dict[str, Any]]:
        pages = self._client.get_paginator("list_objects_v2").paginate(Bucket=path.bucket, **which)
        try:
            yield from pages
        except (self._faults.ClientError, self._faults.BotoCoreError, OSError) as error:
            raise self._fault(path, "listed", error) from None

    # Writing.

    def put(
        self,
        path: RemotePath,
        data: bytes | memoryview,
        *,
        instead_of: str | None,
        sha256: str = "",
    ) -> str:
        """Puts an object where there is none, or in the place of a known one; gives its ETag.

        Args:
            path: its address.
            data: its content.
            instead_of: the ETag of the object that it replaces; None where there must be none.
            sha256: of the content, hex; noted with the object.

        Raises:
            UnmetError: there is one, or another one.
            EfganError: it cannot be put.
        """
        condition = {"IfNoneMatch": "*"} if instead_of is None else {"IfMatch": instead_of}
        return self._put(path, data, condition, sha256)

    def put_file(self, path: RemotePath, file: Path, *, instead_of: str | None) -> str:
        """`put` of a file's content, of which memory never holds all.

        Raises:
            UnmetError: there is one, or another one.
            EfganError: it cannot be put.
        """
        condition = {"IfNoneMatch": "*"} if instead_of is None else {"IfMatch": instead_of}
        with open(file, "rb") as body:
            return self._put(path, body, condition, "")

    def put_over(self, path: RemotePath, data: bytes | memoryview, *, sha256: str = "") -> str:
        """Puts an object whatever is there; gives its ETag.

        Raises:
            EfganError: it cannot be put.
        """
        return self._put(path, data, {}, sha256)

    def _put(
        self,
        path: RemotePath,
        data: bytes | memoryview | BufferedReader,
        condition: dict[str, str],
        sha256: str,
    ) -> str:
        token = uuid.uuid4().hex
        body: BytesIO | BufferedReader
        body = data if isinstance(data, BufferedReader) else BytesIO(data)
        digest = hashlib.file_digest(body, partial(hashlib.md5, usedforsecurity=False)).digest()
        for pause in (*CONFLICT_PAUSES_S, None):
            body.seek(0)
            try:
                answer = self._client.put_object(
                    Bucket=path.bucket,
                    Key=path.key,
                    Body=body,
                    ContentMD5=base64.b64encode(digest).decode(),
                    Metadata={TOKEN: token, SHA256: sha256} if sha256 else {TOKEN: token},
                    **condition,
                )
                return str(answer["ETag"])
            except self._faults.ClientError as error:
                code = _code(error)
                if code in _CONFLICT and pause is not None:
                    sleep(pause)
                    continue
                if code not in _UNMET and not (code in _MISSING and "IfMatch" in condition):
                    raise self._fault(path, "written", error) from None
                # An attempt whose answer was lost may have been the one that put it.
                found = self.head(path)
                if found is not None and found.token == token:
                    return found.etag
                raise UnmetError(str(path)) from None
            except (self._faults.BotoCoreError, OSError) as error:
                raise self._fault(path, "written", error) from None
        raise AssertionError("the last pause is None")

    def remove(self, path: RemotePath) -> None:
        """Removes an object of ours; nothing happens where there is none.

        Raises:
            EfganError: it cannot be removed.
        """
        try:
            self._client.delete_object(Bucket=path.bucket, Key=path.key)
        except (self._faults.ClientError, self._faults.BotoCoreError, OSError) as error:
            raise self._fault(path, "removed", error) from None

    # Faults.

    @property
    def _credential_faults(self) -> tuple[type[Exception], ...]:
        faults = self._faults
        return (
            faults.NoCredentialsError,
            faults.PartialCredentialsError,
            faults.CredentialRetrievalError,
            faults.TokenRetrievalError,
            faults.UnauthorizedSSOTokenError,
        )

    def _fault(self, path: RemotePath, verb: str, error: Exception) -> EfganError:
        what = f"{path}: cannot be {verb}"
        if isinstance(error, self._faults.ClientError):
            code = _code(error)
            if code == "NoSuchBucket" or (code in _MISSING and not path.key):
                return EfganError(
                    f"{what}: there is no bucket '{path.bucket}'; make it, or mend the address"
                )
            if code in _DENIED:
                return EfganError(
                    f"{what}: no permission; the credentials in use may not do that in "
                    f"'{path.bucket}' (docs/remote.md lists what a run does)"
                )
            if code in _STRANGER:
                return EfganError(
                    f"{what}: the server does not accept the credentials ({code}); renew them"
                )
            return EfganError(f"{what}: the server answers {code}; run the same command again")
        if isinstance(error, self._credential_faults):
            return EfganError(
                f"{what}: no credentials found; set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, "
                "or AWS_PROFILE"
            )
        return EfganError(
            f"{what}: the server cannot be reached, after {self._attempts} attempts "
            f"({type(error).__name__}); see to the network and run the same command again"
        )


def _listed(each: dict[str, Any]) -> Found:
    return Found(each["ETag"], each["Size"], each.get("LastModified"))


def _code(error: Any) -> str:
    return str(error.response.get("Error", {}).get("Code", "")) or str(
        error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", "")
    )
