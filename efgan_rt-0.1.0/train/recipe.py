"""A recipe: one TOML file that makes a training reproducible.

A recipe is a model, a set of data rules, and phases run in order. The defaults are the published
values (supplement, section 8); what departs from them is a field of its own, off by default, and a
recipe that turns one on says why beside it.
"""

import tomllib
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field, fields, replace
from importlib import resources
from pathlib import Path
from typing import Any, Final, Literal, TypeVar, get_args

from efgan_rt.action_units import AU_NAMES, canonical_name
from efgan_rt.errors import EfganError
from train.data.faces import Augmentation
from train.losses import NormOrMean, Reduction

PhaseKind = Literal["au_head", "warm_up", "adversarial", "paired_adversarial", "cascade"]
PHASE_KINDS: Final = get_args(PhaseKind)


@dataclass(frozen=True)
class ModelRecipe:
    """The model but for what the data decide; names as in `train.models.config.ModelConfig`."""

    width: int = 64
    residual_blocks: int = 6
    stages: int = 1  # at the start; a phase may ask for more
    regions: tuple[str, ...] = ("eyes", "nose", "mouth")
    residual_refiner: bool = False
    critic_width: int = 64
    interpolator_width: int = 64
    paired_critic_width: int = 0  # ours: above 0 there are critics that see source and truth
    spectral_norm: bool = True


@dataclass(frozen=True)
class DataRecipe:
    """Which pictures are trained on."""

    holdout: tuple[str, ...] = ()  # glob patterns of identities that are never trained on
    expressions: tuple[str, ...] = ()  # those with a prototype; empty: every named one
    prototypes_without: tuple[str, ...] = ()  # identities whose labels are too weak for them
    action_units: str = "openface"  # its 17; `table`: those that the table has; or names: AU06 AU12
    source: str = ""  # for the checkpoint's record
    licence: str = ""

    @property
    def au_names(self) -> tuple[str, ...] | None:
        """The action units that are trained on; None leaves it to the label table."""
        if self.action_units == "table":
            return None
        if self.action_units == "openface":
            return AU_NAMES
        return tuple(canonical_name(name) for name in self.action_units.split())


@dataclass(frozen=True)
class LossRecipe:
    """Weights of equation 8 and how its terms are reduced."""

    adversarial: float = 1.0
    condition: float = 3000.0  # lambda 1
    condition_reduction: Reduction = "mean"
    condition_start: float = 1.0  # share of `condition` at the phase's start; below 1 it is raised
    content: float = 10.0  # lambda 2
    attention: float = 0.1  # lambda 3
    attention_reduction: NormOrMean = "norm"
    interpolation: float = 1.0  # lambda 4
    interpolation_adversarial: float = 0.1  # lambda int
    gradient_penalty: float = 10.0
    stage_condition: float = 0.0  # ours: equation 4 on a warm-up's stages that have no truth
    paired: float = 0.0  # ours: distance to the same person's real picture
    paired_eyes_mouth: float = 0.0  # ours: the same again over the eye and mouth patches
    paired_detail: float = 0.0  # ours: the same over differences between neighbouring pixels
    paired_adversarial: float = 0.0  # ours: the paired critics' verdict on each of their views
    # Ours: that weight's factor by region, 1 where none is named; `eyes = 0.4`.
    paired_adversarial_by_region: Mapping[str, float] = field(default_factory=dict)
    feature_matching: float = 0.0  # ours: distance to the truth in the paired critics' features
    zero_centred_penalty: float = 0.0  # ours: on the paired critics' slope at true pictures


@dataclass(frozen=True)
class PhaseRecipe:
    """One phase of a training."""

    kind: PhaseKind = "adversarial"
    stages: int = 0  # EF-GANs in a row, copied from the single one before; 0: as many as there are
    steps: int = 0  # either steps or epochs
    epochs: int = 0
    batch: int = 2
    learning_rate: float = 1e-4
    betas: tuple[float, float] = (0.5, 0.999)
    flat_share: float = 0.5  # the rate stays for this share of the phase, then falls to 0 linearly
    critic_updates: int = 5  # for one of the generator; not given in the paper, GANimation's
    critic_learning_rate: float = 0.0  # ours: of the paired critics; 0 is `learning_rate`
    critic_betas: tuple[float, float] = (0.0, 0.99)  # ours: of the paired critics
    penalty_every: int = 1  # critic updates between gradient penalties, their weight scaled up
    share_edits: bool = False  # ours: the last critic update's edits are the generator's too
    content_every: int = 1  # generator updates between cycle passes, their weight scaled up
    progress_min: float = 1 / 3  # the Interpolator's progress is drawn from here to 1
    unchanged_share: float = 0.0  # pairs that ask for no change
    early_share: float = 0.0  # ours: pairs that a stage before the last brings to their target
    part_share: float = 0.0  # ours: steps that ask for part of the way, with a morph as their truth
    morphed_truth: bool = False  # ours: morphs are the truth of the stages before the last
    augmentation: Augmentation = field(default_factory=Augmentation)
    loss: LossRecipe = field(default_factory=LossRecipe)

    def __post_init__(self) -> None:
        """Holds the fields against each other."""
        if self.kind not in PHASE_KINDS:
            raise EfganError(f"phase kind '{self.kind}', expected one of {' '.join(PHASE_KINDS)}")
        if (self.steps > 0) == (self.epochs > 0):
            raise EfganError(
                f"phase {self.kind}: steps {self.steps} and epochs {self.epochs}, "
                "expected exactly one of them above 0"
            )
        if min(self.batch, self.critic_updates, self.penalty_every, self.content_every) < 1:
            raise EfganError(
                f"phase {self.kind}: batch, critic_updates, penalty_every and content_every "
                "start at 1"
            )
        if self.stages < 0 or (self.kind == "cascade" and self.stages == 1):
            raise EfganError(
                f"phase {self.kind}: stages {self.stages}, expected "
                + ("2 or more" if self.kind == "cascade" else "0 or more")
            )
        paired_critics = self.loss.paired_adversarial or self.loss.feature_matching
        if paired_critics and self.kind not in ("paired_adversarial", "cascade"):
            raise EfganError(
                f"phase {self.kind}: paired_adversarial and feature_matching are for phases whose "
                "every edit has a truth: paired_adversarial and cascade"
            )
        if self.kind == "cascade" and paired_critics and not self.loss.paired:
            raise EfganError(
                "phase cascade: paired critics need the truth, so loss.paired must be above 0"
            )
        if not 0 < self.progress_min <= 1:
            raise EfganError(f"phase {self.kind}: progress_min {self.progress_min} not in (0, 1]")

    def step_count(self, pictures: int) -> int:
        """Generator (or AU-head) updates of the phase for a set of so many pictures."""
        return self.steps or max(1, self.epochs * pictures // self.batch)


@dataclass(frozen=True)
class Recipe:
    """A whole training."""

    name: str
    phases: tuple[PhaseRecipe, ...]
    model: ModelRecipe = field(default_factory=ModelRecipe)
    data: DataRecipe = field(default_factory=DataRecipe)
    seed: int = 0
    bf16: bool = False  # autocast; weights, losses and optimiser stay FP32
    channels_last: bool = False
    ema_decay: float = 0.0  # 0: the last weights are the result

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
        return asdict(self)


T = TypeVar("T")
NAMED: Final = {bool: "true or false", int: "a whole number", float: "a number", str: "a word"}


def recipe_names() -> list[str]:
    """Names of the recipes that come with the package."""
    folder = resources.files("train") / "recipes"
    return sorted(
        f.name.removesuffix(".toml") for f in folder.iterdir() if f.name.endswith(".toml")
    )


def read_recipe(name_or_path: str, changes: Sequence[str] = ()) -> Recipe:
    """Reads a recipe that comes with the package, by name, or any TOML file, by path.

    Args:
        name_or_path: which.
        changes: `KEY=VALUE` each, over what the file says; the key is dotted, phases count from 1
            (`model.width=8`, `phases.2.steps=100`), the value as TOML writes it.

    Raises:
        EfganError: no such recipe, not TOML, or a field that is unknown or of the wrong kind.
    """
    if name_or_path in recipe_names():
        text = (resources.files("train") / "recipes" / f"{name_or_path}.toml").read_text("utf-8")
    else:
        path = Path(name_or_path)
        if not path.is_file():
            raise EfganError(
                f"no recipe '{name_or_path}'; there are {' '.join(recipe_names())}, "
                "or give the path of a TOML file"
            )
        text = path.read_text("utf-8")
    try:
        values = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise EfganError(f"recipe {name_or_path}: not TOML: {error}") from error
    for change in changes:
        _change(values, change)
    return recipe_from_dict(values, where=f"recipe {name_or_path}")


def _change(values: dict[str, Any], change: str) -> None:
    """Puts one `KEY=VALUE` into a recipe's plain values."""
    key, equals, text = change.partition("=")
    *path, last = key.strip().split(".")
    try:
        value = tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        value = text.strip()  # a word needs no quotes on a command line
    place: Any = values
    try:
        for part in path:
            place = _counted(place, part) if isinstance(place, list) else place.setdefault(part, {})
        if not equals or not isinstance(place, dict):
            raise ValueError
    except (ValueError, IndexError, AttributeError) as error:
        raise EfganError(
            f"change '{change}', expected KEY=VALUE such as model.width=8 or phases.2.steps=100; "
            f"the recipe has {len(values.get('phases', ()))} phases, counted from 1"
        ) from error
    place[last] = value


def _counted(places: list[Any], number: str) -> Any:
    """The entry of a list that a number, from 1 on, names."""
    if int(number) < 1:
        raise IndexError
    return places[int(number) - 1]


def recipe_from_dict(values: dict[str, Any], *, where: str) -> Recipe:
    """The recipe of plain values, as a TOML file or `Recipe.to_dict` gives them."""
    values = dict(values)
    phases = []
    for i, phase in enumerate(values.pop("phases", ())):
        place = f"{where}, phase {i + 1}"
        phase = dict(phase)
        nested = {
            "augmentation": _build(Augmentation, phase.pop("augmentation", {}), place),
            "loss": _build(LossRecipe, phase.pop("loss", {}), place),
        }
        phases.append(_build(PhaseRecipe, {**phase, **nested}, place))
    if not phases:
        raise EfganError(f"{where}: no [[phases]], expected at least one")
    values["model"] = _build(ModelRecipe, values.get("model", {}), f"{where}, model")
    values["data"] = _build(DataRecipe, values.get("data", {}), f"{where}, data")
    return _build(Recipe, {**values, "phases": tuple(phases)}, where)


def _build(kind: type[T], values: dict[str, Any], where: str) -> T:
    """A dataclass from plain values; lists become tuples, whole numbers become floats."""
    known = {f.name: f for f in fields(kind)}  # type: ignore[arg-type]
    unknown = sorted(set(values) - set(known))
    if unknown:
        raise EfganError(f"{where}: unknown {' '.join(unknown)}, expected {' '.join(known)}")
    plain: dict[str, Any] = {}
    for name, value in values.items():
        expected = known[name].type
        if isinstance(value, list):
            value = tuple(value)
        if expected is float and isinstance(value, int) and not isinstance(value, bool):
            value = float(value)
        if expected in (bool, int, float, str) and type(value) is not expected:
            raise EfganError(f"{where}: {name} is {value!r}, expected {NAMED[expected]}")
        plain[name] = value
    try:
        return kind(**plain)
    except TypeError as error:
        raise EfganError(f"{where}: {error}") from error
