"""Google Cloud Storage, for reading, by fsspec's gcsfs; credentials as Google finds them."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from efgan_rt.remote.path import RemotePath


@dataclass(frozen=True)
class Told:
    """What a listing says of an object; its generation is another one with each content."""

    size: int
    generation: str

    @property
    def stamp(self) -> str:
        """Size and generation."""
        return f"{self.size} {self.generation}"


class GoogleStorage:
    """A client for all buckets, for any thread.

    Args:
        files: a file system of fsspec's; None opens gcsfs.

    Raises:
        EfganError: gcsfs is not installed, or there are no credentials.
    """

    def __init__(self, files: Any = None) -> None:
        if files is None:
            with needs_extra("remote"):
                import gcsfs
            try:
                files = gcsfs.GCSFileSystem(use_listings_cache=False)
            except Exception as error:  # Google's libraries share no base
                raise EfganError(
                    f"gs://: no credentials found ({type(error).__name__}); run gcloud auth "
                    "application-default login, or set GOOGLE_APPLICATION_CREDENTIALS"
                ) from None
        self._files = files

    def stamp(self, path: RemotePath) -> str:
        """The object's size and generation.

        Raises:
            FileNotFoundError: there is no such object.
            EfganError: it cannot be asked for.
        """
        info = self._asked(path, "read", lambda: self._files.info(_name(path)))
        return _told(info).stamp

    def read(self, path: RemotePath) -> tuple[bytes, str]:
        """The object's content, and its stamp of before, so that a change meanwhile shows later.

        Raises:
            FileNotFoundError: there is no such object.
            EfganError: it cannot be read.
        """
        stamp = self.stamp(path)
        data: bytes = self._asked(path, "read", lambda: self._files.cat_file(_name(path)))
        return data, stamp

    def folder(self, path: RemotePath) -> Iterator[tuple[str, Told | None]]:
        """The names in a folder, each with what is told of it; None for a folder's.

        Raises:
            EfganError: it cannot be listed.
        """
        try:
            entries = self._asked(
                path, "listed", lambda: self._files.ls(_name(path), detail=True, refresh=True)
            )
        except FileNotFoundError:
            return
        for each in entries:
            name = each["name"].rstrip("/").rpartition("/")[2]
            if each["type"] == "directory":
                yield name, None
            elif each["name"].strip("/") != _name(path):
                yield name, _told(each)

    def _asked(self, path: RemotePath, verb: str, ask: Any) -> Any:
        try:
            return ask()
        except FileNotFoundError:
            raise
        except Exception as error:  # Google's, aiohttp's and the system's share no base
            code = getattr(error, "code", None) or getattr(error, "status", None)
            why = f"the server answers {code}" if code else type(error).__name__
            if isinstance(error, PermissionError) or code in (401, 403):
                why = "no permission; see which credentials are in use"
            raise EfganError(f"{path}: cannot be {verb}: {why}") from None


def _name(path: RemotePath) -> str:
    return "/".join(path.parts[1:])


def _told(info: Any) -> Told:
    generation = info.get("generation") or info.get("etag") or info.get("created") or ""
    return Told(int(info["size"]), str(generation))
