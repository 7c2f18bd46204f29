"""What a lane or an opened set of a cascade is asked, from a target's scale and offset."""

from typing import Any

from efgan_rt.expressions import target_places
from engines.arrays import Array


def asked(
    pixels: Array, scale: Array, offset: Array, source_au: Array | None = None, **options: Any
) -> dict[str, Any]:
    """The arguments of `Lane.run` and `OpenedSet.edit`."""
    known = {} if source_au is None else {"source_au": source_au}
    return {"pixels": pixels, "goal": target_places(scale, offset), "known": known, **options}
