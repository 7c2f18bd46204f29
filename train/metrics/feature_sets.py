"""What both distances between sets of features take: two arrays, and whom their pictures show."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Values = npt.NDArray[np.float64]
Rows = npt.NDArray[np.intp]


def feature_sets(real: npt.ArrayLike, made: npt.ArrayLike) -> tuple[Values, Values]:
    """Both sets as float64, (n, D) and (m, D).

    Raises:
        ValueError: the two have not the same number of features.
    """
    one, two = np.asarray(real, dtype=np.float64), np.asarray(made, dtype=np.float64)
    if one.ndim != 2 or two.ndim != 2 or one.shape[1] != two.shape[1]:
        raise ValueError(f"features of shape {one.shape} and {two.shape}")
    return one, two


def people_of(
    real: Values, real_people: Sequence[str], made: Values, made_people: Sequence[str]
) -> tuple[list[str], Rows, Rows]:
    """Everybody's name, and which of them each real picture (n,) and each edit (m,) shows.

    Raises:
        ValueError: there is not one name for each picture.
    """
    if (len(real), len(made)) != (len(real_people), len(made_people)):
        raise ValueError(
            f"{len(real)} and {len(made)} features for {len(real_people)} and {len(made_people)} "
            "people's names"
        )
    known, place = np.unique([*real_people, *made_people], return_inverse=True)
    return [str(name) for name in known], place[: len(real)], place[len(real) :]
