"""Packs what a GPU machine without a network needs into folders that can be carried there.

    python -m benchmarks gpu.sets DIR/sets
    pip download --no-deps --only-binary=:all: --python-version 3.12 \\
        --platform manylinux_2_28_x86_64 --platform manylinux_2_27_x86_64 \\
        --platform manylinux_2_17_x86_64 --platform manylinux2014_x86_64 -d DIR/wheels \\
        onnxruntime-gpu==1.31.1 msgspec platformdirs pi-heif tomli-w pytools siphash24 mako \\
        nvidia-nvimgcodec-cu13 nvidia-nvjpeg
    pip download --no-deps --no-build-isolation --no-binary=pycuda -d DIR/wheels pycuda==2026.1
    python -m benchmarks gpu.pack DIR --arch 90      DIR -> build/gpu-machine/0, 1, ...

Folder 0 holds everything but ONNX Runtime, which is cut into the next ones, and nvImageCodec with
nvJPEG, which are the last. Wheels are stored anew
without their own compression, which xz does better, over the whole archive. `--arch` empties the
machine code of all other GPU architectures in ONNX Runtime's CUDA provider: the driver never reads
what is not for its GPU, and of 270 MB of code 77 are for an H100 (1.31.1). Such a wheel is for one
measurement and is not to be passed on.
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

from benchmarks.gpu_machine import CARRIED

PROVIDER: Final = "onnxruntime/capi/libonnxruntime_providers_cuda.so"
LARGE: Final = "onnxruntime"
CODEC: Final = "nvidia_nv"  # nvImageCodec and nvJPEG
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


def archive(wheels: list[Path], sets: Path | None, arch: int | None) -> bytes:
    """A .tar.xz of wheels, sources and engine sets."""
    packed = io.BytesIO()
    with lzma.open(packed, "w", preset=2) as xz, tarfile.open(fileobj=xz, mode="w|") as tar:
        for file in wheels:
            content = stored(file, arch) if file.suffix == ".whl" else file.read_bytes()
            entry = tarfile.TarInfo(f"wheels/{file.name}")
            entry.size = len(content)
            tar.addfile(entry, io.BytesIO(content))
        if sets is not None and sets.is_dir():
            tar.add(sets.resolve(), "sets")
    return packed.getvalue()


def pack(folder: Path, out: Path, arch: int | None, piece_bytes: int) -> list[Path]:
    """Writes folders `out/0`, `out/1` and so on, and gives them.

    Each holds pieces and, of every archive that they belong to, how many pieces it has and the sum.
    """
    files = sorted((folder / "wheels").iterdir())
    large = [file for file in files if file.name.startswith(LARGE)]
    codec = [file for file in files if file.name.startswith(CODEC)]
    small = [file for file in files if file not in (*large, *codec)]
    folders: list[Path] = []
    archives = [("small", small, folder / "sets"), ("large", large, None)]
    for name, wheels, sets in (*archives, *([("codec", codec, None)] if codec else [])):
        content = archive(wheels, sets, arch)
        # What everything else needs comes at once, in the first call.
        size = piece_bytes if name == "large" else len(content)
        starts = range(0, len(content), size)
        summary = f"{hashlib.sha256(content).hexdigest()} {len(starts)}"
        for number, start in enumerate(starts):
            place = out / str(len(folders))
            place.mkdir(parents=True, exist_ok=True)
            for old in place.iterdir():
                old.unlink()
            (place / f"{name}.{number:02}").write_bytes(content[start : start + size])
            (place / f"{name}.sum").write_text(summary)
            folders.append(place)
        print(f"{name}: {len(content) / 1e6:.1f} MB in {len(starts)} pieces")
    return folders


def main() -> None:
    """Packs."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, metavar="DIR")
    parser.add_argument("--out", type=Path, default=CARRIED, metavar="DIR")
    parser.add_argument("--arch", type=int, metavar="CC", help="90 for compute capability 9.0")
    parser.add_argument("--piece-mb", type=int, default=38, metavar="MB")
    arguments = parser.parse_args()
    pack(arguments.folder, arguments.out, arguments.arch, arguments.piece_mb << 20)
