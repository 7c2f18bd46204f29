"""An evaluation from pictures to a document, with everything missing that can be missing."""

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks import readme_tables
from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from engines.arrays import FloatArray
from tests.toy_people import draw, write_people
from train.evaluation.document import to_document
from train.evaluation.judging import JudgeChoice, JudgeRecipes
from train.evaluation.page import to_markdown, write_page
from train.evaluation.pictures import write_pictures
from train.evaluation.run import Evaluation, EvaluationOptions, evaluate
from train.evaluation.tables import every_table
from train.metrics.judge_training import JudgeRecipe
from train.metrics.people import EXPRESSIONS

pytest.importorskip("matplotlib", reason="it is not installed: pip install efgan-rt[evaluate]")

# Most tests ask what is measured, not how well the judges read.
BRIEF = JudgeRecipe(epochs=1, learning_rate=3e-3, batch=8)
LONGER = JudgeRecipe(epochs=60, learning_rate=3e-3, batch=8)
PEOPLE = ["ann", "bob", "cat", "dan"]  # the last two are judged


def code(expression: str) -> FloatArray:
    """Action units that stand for an expression: a unit for each."""
    au = np.zeros(len(AU_NAMES), np.float32)
    au[EXPRESSIONS.index(expression)] = 2.0
    return au


@dataclass
class Draughtsman:
    """Draws a person's true picture of whatever expression is asked for, dimmed by some levels."""

    dimmed: int = 0
    backend: str = "pencil"
    precision: str = "fp32"
    origin: dict[str, Any] = field(default_factory=dict)
    au_names: tuple[str, ...] = AU_NAMES
    expressions: dict[str, FloatArray] = field(
        default_factory=lambda: {name: code(name) for name in EXPRESSIONS}
    )

    def edit(self, pixels: np.ndarray, target_au: FloatArray) -> np.ndarray:
        edits = []
        for picture, au in zip(pixels, target_au, strict=True):
            who = next(
                n
                for n in range(len(PEOPLE))
                if any((draw(n, e) == picture).all() for e in EXPRESSIONS)
            )
            # A transfer's units are the set's own labels: a smile, or nothing.
            wanted = EXPRESSIONS[int(au[:8].argmax())] if au[:8].any() else "happy"
            edits.append(np.maximum(draw(who, wanted), self.dimmed) - self.dimmed)
        return np.stack(edits).astype(np.uint8)

    def au(self, pixels: np.ndarray) -> FloatArray:
        return np.zeros((len(pixels), len(AU_NAMES)), np.float32)


def run(
    data: Path,
    tmp_path: Path,
    judges: Path,
    *editors: Draughtsman,
    classifier: JudgeRecipe = BRIEF,
    **options: Any,
) -> Evaluation:
    """Evaluates, told nothing and showing nothing."""
    values: dict[str, Any] = {"test_people": "cat:dan", "references": 2, "pairs": 30}
    recipes = JudgeRecipes(classifier, BRIEF, BRIEF, BRIEF)
    asked = EvaluationOptions(**values | options, judges=JudgeChoice(recipes=recipes))
    named = [(f"pencil {i}", each) for i, each in enumerate(editors or (Draughtsman(3),))]
    return evaluate(
        data,
        named,
        judges,
        tmp_path / "pairs.csv",
        asked,
        lambda _: None,
        lambda name, total: lambda count: None,
    )


def as_json(evaluation: Evaluation) -> dict[str, Any]:
    """The document as it is read back: nothing in it is not a number."""
    text = json.dumps(to_document(evaluation), allow_nan=False)
    result: dict[str, Any] = json.loads(text)
    return result


def column(document: dict[str, Any], name: str) -> dict[str, Any]:
    (found,) = [each for each in document["columns"] if each["name"] == name]
    return found  # type: ignore[no-any-return]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("evaluated"), PEOPLE)


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where judges are kept."""
    return tmp_path_factory.mktemp("judges")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where `evaluation` is written."""
    return tmp_path_factory.mktemp("run")


@pytest.fixture(scope="module")
def evaluation(data: Path, folder: Path) -> Evaluation:
    editors = Draughtsman(3), Draughtsman(40)
    return run(data, folder, folder, *editors, classifier=LONGER, augment=True)


@pytest.fixture(scope="module")
def document(evaluation: Evaluation) -> dict[str, Any]:
    return as_json(evaluation)


@pytest.fixture
def changed_labels(tmp_path: Path) -> Callable[[Callable[[list[str]], list[str]]], Path]:
    """Makes a set whose label table's rows were changed."""

    def change(how: Callable[[list[str]], list[str]]) -> Path:
        root = tmp_path / "changed"
        root.mkdir()
        write_people(root, PEOPLE)
        head, *rows = (root / "labels.csv").read_text().splitlines()
        (root / "labels.csv").write_text("\n".join([head, *how(rows)]) + "\n")
        return root

    return change


def test_the_columns_stand_between_doing_nothing_and_the_truth(document: dict[str, Any]) -> None:
    names = [each["name"] for each in document["columns"]]
    assert names == ["input", "pencil 0", "pencil 1", "truth"]
    psnr = [column(document, name)["figures"]["psnr_db"]["value"] for name in names]
    assert psnr[0] < psnr[1] > psnr[2]
    assert column(document, "truth")["equal_to_truth"] == 112
    assert column(document, "input")["figures"]["gain_db"]["value"] == 0
    assert column(document, "input")["figures"]["named_as_wanted"]["value"] < 0.2
    assert column(document, "pencil 0")["figures"]["named_as_wanted"]["value"] > 0.8


def test_a_dimmed_picture_is_further_from_real_ones(document: dict[str, Any]) -> None:
    near, far = (column(document, f"pencil {i}")["figures"]["fid"]["value"] for i in (0, 1))
    assert 0 < near < far
    assert column(document, "input")["figures"]["fid"]["value"] == pytest.approx(0, abs=0.05 * near)


def test_what_a_column_costs_is_against_the_first_edit_by_edit(document: dict[str, Any]) -> None:
    assert column(document, "pencil 0")["against_first"] is None
    cost = column(document, "pencil 1")["against_first"]
    first, second = (column(document, f"pencil {i}")["figures"]["psnr_db"] for i in (0, 1))
    assert cost["psnr_db"]["value"] == pytest.approx(second["value"] - first["value"])
    assert cost["psnr_between_worst_db"]["value"] <= cost["psnr_between_db"]["value"]


def test_real_pairs_bound_the_edits_pairs(document: dict[str, Any]) -> None:
    real, edits = document["real"]["verification"], column(document, "pencil 0")["verification"]
    assert real["same_pairs"] == real["different_pairs"] == edits["same_pairs"] == 30
    assert column(document, "input")["verification"] == real


def test_r_plus_g_is_asked_of_the_first_column_only(document: dict[str, Any]) -> None:
    assert column(document, "pencil 0")["training_worth"]["accuracy"]["count"] == 16
    assert column(document, "pencil 1")["training_worth"] is None


def test_constant_units_are_named_and_have_no_silent_figure(document: dict[str, Any]) -> None:
    reader = document["real"]["reader_against_labels"]
    assert reader["icc"]["AU12"]["value"] is not None
    undefined = column(document, "pencil 0")["transfer"]["icc_undefined"]
    for unit in undefined:
        assert column(document, "pencil 0")["transfer"]["icc"][unit]["value"] is None
    if undefined:
        assert any("never varies, so it has no ICC" in note for note in document["notes"])


def test_few_pictures_for_fid_are_noted(document: dict[str, Any]) -> None:
    assert (
        "FID over 224 features of 16 real pictures: their covariance is singular and the distance "
        "too large; compare columns only, and read KID beside it"
    ) in document["notes"]


def test_every_table_shows_published_rows_apart_from_ours(document: dict[str, Any]) -> None:
    tables = {table.title: table for table in every_table(document)}
    assert len(tables) == 8
    accuracy = next(t for title, t in tables.items() if title.startswith("Expression accuracy"))
    (section,) = accuracy.sections
    published, ours = accuracy.rows[:section], accuracy.rows[section:]
    assert (
        "Cascade EF-GAN on RaFD",
        "published: Cascade EF-GAN, Table 1",
        "92.21%",
        "89.38%",
        "93.67%",
    ) in (published)
    assert [row[0] for row in ours] == ["input", "pencil 0", "pencil 1", "truth"]
    assert {row[1] for row in ours} == {"this run"}
    assert "on other data" in accuracy.remark
    assert all(len(row) == len(t.head) for t in tables.values() for row in t.rows)


def test_the_readmes_block_has_published_rows_and_ours(document: dict[str, Any]) -> None:
    block = readme_tables.evaluation(document)
    assert "| EET on DISFA | published: EET, Table III, OpenFace | 0.50 | 0.49 |" in block
    assert block.count("| pencil 0 | this run") == 4
    assert "112 edits and 32 transfers of 2 unseen people" in block


def test_the_page_shows_every_table_and_picture(
    evaluation: Evaluation, document: dict[str, Any], tmp_path: Path
) -> None:
    pictures = write_pictures(tmp_path / "pictures", evaluation, document)
    write_page(tmp_path / "evaluation.md", document, pictures)
    page = (tmp_path / "evaluation.md").read_text()
    assert page.count("![") == len(pictures) == 10
    for _, file in pictures:
        assert f"(pictures/{file.name})" in page
        assert cv2.imread(str(file)) is not None
    for table in every_table(document):
        assert to_markdown(table) in page
    for note in document["notes"]:
        assert f"- {note}" in page


def test_a_page_that_cannot_be_written_is_named(document: dict[str, Any], tmp_path: Path) -> None:
    with pytest.raises(EfganError, match=r"evaluation\.md: cannot be written: "):
        write_page(tmp_path / "gone" / "evaluation.md", document, [])


def test_edits_that_are_their_truth_have_a_finite_figure_and_a_note(
    data: Path, judges: Path, tmp_path: Path
) -> None:
    found = as_json(run(data, tmp_path, judges, Draughtsman(), people=1))
    figures = column(found, "pencil 0")["figures"]
    assert figures["psnr_db"]["value"] == pytest.approx(95.05, abs=0.01)
    assert figures["ssim"]["value"] == pytest.approx(1)
    assert (
        "pencil 0: 56 edits are their true picture, byte for byte; their infinite PSNR counts as "
        "that of one sample that is one level off"
    ) in found["notes"]


def test_a_missing_picture_costs_its_pairs_only(
    changed_labels: Callable[..., Path], judges: Path, tmp_path: Path
) -> None:
    data = changed_labels(lambda rows: [r for r in rows if not r.startswith("cat_sad")])
    found = as_json(run(data, tmp_path, judges, people=1))
    assert found["protocol"]["edits"] == 7 * 7
    assert found["protocol"]["with_truth"] == 7 * 7 - 7
    assert column(found, "pencil 0")["figures"]["psnr_db"]["count"] == 7 * 7 - 7
    assert column(found, "pencil 0")["figures"]["named_as_wanted"]["count"] == 7 * 7
    assert column(found, "truth")["edits"] == 7 * 7 - 7
    assert any("7 of 49 edits have no true picture (cat sad)" in note for note in found["notes"])


def test_one_person_of_two_expressions_has_figures_without_a_width(
    changed_labels: Callable[..., Path], judges: Path, tmp_path: Path
) -> None:
    def only(rows: list[str]) -> list[str]:
        judged = [r for r in rows if r.startswith(("dan_sad", "dan_happy"))]
        return [r for r in rows if r.startswith(("ann", "bob"))] + judged

    found = as_json(run(changed_labels(only), tmp_path, judges, test_people="dan,zoe"))
    notes = found["notes"]
    assert "no picture of zoe: left out of every figure" in notes
    assert "one picture shows happy: its interval has no width, which says nothing" in notes
    assert column(found, "pencil 0")["transfer"] is None
    assert column(found, "input")["transfer"]["icc_average"]["value"] is None
    assert found["protocol"]["transfers"] == 0
    assert column(found, "pencil 0")["verification"]["accuracy"]["value"] is None
    figure = column(found, "pencil 0")["figures"]["psnr_db"]
    assert figure["low"] == figure["value"] == figure["high"]
    assert all(table.rows for table in every_table(found))


def test_an_expression_that_the_judges_never_saw_is_left_out(
    changed_labels: Callable[..., Path], judges: Path, tmp_path: Path
) -> None:
    data = changed_labels(
        lambda rows: [r for r in rows if not r.startswith(("ann_sad", "bob_sad"))]
    )
    found = as_json(run(data, tmp_path, judges, people=1))
    assert "sad" not in found["data"]["expressions"]
    assert any(n.startswith("nobody whom the judges learn from shows sad") for n in found["notes"])


def test_an_expression_that_the_engines_lack_is_left_out(
    data: Path, judges: Path, tmp_path: Path
) -> None:
    editor = Draughtsman(3, expressions={n: code(n) for n in EXPRESSIONS if n != "fearful"})
    found = as_json(run(data, tmp_path, judges, editor, people=1))
    assert "the engines do not know fearful: left out" in found["notes"]
    assert found["protocol"]["edits"] == 7 * 6


def test_engines_that_know_hardly_any_expression_are_refused(
    data: Path, judges: Path, tmp_path: Path
) -> None:
    editor = Draughtsman(expressions={"happy": code("happy"), "blink": code("sad")})
    with pytest.raises(
        EfganError,
        match=r"^1 expressions are in the labels, learnt by the judges and known to the engines "
        r"\(happy\), expected at least 2; the engines know blink, happy$",
    ):
        run(data, tmp_path, judges, editor)


def test_judging_everybody_leaves_nobody_to_learn_from(data: Path, tmp_path: Path) -> None:
    with pytest.raises(EfganError, match="so nobody is left to train the judges on"):
        run(data, tmp_path, tmp_path / "judges", test_people="ann:dan")


def test_the_pairs_of_one_run_serve_another(
    evaluation: Evaluation, folder: Path, data: Path, judges: Path, tmp_path: Path
) -> None:
    found = run(data, tmp_path, judges, seed=2, pair_file=folder / "pairs.csv")
    assert (tmp_path / "pairs.csv").read_text() == (folder / "pairs.csv").read_text()
    assert found.protocol.transfers == evaluation.protocol.transfers
