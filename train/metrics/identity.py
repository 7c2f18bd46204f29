"""Whether an edit still shows the same person.

An embedder that took part in no training of a generator (`train.metrics.identity_embedder`) turns
pictures into directions; similarity is the cosine between two. The figures stand between two
bounds: two real pictures of the person (the edit's input and its truth), and the truth beside the
other people's pictures of the same expression.

For the nearest person, every test person is what the mean of their `mixed` pictures points to,
where there are any: other lights and other backgrounds, so that the background that an edit keeps
does not name its person. A set without such pictures takes the person's other named expressions.
"""

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from engines.arrays import Bytes, FloatArray, Values
from train.data.faces import FaceSet
from train.data.labels import LabelTable
from train.metrics.identity_embedder import Embedder
from train.metrics.paired import EditPlan
from train.metrics.people import EXPRESSIONS
from train.metrics.verification import Verification, measure_verification

DIFFERENT_SEED: Final = 20261121  # of the two-person pairs that an embedder is tried on


@dataclass(frozen=True)
class IdentityScores:
    """One value an edit, each (n,); similarities are cosines, -1 to 1.

    `to_truth` and `to_source` compare the edit with the person's real pictures, `real` those two
    with each other, `stranger` the truth with the other people's pictures of that expression (their
    mean; not a number without another person). `nearest_own` is 1 where the edit lies nearest to
    its own person among all, and 0 elsewhere (always 1 if there is one person).
    """

    to_truth: Values
    to_source: Values
    real: Values
    stranger: Values
    nearest_own: Values


def score_identity(
    faces: FaceSet, plan: EditPlan, edits: Bytes, embedder: Embedder
) -> IdentityScores:
    """Compares edits with their people.

    Args:
        faces: the people who were edited.
        plan: which of their pictures were edited towards which.
        edits: the results in the plan's order, uint8 RGB (n, H, W, 3).
        embedder: took no part in making the edits.
    """
    table = faces.table
    known = embedder.embed(faces.pixels.numpy()).astype(np.float64)
    made = embedder.embed(edits).astype(np.float64)
    sources, truths = known[list(plan.sources)], known[list(plan.targets)]
    who = np.array(table.identities)
    what = np.array(table.expressions)
    people, gallery = person_directions(table, known)
    own = np.array([people.index(who[t]) for t in plan.targets])
    stranger = np.full(len(plan), np.nan)
    for i, target in enumerate(plan.targets):
        others = (what == what[target]) & (who != who[target])
        if others.any():
            stranger[i] = (known[others] @ known[target]).mean()
    return IdentityScores(
        to_truth=(made * truths).sum(axis=1),
        to_source=(made * sources).sum(axis=1),
        real=(sources * truths).sum(axis=1),
        stranger=stranger,
        nearest_own=((made @ gallery.T).argmax(axis=1) == own).astype(np.float64),
    )


def person_directions(
    table: LabelTable, directions: npt.NDArray[np.floating]
) -> tuple[list[str], Values]:
    """Where each person lies: names, and one direction of length 1 each (people, D).

    Args:
        table: labels of N pictures.
        directions: of the same pictures, (N, D), each of length 1.
    """
    who = np.array(table.identities)
    mixed = ~np.isin(table.expressions, EXPRESSIONS)
    people = list(dict.fromkeys(table.identities))
    rows = []
    for person in people:
        own = who == person
        kept = own & mixed if (own & mixed).any() else own
        rows.append(directions[kept].astype(np.float64).mean(axis=0))
    gallery = np.stack(rows)
    lengths = np.linalg.norm(gallery, axis=1, keepdims=True)
    return people, gallery / np.maximum(lengths, 1e-12)


def verify_embedder(faces: FaceSet, embedder: Embedder) -> Verification:
    """How well an embedder tells people apart by real crops, of people it has not seen.

    All pairs of one person's pictures against as many random pairs of two.
    """
    directions: FloatArray = embedder.embed(faces.pixels.numpy())
    who = np.array(faces.table.identities)
    first, second = np.triu_indices(len(who), k=1)
    similarity = np.einsum("nd,nd->n", directions[first], directions[second])
    together = who[first] == who[second]
    different = similarity[~together]
    count = min(len(different), int(together.sum()))
    rng = np.random.default_rng(DIFFERENT_SEED)
    drawn = rng.choice(different, size=count, replace=False)
    return measure_verification(rng.permutation(similarity[together]), drawn)
