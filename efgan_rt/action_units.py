"""The 17 action units that OpenFace 2 measures, in OpenFace's order.

An intensity is a float32 on OpenFace's scale from 0 (absent) to 5 (maximum). The order is carried
in every checkpoint and every engine manifest, and readers map by name, never by position.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from efgan_rt.errors import EfganError

MAX_INTENSITY: Final = 5.0
AU_DESCRIPTIONS: Final[Mapping[str, str]] = {
    "AU01": "inner brow raiser",
    "AU02": "outer brow raiser",
    "AU04": "brow lowerer",
    "AU05": "upper lid raiser",
    "AU06": "cheek raiser",
    "AU07": "lid tightener",
    "AU09": "nose wrinkler",
    "AU10": "upper lip raiser",
    "AU12": "lip corner puller",
    "AU14": "dimpler",
    "AU15": "lip corner depressor",
    "AU17": "chin raiser",
    "AU20": "lip stretcher",
    "AU23": "lip tightener",
    "AU25": "lips part",
    "AU26": "jaw drop",
    "AU45": "blink",
}
AU_NAMES: Final[tuple[str, ...]] = tuple(AU_DESCRIPTIONS)


def canonical_name(text: str) -> str:
    """The AU's name as this project writes it: `12`, `au12`, `AU12` and `AU12_r` give `AU12`.

    Raises:
        EfganError: the text names no action unit.
    """
    stem = text.strip().upper().removesuffix("_R").removeprefix("AU")
    if not (stem.isascii() and stem.isdigit() and len(stem) <= 2):
        raise EfganError(f"'{text}' is not an action unit; expected a name such as AU12")
    return f"AU{int(stem):02d}"


def index_of(name: str, au_names: Sequence[str] = AU_NAMES) -> int:
    """Position of an action unit in `au_names`.

    Raises:
        EfganError: the model has no such unit; the message lists those it has.
    """
    canonical = canonical_name(name)
    try:
        return list(au_names).index(canonical)
    except ValueError:
        known = " ".join(au_names)
        raise EfganError(f"the model has no {canonical}; its action units are {known}") from None
