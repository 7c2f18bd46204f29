"""Which pictures a source has and what may go together with places that are not local."""

from pathlib import Path

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.files import Tree
from efgan_rt.pipeline.journal import Journal
from efgan_rt.pipeline.publish import Publisher
from efgan_rt.remote.addresses import AddressList, Web
from efgan_rt.remote.bucket import BucketTree
from efgan_rt.remote.gs import GoogleStorage
from efgan_rt.remote.journal import RemoteJournal
from efgan_rt.remote.path import LIST_EXTENSION, OPENERS, RemotePath
from efgan_rt.remote.publish import RemotePublisher
from efgan_rt.remote.s3 import S3

OPENERS.update({"s3": S3, "gs": GoogleStorage, "http": Web, "https": Web})


def tree_of(source: Path, exclude: tuple[str, ...]) -> Tree | None:
    """The pictures of a remote source; None for a local one.

    Args:
        source: a bucket's folder or object, a text file of addresses, or a local place.
        exclude: patterns of what is left out.

    Raises:
        EfganError: patterns are for folders, and this is a list.
    """
    if isinstance(source, RemotePath):
        return BucketTree(source, exclude)
    if source.suffix.lower() == LIST_EXTENSION and source.is_file():
        if exclude:
            raise EfganError(f"{source}: --exclude is for folders; leave lines out of the list")
        return AddressList(source)
    return None


def refuse_together(output: Path, asked: dict[str, bool], *, is_source_remote: bool) -> None:
    """Refuses an output that cannot be written to, and options that need local folders.

    Args:
        output: the output folder.
        asked: options that need local folders, and whether they are asked for.
        is_source_remote: whether pictures are read from elsewhere.

    Raises:
        EfganError: there is one.
    """
    is_remote = isinstance(output, RemotePath)
    if isinstance(output, RemotePath) and output.scheme != "s3":
        raise EfganError(
            f"{output}: {output.scheme}:// is for reading; write to s3:// or to a local folder"
        )
    if not is_remote and not is_source_remote:
        return
    for option, is_asked in asked.items():
        if is_asked:
            raise EfganError(
                f"{option} needs local folders for input and output; leave it out, or work "
                "on a local copy"
            )


def has_journal(output: Path) -> bool:
    """Whether an earlier run has left a journal in an output folder."""
    if isinstance(output, RemotePath):
        return RemoteJournal.exists(output)
    return Journal.exists(output)


def early_journal(output: Path, *, only_read: bool) -> Journal | RemoteJournal | None:
    """What says, before anything is written, what is there and ours; None where nothing does.

    Raises:
        EfganError: see `Journal` and `RemoteJournal`.
    """
    if isinstance(output, RemotePath):
        return RemoteJournal(output, only_read=only_read or not has_journal(output))
    return Journal(output, only_read=only_read) if Journal.exists(output) else None


def open_journal(output: Path) -> Journal | RemoteJournal:
    """The journal of an output folder, for a run.

    Raises:
        EfganError: see `Journal` and `RemoteJournal`.
    """
    return RemoteJournal(output) if isinstance(output, RemotePath) else Journal(output)


def publisher_of(
    journal: Journal | RemoteJournal, *, overwrite: bool
) -> Publisher | RemotePublisher:
    """What gives outputs their names beside a journal."""
    if isinstance(journal, RemoteJournal):
        return RemotePublisher(journal, overwrite=overwrite)
    return Publisher(journal, overwrite=overwrite)
