"""Packs what a GPU machine without a network needs into pieces that can be carried there.

    python benchmarks/gpu_pack.py DIR --arch 90     DIR/wheels, DIR/sets -> DIR/pieces

Wheels are stored anew without their own compression, which xz does better, over the whole archive.
`--arch` empties the machine code of all other GPU architectures in ONNX Runtime's CUDA provider:
the driver never reads what is not for its GPU, and of 270 MB of code 77 are for an H100 (1.31.1).
Such a wheel is for one measurement and is not to be passed on.
"""

import argparse
import hashlib
import io
import lzma
import struct
import tarfile
import zipfile
from pathlib import Path
from typing import Final

PROVIDER: Final = "onnxruntime/capi/libonnxruntime_providers_cuda.so"
# A fat binary: header (magic, version, bytes of this header, bytes of all entries), then entries
# of machine code, each with a header of its own that ends in the architecture.
HEADER: Final = struct.Struct("<IHHQ")
ENTRY: Final = struct.Struct("<HHIQIIHHI")
MAGIC: Final = 0xBA55ED50


def thinned(library: bytes, arch: int) -> tuple[bytes, int]:
    """A library with the machine code of other architectures set to zero, and how many bytes."""
    found, emptied, position = bytearray(library), 0, 0
    magic = struct.pack("<I", MAGIC)
    while 0 <= (start := library.find(magic, position)) <= len(library) - HEADER.size:
        _, _, header_bytes, size = HEADER.unpack_from(library, start)
        end = start + header_bytes + size
        if header_bytes != HEADER.size or end > len(library):
            position = start + len(magic)  # the same four bytes by chance
            continue
        entry = start + header_bytes
        while entry < end:
            _, _, entry_header, payload, *_, for_arch = ENTRY.unpack_from(library, entry)
            code = entry + entry_header
            if for_arch != arch:
                found[code : code + payload] = bytes(payload)
                emptied += payload
            entry = code + payload
        position = end
    return bytes(found), emptied


def stored(wheel: Path, arch: int | None) -> bytes:
    """The wheel as a zip without compression, its CUDA provider thinned if it has one."""
    packed = io.BytesIO()
    with zipfile.ZipFile(wheel) as source, zipfile.ZipFile(packed, "w") as target:
        for item in source.infolist():
            content = source.read(item)
            if arch is not None and item.filename == PROVIDER:
                content, emptied = thinned(content, arch)
                print(f"{wheel.name}: {emptied / 1e6:.0f} MB of other architectures left out")
            target.writestr(item, content, compress_type=zipfile.ZIP_STORED)
    return packed.getvalue()


def pack(folder: Path, arch: int | None, piece_bytes: int) -> list[Path]:
    """Writes `folder/pieces` and gives the pieces, the list of their sums last."""
    archive = io.BytesIO()
    with (
        lzma.open(archive, "w", preset=2) as compressed,
        tarfile.open(fileobj=compressed, mode="w|") as tar,
    ):
        for file in sorted((folder / "wheels").iterdir()):
            content = stored(file, arch) if file.suffix == ".whl" else file.read_bytes()
            entry = tarfile.TarInfo(f"wheels/{file.name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        if (folder / "sets").is_dir():
            tar.add((folder / "sets").resolve(), "sets")
    pieces = folder / "pieces"
    pieces.mkdir(exist_ok=True)
    for old in pieces.iterdir():
        old.unlink()
    content, written, sums = archive.getvalue(), [], []
    for number, start in enumerate(range(0, len(content), piece_bytes)):
        piece = pieces / f"all.tar.xz.piece.{number:02}"
        piece.write_bytes(content[start : start + piece_bytes])
        sums.append(f"{hashlib.sha256(piece.read_bytes()).hexdigest()}  {piece.name}\n")
        written.append(piece)
    (pieces / "SHA256SUMS").write_text("".join(sums))
    print(f"{len(content) / 1e6:.1f} MB in {len(written)} pieces")
    return [*written, pieces / "SHA256SUMS"]


def main() -> None:
    """Packs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--arch", type=int, metavar="CC", help="90 for compute capability 9.0")
    parser.add_argument("--piece-mb", type=int, default=32, metavar="MB")
    arguments = parser.parse_args()
    pack(arguments.folder, arguments.arch, arguments.piece_mb << 20)


if __name__ == "__main__":
    main()
