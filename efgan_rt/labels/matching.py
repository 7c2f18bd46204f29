"""Which label row belongs to which picture.

Formats name pictures by path, by name, by stem, or by a frame number and the stem of the video or
folder. A name is matched as it is: first as a path, then by the longest end of a path that only
one picture has. Frames are matched by the number that ends a picture's name, or, where the user
says that a folder's pictures were read in the order of their names, by that order.
"""

import re
from collections import Counter, defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import PurePosixPath

from efgan_rt.choices import FrameRule
from efgan_rt.errors import EfganError
from efgan_rt.labels.rows import LabelRow


@dataclass(frozen=True)
class Matched:
    """Label rows by picture.

    Attributes:
        rows: for each picture that has a label, by its path in the picture folder, its faces.
        unmatched: label rows without a picture, by reason.
        unlabelled: pictures without a label.
    """

    rows: dict[str, tuple[LabelRow, ...]]
    unmatched: dict[str, int]
    unlabelled: int


def match_rows(
    rows: Sequence[LabelRow], pictures: Sequence[str], frames: FrameRule = FrameRule.NUMBER
) -> Matched:
    """Ties label rows to pictures.

    Args:
        rows: of a label file.
        pictures: paths in the picture folder, with forward slashes, sorted.
        frames: how a frame number tells its picture.

    Raises:
        EfganError: frames are to be told by order, and a folder has another number of pictures
            than its label file has frames.
    """
    found: defaultdict[str, list[LabelRow]] = defaultdict(list)
    unmatched: Counter[str] = Counter()
    names = _Names(pictures)
    sequences = _Sequences(pictures, rows, frames)
    for row in rows:
        try:
            picture = names.find(row.picture) if row.frame is None else sequences.find(row)
        except LookupError as error:
            unmatched[str(error.args[0])] += 1
            continue
        found[picture].append(row)
    in_order = {p: tuple(found[p]) for p in pictures if p in found}
    return Matched(in_order, dict(unmatched), len(pictures) - len(in_order))


class _Names:
    """Pictures by path, and by name and stem."""

    def __init__(self, pictures: Sequence[str]) -> None:
        self._paths = set(pictures)
        self._by_name: defaultdict[str, list[PurePosixPath]] = defaultdict(list)
        for picture in pictures:
            path = PurePosixPath(picture)
            for key in {path.name, path.stem}:
                self._by_name[key].append(path)

    def find(self, name: str) -> str:
        """The one picture that a path, name or stem means; LookupError with the reason if none."""
        path = PurePosixPath(name.replace("\\", "/"))
        if str(path) in self._paths:
            return str(path)
        candidates = self._by_name.get(path.name, [])
        # The more of the folders above agree, the better: of several, the longest end decides.
        for length in range(1, len(path.parts) + 1):
            if len(candidates) <= 1:
                break
            end = path.parts[-length:-1]
            closer = [c for c in candidates if c.parts[len(c.parts) - length : -1] == end]
            if not closer:
                break
            candidates = closer
        if len(candidates) == 1:
            return str(candidates[0])
        raise LookupError(
            "several pictures of that name" if candidates else "no picture of that name"
        )


class _Sequences:
    """Pictures by the sequence and the frame number that they are."""

    def __init__(
        self, pictures: Sequence[str], rows: Sequence[LabelRow], frames: FrameRule
    ) -> None:
        self._frames: dict[str, dict[int, str]] = {}
        stems = sorted({row.picture for row in rows if row.frame is not None})
        for stem in stems:
            own = [p for p in pictures if {stem, f"{stem}_aligned"} & set(PurePosixPath(p).parts)]
            if not own and len(stems) == 1:
                own = list(pictures)
            if frames is FrameRule.ORDER:
                numbers = {row.frame for row in rows if row.picture == stem}
                # Dropped rows leave gaps, so only the highest number can be held against it.
                highest = max(n for n in numbers if n is not None)
                if highest > len(own):
                    raise EfganError(
                        f"{stem}: frame {highest} is labelled, but there are {len(own)} pictures "
                        "to tell by their order"
                    )
                self._frames[stem] = dict(enumerate(own, start=1))
            else:
                self._frames[stem] = _by_number(own)

    def find(self, row: LabelRow) -> str:
        """The picture of a frame; LookupError with the reason if there is none."""
        assert row.frame is not None
        picture = self._frames[row.picture].get(row.frame)
        if picture is None:
            raise LookupError("no picture of that frame number")
        return picture


def _by_number(pictures: Sequence[str]) -> dict[int, str]:
    """Pictures by the number that ends their stem; numbers that several have are left out."""
    found: dict[int, str] = {}
    twice = set()
    for picture in pictures:
        match = re.search(r"(\d{1,12})$", PurePosixPath(picture).stem)
        if match:
            number = int(match.group(1))
            if number in found:
                twice.add(number)
            found[number] = picture
    return {number: picture for number, picture in found.items() if number not in twice}
