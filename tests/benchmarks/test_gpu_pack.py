"""What is carried to a GPU machine arrives there as it was, but for other architectures' code."""

import zipfile
from pathlib import Path

import pytest

from benchmarks.gpu.pack import ENTRY, HEADER, MAGIC, PROVIDER, pack, thinned
from benchmarks.gpu_machine import environment, take_in


def fat_binary(*code: tuple[int, bytes]) -> bytes:
    """A fat binary with the machine code of several architectures."""
    entries = b"".join(
        ENTRY.pack(2, 0x101, ENTRY.size, len(payload), 0, 0, 0, 0, arch) + payload
        for arch, payload in code
    )
    return HEADER.pack(MAGIC, 1, HEADER.size, len(entries)) + entries


def write_wheel(folder: Path, name: str, **files: bytes) -> None:
    """A wheel of some files that pip installs."""
    folder.mkdir(parents=True, exist_ok=True)
    facts = f"Metadata-Version: 2.1\nName: {name}\nVersion: 1\n".encode()
    files |= {f"{name}-1.dist-info/METADATA": facts, f"{name}-1.dist-info/RECORD": b""}
    files[f"{name}-1.dist-info/WHEEL"] = b"Wheel-Version: 1.0\nTag: py3-none-any\n"
    path = folder / f"{name}-1-py3-none-any.whl"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as wheel:
        for place, content in files.items():
            wheel.writestr(place, content)


def test_only_other_architectures_code_is_emptied() -> None:
    library = b"code" + fat_binary((80, b"a" * 9), (90, b"b" * 7)) + b"\x50\xed\x55\xba" + b"data"
    expected = library.replace(b"a" * 9, bytes(9))
    assert thinned(library, 90) == (expected, 9)


@pytest.fixture
def packed(tmp_path: Path) -> list[Path]:
    """A little of everything, in folders as they are carried."""
    here = tmp_path / "here"
    code = fat_binary((75, b"x" * 5), (90, b"y" * 5))
    write_wheel(here / "wheels", "carried", **{"carried.py": b""})
    write_wheel(here / "wheels", "onnxruntime_gpu", **{PROVIDER: code})
    (here / "wheels" / "source.tar.gz").write_bytes(bytes(range(256)))
    (here / "sets").mkdir()
    (here / "sets" / "manifest.json").write_text("{}")
    return pack(here, tmp_path / "packed", 90, 300)


def carry(folders: list[Path], carried: Path) -> None:
    """They alone are where the next call finds them."""
    carried.mkdir(exist_ok=True)
    for folder in folders:
        folder.rename(carried / folder.name)


def test_pieces_are_taken_in_as_they_arrive(
    packed: list[Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    carried, home = tmp_path / "carried", tmp_path / "home"
    assert len(packed) > 2
    carry(packed[:2], carried)
    take_in(carried, home)
    assert (home / "site" / "carried.py").exists()
    assert (home / "sets" / "manifest.json").read_text() == "{}"
    assert (home / "wheels" / "source.tar.gz").read_bytes() == bytes(range(256))
    said = capfd.readouterr().out
    assert f"large: 1 of {len(packed) - 1} pieces are here" in said and "small: taken in" in said
    carry(packed[2:], carried)
    take_in(carried, home)
    library = (home / "site" / PROVIDER).read_bytes()
    assert library == fat_binary((75, bytes(5)), (90, b"y" * 5))
    assert capfd.readouterr().out.strip() == "large: taken in"
    take_in(carried, home)
    assert capfd.readouterr().out == ""


def test_other_pieces_than_were_packed_are_refused(packed: list[Path], tmp_path: Path) -> None:
    content = bytearray((packed[0] / "small.00").read_bytes())
    content[0] ^= 1
    (packed[0] / "small.00").write_bytes(content)
    carry(packed[:1], tmp_path / "carried")
    with pytest.raises(SystemExit, match="the pieces of small are not those that were packed"):
        take_in(tmp_path / "carried", tmp_path / "home")


def test_nvimagecodec_is_a_folder_of_its_own_behind_the_others(tmp_path: Path) -> None:
    here, carried, home = tmp_path / "here", tmp_path / "packed", tmp_path / "home"
    write_wheel(here / "wheels", "carried", **{"carried.py": b""})
    write_wheel(here / "wheels", "onnxruntime_gpu", **{PROVIDER: b""})
    library = "nvidia/cu13/lib/libnvjpeg.so.13"
    write_wheel(here / "wheels", "nvidia_nvjpeg", **{library: b"code"})
    write_wheel(here / "wheels", "nvidia_nvimgcodec_cu13", **{"nvidia/nvimgcodec/a.py": b""})
    folders = pack(here, carried, None, 1 << 20)
    assert [[file.name for file in sorted(each.iterdir())] for each in folders] == [
        [f"{name}.00", f"{name}.sum"] for name in ("small", "large", "codec")
    ]
    take_in(carried, home)
    assert (home / "site" / library).read_bytes() == b"code"
    assert (home / "site" / "nvidia" / "nvimgcodec" / "a.py").exists()
    libraries = environment(home)["LD_LIBRARY_PATH"].split(":")
    assert libraries[0] == str(home / "site" / "nvidia" / "cu13" / "lib")
