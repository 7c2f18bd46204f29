"""How far edits move an action unit, as an estimator reads it on the 0 to 5 scale."""

from dataclasses import dataclass

from efgan_rt.action_units import FloatArray


@dataclass(frozen=True)
class IntensityRise:
    """Mean readings of one action unit before and after, and the spread of the rises.

    `rise` is the mean of after - before; `spread` its standard deviation over the pictures;
    `smallest` the least of them.
    """

    count: int
    before: float
    after: float
    rise: float
    spread: float
    smallest: float


def measure_rise(before: FloatArray, after: FloatArray) -> IntensityRise:
    """Compares readings of one action unit.

    Args:
        before: of the inputs, (n,), 0 to 5.
        after: of the edits of the same pictures in the same order, (n,).

    Raises:
        ValueError: there are no pictures, or the shapes differ.
    """
    if before.size == 0 or before.shape != after.shape or before.ndim != 1:
        raise ValueError(f"readings of shape {before.shape} before and {after.shape} after")
    rises = after - before
    return IntensityRise(
        count=len(rises),
        before=float(before.mean()),
        after=float(after.mean()),
        rise=float(rises.mean()),
        spread=float(rises.std()),
        smallest=float(rises.min()),
    )
