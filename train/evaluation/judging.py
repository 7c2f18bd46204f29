"""Everything that judges edits: classifier, reader, embedder and features, trained or opened once.

None of them has taken part in making the edits. The trained ones learn on the real crops of the
people who are not judged, and are kept in a folder that the user names; the embedder and the
features may come from elsewhere, as ONNX files.
"""

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from train.metrics.feature_extractor import Extractor, open_extractor
from train.metrics.feature_training import FEATURES_RECIPE, load_or_train_features
from train.metrics.identity_embedder import EMBEDDER_RECIPE, Embedder, load_or_train_embedder
from train.metrics.judge_shelf import JudgeShelf
from train.metrics.judge_training import CLASSIFIER_RECIPE, READER_RECIPE, JudgeRecipe
from train.metrics.judges import Judges, load_or_train_judges
from train.metrics.onnx_network import OnnxNetwork

LOCAL_EMBEDDER: Final = "local"


@dataclass(frozen=True)
class JudgeRecipes:
    """How long each judge learns; a test's learn less."""

    classifier: JudgeRecipe = CLASSIFIER_RECIPE
    reader: JudgeRecipe = READER_RECIPE
    embedder: JudgeRecipe = EMBEDDER_RECIPE
    features: JudgeRecipe = FEATURES_RECIPE


@dataclass(frozen=True)
class JudgeChoice:
    """Where judges come from.

    `features` is `local`, `inception` or an ONNX file; `embedder` `local` or an ONNX file. The
    layouts say how an ONNX file's input is laid out (`train.metrics.onnx_network`).
    """

    features: str = "local"
    features_layout: str = ""
    embedder: str = LOCAL_EMBEDDER
    embedder_layout: str = ""
    recipes: JudgeRecipes = JudgeRecipes()


@dataclass(frozen=True)
class Judging:
    """The judges in use, and how they came to be, as plain values."""

    judges: Judges
    embedder: Embedder
    embedder_name: str
    extractor: Extractor
    facts: dict[str, Any]


def open_judges(
    data_dir: Path,
    cache_dir: Path,
    unseen: Sequence[str],
    expressions: Sequence[str],
    choice: JudgeChoice,
    say: Callable[[str], None],
) -> Judging:
    """Opens what the choice names and loads or trains the rest.

    Args:
        data_dir: holds `labels.csv` and `images/`.
        cache_dir: where trained judges are kept; made if missing.
        unseen: the people who are judged.
        expressions: what the classifier tells apart.
        choice: where embedder and features come from, and how the others learn.
        say: told what is being trained and why, line by line.

    Raises:
        EfganError: a file cannot be used, or nobody is left to learn from.
    """
    # Files from elsewhere first: a slip there should not cost the minutes of a training.
    extractor = open_extractor(choice.features, choice.features_layout)
    embedder: Embedder | None = None
    if choice.embedder != LOCAL_EMBEDDER:
        embedder = OnnxNetwork(Path(choice.embedder), choice.embedder_layout)
    recipes = choice.recipes
    shelf = JudgeShelf(data_dir, cache_dir, unseen=unseen, say=say, au_names=None)
    judges = load_or_train_judges(
        shelf,
        classifier_recipe=recipes.classifier,
        reader_recipe=recipes.reader,
        expressions=expressions,
    )
    facts: dict[str, Any] = {
        "classifier": asdict(recipes.classifier),
        "reader": asdict(recipes.reader),
    }
    if embedder is None:
        embedder = load_or_train_embedder(shelf, recipes.embedder)
        facts["embedder"] = {"name": LOCAL_EMBEDDER, **asdict(recipes.embedder)}
    else:
        facts["embedder"] = {"name": Path(choice.embedder).name, "layout": choice.embedder_layout}
    if extractor is None:
        extractor = load_or_train_features(shelf, recipes.features)
        facts["features"] = {"name": extractor.name, **asdict(recipes.features)}
    else:
        facts["features"] = {"name": extractor.name, "layout": choice.features_layout}
    return Judging(judges, embedder, facts["embedder"]["name"], extractor, facts)
