"""What comes out of the networks for each picture, and which files are made of it.

A run takes the same shots of every picture, but a picture's targets may be its own. Most runs take
one shot a target and make a still of each; frames and stages take several of one target, and an
animation is one file of several shots.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from efgan_rt.choices import Pace


@dataclass(frozen=True)
class Shot:
    """A picture out of the networks.

    Attributes:
        edit: which of the picture's targets.
        progress: how much of the way to the target: stage k of S gets progress * k/S.
        stage: the picture after this stage, 1 to S; None is the last one.
        pace: what of the way `progress` is a share of: the action units, or the change that is
            seen. Nothing and all of it are the same in both; nothing is the picture as given.
    """

    edit: int
    progress: float = 1.0
    stage: int | None = None
    pace: Pace = Pace.UNITS


@dataclass(frozen=True)
class Product:
    """A file made of every picture.

    Attributes:
        folder: between the output folder and the mirrored tree; "" for none.
        shots: which of the run's shots; one for a still, several for an animation.
        suffix: put behind the name's stem, such as "_003"; with a slash, such as "/003", the stem
            becomes a folder.
        extension: such as ".gif"; None is the plan's.
    """

    folder: str
    shots: tuple[int, ...]
    suffix: str = ""
    extension: str | None = None


@dataclass(frozen=True)
class NetworkRun:
    """One run of the networks on a batch, and the shots that it gives.

    Attributes:
        edit: which of the pictures' targets.
        progress: how much of the way to it.
        pace: what of the way that is a share of.
        shots: by number, the stage that each shows; None is the last.
    """

    edit: int
    progress: float
    pace: Pace
    shots: Mapping[int, int | None]


def one_shot_each(targets: int) -> tuple[Shot, ...]:
    """A shot of each of so many targets, all the way and through every stage."""
    return tuple(map(Shot, range(targets)))


def stills(*folders: str) -> tuple[Product, ...]:
    """A still of each shot, in a folder each; "" for none."""
    return tuple(Product(folder, (number,)) for number, folder in enumerate(folders))


def network_runs(shots: Sequence[Shot]) -> tuple[NetworkRun, ...]:
    """The runs that give all shots: one for each target and progress, in the order of the shots."""
    grouped: dict[tuple[int, float, Pace], dict[int, int | None]] = {}
    for number, shot in enumerate(shots):
        pace = shot.pace if 0 < shot.progress < 1 else Pace.UNITS
        grouped.setdefault((shot.edit, shot.progress, pace), {})[number] = shot.stage
    return tuple(NetworkRun(*key, stages) for key, stages in grouped.items())
