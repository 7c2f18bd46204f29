"""What is edited towards what, as the papers do it, and which pairs are drawn.

- Every picture of a named expression to every other expression (Cascade EF-GAN, section 4.3). The
  true picture is the same person's picture of the wanted expression; of several, the one that
  stands where the source stands among its own, so that RaFD's gazes meet. Where there is none, the
  edit is made and named all the same, and has no PSNR.
- Every such picture takes over the expressions of five pictures of other people (EET, section IV).
- Pairs that show one person and pairs that show two, one picture of each replaced by an edit of it
  (EET, section IV-C).

What is drawn comes from a seed, and is written to a file that a later run can be given.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np

from efgan_rt.errors import EfganError
from train.data.labels import LabelTable
from train.metrics.paired import NO_TRUTH, EditPlan

REFERENCES: Final = 5  # of other people, for each picture: EET's number for RaFD
VERIFICATION_PAIRS: Final = 5000  # of each kind: EET's number for RaFD
SEED: Final = 20261121


@dataclass(frozen=True)
class Transfers:
    """Which picture takes over the expression of which: rows of a label table, aligned."""

    sources: tuple[int, ...]
    references: tuple[int, ...]

    def __len__(self) -> int:
        return len(self.sources)


@dataclass(frozen=True)
class FacePairs:
    """Pictures to be told apart: an edit, and a real picture of the same person or another.

    `edits` are numbers in an edit plan, `others` rows of a label table, `same` whether the two show
    one person; aligned. The edit's source is what stands in its place for "Real".
    """

    edits: tuple[int, ...]
    others: tuple[int, ...]
    same: tuple[bool, ...]

    def __len__(self) -> int:
        return len(self.edits)


def plan_every_edit(table: LabelTable, expressions: Sequence[str]) -> tuple[EditPlan, list[str]]:
    """Every picture of a named expression to every other one, and what there is to note.

    Args:
        table: labels of the people to be judged.
        expressions: that the engines know and the judges have learnt.

    Raises:
        EfganError: no picture shows any of them.
    """
    rows: dict[tuple[str, str], list[int]] = {}
    for i, key in enumerate(zip(table.identities, table.expressions, strict=True)):
        if key[1] in expressions:
            rows.setdefault(key, []).append(i)
    if not rows:
        raise EfganError(
            f"no picture of the people to be judged shows {' or '.join(expressions) or 'anything'}"
        )
    sources, targets, wanted, unpaired = [], [], [], set()
    for (who, start), own in rows.items():
        for place, source in enumerate(own):
            for end in expressions:
                if end == start:
                    continue
                true = rows.get((who, end), [])
                sources.append(source)
                targets.append(true[place % len(true)] if true else NO_TRUTH)
                wanted.append(end)
                if not true:
                    unpaired.add((who, end))
    notes = []
    if unpaired:
        names = ", ".join(f"{who} {end}" for who, end in sorted(unpaired)[:5])
        more = f" and {len(unpaired) - 5} more" if len(unpaired) > 5 else ""
        count = targets.count(NO_TRUTH)
        notes.append(
            f"{count} of {len(targets)} edits have no true picture ({names}{more}): they are named "
            "by the judge, and left out of PSNR, SSIM and what else compares with the truth"
        )
    shown = {end for _, end in rows}
    for name in expressions:
        pictures = sum(len(own) for (_, end), own in rows.items() if end == name)
        if name not in shown:
            notes.append(f"nobody shows {name}: it is edited towards, and has no truth")
        elif pictures == 1:
            notes.append(f"one picture shows {name}: its interval has no width, which says nothing")
    return EditPlan(tuple(sources), tuple(targets), tuple(wanted)), notes


def draw_transfers(
    table: LabelTable,
    expressions: Sequence[str],
    count: int = REFERENCES,
    seed: int = SEED,
) -> tuple[Transfers, list[str]]:
    """Whose expressions each picture takes over, and what there is to note.

    Args:
        table: labels of the people to be judged.
        expressions: pictures of these are edited; any picture may lend its expression.
        count: how many references each picture gets.
        seed: of the draws.
    """
    who = np.array(table.identities)
    rng = np.random.default_rng(seed)
    sources: list[int] = []
    references: list[int] = []
    short = 0
    for i, what in enumerate(table.expressions):
        if what not in expressions:
            continue
        others = np.flatnonzero(who != who[i])
        short += len(others) < count
        drawn = rng.choice(others, size=min(count, len(others)), replace=False)
        sources += [i] * len(drawn)
        references += drawn.tolist()
    notes = []
    if short:
        notes.append(
            f"{short} pictures have fewer than {count} pictures of other people to take an "
            "expression from; all there are were taken"
        )
    return Transfers(tuple(sources), tuple(references)), notes


def draw_face_pairs(
    table: LabelTable, plan: EditPlan, count: int = VERIFICATION_PAIRS, seed: int = SEED
) -> tuple[FacePairs, list[str]]:
    """Pairs to be told apart, as many of one person as of two, and what there is to note.

    A pair of one person never holds the picture that the edit was made from.

    Args:
        table: labels of the people to be judged.
        plan: whose edits stand in for one picture of each pair.
        count: pairs of each kind, where there are so many.
        seed: of the draws.
    """
    rng = np.random.default_rng(seed + 1)
    who = np.array(table.identities)
    sources = np.array(plan.sources, dtype=np.int64)
    together = who[sources][:, None] == who[None, :]
    itself = sources[:, None] == np.arange(len(who))[None, :]
    kinds = (together & ~itself, ~together)
    possible = [int(kind.sum()) for kind in kinds]
    taken = min(count, *possible)
    edits: list[int] = []
    others: list[int] = []
    for kind in kinds:
        places = np.flatnonzero(kind)
        drawn = np.sort(rng.choice(places, size=taken, replace=False))
        first, second = np.unravel_index(drawn, kind.shape)
        edits += first.tolist()
        others += second.tolist()
    notes = []
    if taken < count:
        notes.append(
            f"verification: {taken} pairs of each kind, not {count}: there are {possible[0]} of "
            f"one person and {possible[1]} of two"
        )
    return FacePairs(tuple(edits), tuple(others), (True,) * taken + (False,) * taken), notes
