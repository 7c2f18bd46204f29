"""A recipe, as it is understood: a model, a set of data rules, and phases run in order.

What a model and a phase are is the family's (`train.families`); files are read by `train.recipes`.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from efgan_rt.action_units import AU_NAMES, canonical_name
from efgan_rt.errors import EfganError


@dataclass(frozen=True)
class DataRecipe:
    """Which pictures are trained on."""

    holdout: tuple[str, ...] = ()  # glob patterns of identities that are never trained on
    expressions: tuple[str, ...] = ()  # those with a prototype; empty: every named one
    prototypes_without: tuple[str, ...] = ()  # identities whose labels are too weak for them
    action_units: str = "openface"  # its 17; `table`: those that the table has; or names: AU06 AU12
    source: str = ""  # for the checkpoint's record
    licence: str = ""
    image_px: int = 128  # side that the crops are brought to

    def __post_init__(self) -> None:
        """Refuses a side that no family's networks halve evenly."""
        if self.image_px < 32 or self.image_px & (self.image_px - 1):
            raise EfganError(f"data.image_px is {self.image_px}, expected a power of 2 from 32 on")

    @property
    def au_names(self) -> tuple[str, ...] | None:
        """The action units that are trained on; None leaves it to the label table."""
        if self.action_units == "table":
            return None
        if self.action_units == "openface":
            return AU_NAMES
        return tuple(canonical_name(name) for name in self.action_units.split())


def check_phase(kind: str, kinds: Sequence[str], *, steps: int, epochs: int) -> None:
    """Holds against each other what every family's phase has.

    Raises:
        EfganError: no such kind, or not exactly one of steps and epochs.
    """
    if kind not in kinds:
        raise EfganError(f"phase kind '{kind}', expected one of {' '.join(kinds)}")
    if (steps > 0) == (epochs > 0):
        raise EfganError(
            f"phase {kind}: steps {steps} and epochs {epochs}, expected exactly one of them above 0"
        )


@dataclass(frozen=True)
class Recipe:
    """A whole training."""

    name: str
    phases: tuple[Any, ...]
    model: Any
    data: DataRecipe = field(default_factory=DataRecipe)
    seed: int = 0
    bf16: bool = False  # autocast; weights, losses and optimiser stay FP32
    channels_last: bool = False
    ema_decay: float = 0.0  # 0: the last weights are the result
    family: str = "cascade"  # of models; it says what a model and a phase are

    def only(self, kind: str) -> "Recipe":
        """The same recipe with the phases of one kind.

        Raises:
            EfganError: it has none of that kind.
        """
        phases = tuple(phase for phase in self.phases if phase.kind == kind)
        if not phases:
            kinds = " ".join(dict.fromkeys(phase.kind for phase in self.phases))
            raise EfganError(f"recipe {self.name} has no phase '{kind}', it has {kinds}")
        return replace(self, phases=phases)

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for `--dry-run` and for the checkpoint's record."""
        values = asdict(self)
        if self.family == "cascade":  # as earlier versions read and wrote it
            del values["family"]
        if self.data.image_px == DataRecipe.image_px:
            del values["data"]["image_px"]
        return values
