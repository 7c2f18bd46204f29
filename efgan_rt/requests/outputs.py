"""Which pictures a run takes out of the networks for each edit, and which files it makes of them.

An edit is one still, or the picture after each stage, or frames from the picture as given to the
edit: as numbered stills in a folder named after the picture, or together as one animation.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from efgan_rt.choices import Pace
from efgan_rt.errors import EfganError
from efgan_rt.pictures.animation import EXTENSIONS, Playback, check_animation
from efgan_rt.shots import Product, Shot
from efgan_rt.unfolding import PROBES, frame_shares

MAX_FRAMES = 1000
# An animation has no kind of its own for these: the others are stills of the same name.
ONLY_ANIMATIONS = (".gif", ".apng", ".mp4")


@dataclass(frozen=True)
class OutputKind:
    """What is made of every edit.

    Attributes:
        extension: of the files, such as ".png"; None keeps each input's own.
        frames: from the picture as given to the edit; None for the edit alone.
        pace: what is even about their steps.
        stages: the picture after each stage instead of the last one's alone.
        playback: how frames play.
    """

    extension: str | None = None
    frames: int | None = None
    pace: Pace = Pace.SEEN
    stages: bool = False
    playback: Playback = field(default_factory=Playback)

    def __post_init__(self) -> None:
        """Refuses what does not go together.

        Raises:
            EfganError: which options contradict each other, or are out of range.
        """
        if self.frames is None:
            if self.extension in ONLY_ANIMATIONS:
                raise EfganError(
                    f"--format {self.extension[1:]} is for animations; "
                    "say how many pictures one has with --frames N"
                )
            return
        if self.stages:
            raise EfganError("--frames and --stages are two ways to show an edit; choose one")
        if not 2 <= self.frames <= MAX_FRAMES:
            raise EfganError(
                f"{self.frames} frames; expected 2 (the picture and its edit) to {MAX_FRAMES:,}"
            )
        if self.is_animated:
            assert self.extension is not None
            check_animation(self.extension, self.playback.fps)

    @property
    def is_animated(self) -> bool:
        """Whether an edit is one file of several pictures."""
        return self.frames is not None and self.extension in EXTENSIONS


@dataclass(frozen=True)
class Outputs:
    """What a run makes.

    Attributes:
        shots: out of the networks.
        products: the files.
        labels: one a product, as people are shown it.
    """

    shots: tuple[Shot, ...]
    products: tuple[Product, ...]
    labels: tuple[str, ...]


def outputs_of(edits: Sequence[str], kind: OutputKind, stages: int) -> Outputs:
    """The shots and products of a run.

    Args:
        edits: names; several have a folder each.
        kind: what is made of each.
        stages: of the family's program.
    """
    shots: list[Shot] = []
    products: list[Product] = []
    labels: list[str] = []
    for number, name in enumerate(edits):
        folder = name if len(edits) > 1 else ""
        first = len(shots)
        if kind.stages:
            shots += [Shot(number, stage=stage) for stage in range(1, stages + 1)]
            for stage in range(1, stages + 1):
                products.append(Product(folder, (first + stage - 1,), f"_stage{stage}"))
                labels.append(f"{name}, stage {stage}")
        elif kind.frames is None:
            shots.append(Shot(number))
            products.append(Product(folder, (first,)))
            labels.append(name)
        else:
            shots += [Shot(number, share, pace=kind.pace) for share in frame_shares(kind.frames)]
            frames = range(first, first + kind.frames)
            if kind.is_animated:
                products.append(Product(folder, tuple(frames)))
                labels.append(f"{name}, {kind.frames} frames")
                continue
            digits = max(3, len(str(kind.frames)))
            for frame, shot in enumerate(frames, start=1):
                products.append(Product(folder, (shot,), f"/{frame:0{digits}}"))
                labels.append(f"{name} {frame}/{kind.frames}")
    return Outputs(tuple(shots), tuple(products), tuple(labels))


def recipe_of(product: Product, shots: Sequence[Shot], kind: OutputKind) -> dict[str, Any]:
    """What of a file depends on more than its edit's target, as plain values; {} for a still."""
    taken = [shots[number] for number in product.shots]
    values: dict[str, Any] = {}
    if any(shot.stage is not None for shot in taken):
        values["stages"] = [shot.stage for shot in taken]
    if kind.frames is not None:
        values |= {"progress": [shot.progress for shot in taken], "pace": str(kind.pace)}
        if kind.pace is Pace.SEEN:
            values["probes"] = PROBES
    if kind.is_animated:
        play = kind.playback
        values["animation"] = [play.fps, play.hold_s, play.largest_px]
    return values
