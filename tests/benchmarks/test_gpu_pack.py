"""What is carried to a GPU machine arrives there as it was, but for other architectures' code."""

import subprocess
import zipfile
from pathlib import Path

from benchmarks.gpu_pack import ENTRY, HEADER, MAGIC, PROVIDER, pack, thinned


def fat_binary(*code: tuple[int, bytes]) -> bytes:
    """A fat binary with the machine code of several architectures."""
    entries = b"".join(
        ENTRY.pack(2, 0x101, ENTRY.size, len(payload), 0, 0, 0, 0, arch) + payload
        for arch, payload in code
    )
    return HEADER.pack(MAGIC, 1, HEADER.size, len(entries)) + entries


def test_only_other_architectures_code_is_emptied() -> None:
    library = b"code" + fat_binary((80, b"a" * 9), (90, b"b" * 7)) + b"\x50\xed\x55\xba" + b"data"
    expected = library.replace(b"a" * 9, bytes(9))
    assert thinned(library, 90) == (expected, 9)


def test_pieces_are_joined_into_what_was_packed(tmp_path: Path, repository: Path) -> None:
    here, there = tmp_path / "here", tmp_path / "there"
    (here / "wheels").mkdir(parents=True)
    (here / "sets").mkdir()
    (here / "sets" / "manifest.json").write_text("{}")
    (here / "wheels" / "source.tar.gz").write_bytes(bytes(range(256)))
    with zipfile.ZipFile(here / "wheels" / "some.whl", "w", zipfile.ZIP_DEFLATED) as wheel:
        wheel.writestr(PROVIDER, fat_binary((75, b"x" * 5), (90, b"y" * 5)))
        wheel.writestr("some/__init__.py", "")
    assert len(pack(here, 90, 300)) > 2
    first, rest = tmp_path / "first", tmp_path / "rest"
    for folder in (first, rest):
        folder.mkdir()
    for file in (here / "pieces").iterdir():
        file.rename((first if file.name.endswith("00") else rest) / file.name)

    def join(*folders: Path) -> str:
        command = ["bash", "benchmarks/gpu_machine.sh", "join", *map(str, folders)]
        environment = {"GPU_HOME": str(there), "PATH": "/usr/bin:/bin"}
        return subprocess.run(
            command, cwd=repository, env=environment, capture_output=True, text=True, check=True
        ).stdout

    assert "more pieces are needed" in join(first)
    assert join(rest).startswith("joined: ")
    assert (there / "sets" / "manifest.json").read_text() == "{}"
    assert (there / "wheels" / "source.tar.gz").read_bytes() == bytes(range(256))
    with zipfile.ZipFile(there / "wheels" / "some.whl") as wheel:
        assert wheel.read(PROVIDER) == fat_binary((75, bytes(5)), (90, b"y" * 5))
