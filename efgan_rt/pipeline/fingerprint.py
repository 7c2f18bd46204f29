"""What tells one input, one edit or one output from another: hashes, and stamps that are cheap.

A stamp is what the file system says of a file. Where it is as it was recorded, the file's content
is taken to be as it was; where it is not, the content is hashed, and only that decides.
"""

import hashlib
import json
import os
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from efgan_rt.face_rules import FaceRule, plain_target
from efgan_rt.families.family import Goal
from efgan_rt.regular_files import READ_FLAGS
from efgan_rt.remote.path import RemotePath
from engines.manifest import MANIFEST_NAME

# Raised by whoever changes what the same input, target, engines and options are written as.
OUTPUT_REVISION: Final = 2
BLOCK_BYTES: Final = 1 << 16  # a face crop in one, without a larger buffer to clear for it


def input_stamp(path: Path) -> str | None:
    """Size, times and inode of an input; None where there is no regular file that can be reached.

    The time of the last status change is among them, so that a file put in another's place with its
    modification time kept does not pass for it.
    """
    if isinstance(path, RemotePath):
        return path.stamp()
    try:
        found = path.stat()
    except OSError:
        return None
    if not stat.S_ISREG(found.st_mode):
        return None
    return f"{found.st_size} {found.st_mtime_ns} {found.st_ctime_ns} {found.st_ino}"


def content_hash(path: Path) -> bytes:
    """The sha256 of a regular file.

    Raises:
        OSError: it cannot be read.
    """
    if isinstance(path, RemotePath):
        return path.sha256()
    with open(os.open(path, READ_FLAGS), "rb", buffering=0) as file:
        digest = hashlib.sha256()
        while block := file.read(BLOCK_BYTES):
            digest.update(block)
        return digest.digest()


def engines_fingerprint(directory: Path, *, backend: str, precision: str) -> str:
    """What ran: the manifest, which holds every network's sha256, and what computed them.

    Batch size and thread count are left out: within the tolerance of the arithmetic they make no
    difference, and a run begun with one must be resumable with another.
    """
    manifest = hashlib.sha256((directory / MANIFEST_NAME).read_bytes()).hexdigest()
    return f"{manifest} {backend} {precision}"


def rules_hash(rules: Sequence[FaceRule], engines: str, options: Mapping[str, Any]) -> bytes:
    """`recipe_hash` of an edit that rules say."""
    target = plain_target(rules)
    if target is not None:
        return recipe_hash(target, engines, options)
    values = [OUTPUT_REVISION, engines, dict(options), [each.recipe for each in rules]]
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).digest()


def recipe_hash(goal: Goal, engines: str, options: Mapping[str, Any]) -> bytes:
    """The sha256 of everything but the input that an output depends on.

    Args:
        goal: of the edit, in its program's order.
        engines: from `engines_fingerprint`.
        options: plain values that change what is written, such as the quality.
    """
    values = json.dumps([OUTPUT_REVISION, engines, dict(options)], sort_keys=True)
    arrays = b"".join(each.tobytes() for each in goal.places.values())
    return hashlib.sha256(values.encode() + b"\0" + arrays).digest()
