"""The columns of `efgan-rt evaluate`: an editor for each engine directory and backend."""

from pathlib import Path
from typing import Any, Final

from efgan_rt.cli.console import remark
from efgan_rt.engine_sets import find_set
from efgan_rt.errors import EfganError
from engines.base import EngineError
from engines.manifest import read_manifest

ALL: Final = "all"
# In the order of the columns: the others' costs are against the first that runs.
EVERY_WAY: Final = (
    "openvino:fp32",
    "openvino:bf16",
    "openvino:int8",
    "onnxruntime",
    "tensorrt",
    "tensorrt-rtx",
    "onnxruntime-cuda",
)
IN_HALF: Final = (
    "no backend on processors computes in half, so that column is what an fp16 set computes, in "
    "PyTorch: weights and every convolution's inputs and results rounded to float16, sums and "
    "instance norms in FP32"
)


def open_editors(
    engines: list[Path] | None,
    model: str | None,
    backends: list[str],
    batch: int,
    threads: int | None,
    half: Path | None = None,
) -> tuple[list[tuple[str, Any]], list[str]]:
    """Every column's name and editor (`train.evaluation.editors`), and what there is to note.

    Args:
        engines: engine directories; None for the current one.
        model: of which family, where no directory is named.
        backends: of each directory, as `NAME` or `NAME:PRECISION`; `all` is every one that runs.
        batch: pictures that go through the networks together.
        threads: of the engines.
        half: a checkpoint for one more column, in half arithmetic.

    Raises:
        EfganError: nothing runs here, or two columns would have one name.
        EngineError: a backend that was named cannot be used.
    """
    from train.evaluation.editors import EngineEditor

    editors: list[tuple[str, Any]] = []
    notes = []
    ways = [(way, False) for way in backends if way != ALL]
    if ALL in backends:
        ways += [(way, True) for way in EVERY_WAY if way not in backends]
    sets = [find_set(each) for each in engines] if engines else [find_set(None, model)]
    for engine_set in sets:
        remark(f"engines: {engine_set.directory} ({engine_set.reason})")
        has_int8 = read_manifest(engine_set.directory).int8 is not None
        for way, may_fail in ways:
            name, _, precision = way.partition(":")
            if may_fail and precision == "int8" and not has_int8:
                continue  # no lack of this machine's
            try:
                editor = EngineEditor(
                    engine_set.directory,
                    backend=name,
                    precision=precision or None,
                    threads=threads,
                    batch=batch,
                )
            except EngineError as error:
                if not may_fail:
                    raise
                notes.append(f"{way} was left out: {error}")
                continue
            prefix = f"{engine_set.directory.name}: " if len(sets) > 1 else ""
            title = f"{prefix}{editor.title}"
            if any(title == other for other, _ in editors):
                raise EfganError(
                    f"{title} would be two columns; name each engine directory and backend once, "
                    "and engine directories so that their last folders differ"
                )
            editors.append((title, editor))
    if half is not None:
        from export.half_editor import HalfEditor

        in_half = HalfEditor(half)
        editors.append((in_half.title, in_half))
        notes.append(f"{in_half.title}: {IN_HALF}")
    if not editors:
        raise EfganError(f"no backend runs here: {'; '.join(notes)}")
    return editors, notes
