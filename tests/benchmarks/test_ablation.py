"""The ablation: from checkpoints to a table, a file and sheets, and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from benchmarks.ablation import parse_models
from benchmarks.ablation_table import figure_rows, judges_table
from benchmarks.readme_training import models_by_measure, switches
from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from tests.toy import toy_config, toy_networks
from tests.toy_people import write_people
from train.checkpoint import Checkpoint, plain_weights, save_pt
from train.evaluation.figure_text import interval_text
from train.evaluation.sheet import HEADING_PX, NAME_PX
from train.metrics.edit_scores import STATISTICS
from train.metrics.people import EXPRESSIONS


def toy_checkpoint(path: Path, stages: int) -> None:
    """A random model that knows all eight expressions."""
    config = toy_config(stages=stages)
    networks = toy_networks(config)
    weights = {
        f"{name}.{key}": value
        for name, module in (("cascade", networks.cascade), ("au_reader", networks.au_reader))
        for key, value in plain_weights(module).items()
    }
    flat = dict.fromkeys(EXPRESSIONS, np.zeros(len(AU_NAMES), np.float32))
    record = {"seconds": 12.5, "pictures_seen": 4000, "recipe": {"name": "toy"}}
    save_pt(Checkpoint(config, weights, flat, record), path)


def run_script(repository: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, str(repository / "benchmarks" / "ablation.py"), *arguments],
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


@pytest.fixture(scope="module")
def measured(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[Path, str, dict[str, Any]]:
    """What a run over two toy models has written, printed and stored."""
    folder = tmp_path_factory.mktemp("ablation")
    (folder / "data").mkdir()
    data = write_people(folder / "data", ["id000", "id200"])
    toy_checkpoint(folder / "one.pt", 1)
    toy_checkpoint(folder / "two.pt", 2)
    places = [f"--{name}={folder / name}" for name in ("judges", "sheets")]
    done = run_script(
        repository, f"one stage={folder / 'one.pt'}", f"two={folder / 'two.pt'}",
        f"--data={data}", *places,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads((folder / "sheets" / "ablation.json").read_text())
    return folder / "sheets", done.stdout, document


def test_every_model_has_every_figure(measured: tuple[Path, str, dict[str, Any]]) -> None:
    models = measured[2]["models"]
    assert [m["name"] for m in models] == ["one stage", "two"]
    assert [m["stages"] for m in models] == [1, 2]
    for model in models:
        assert set(model["figures"]) == set(model["large_gap_figures"]) == set(STATISTICS)
        assert (model["edits"], model["large_gap_edits"]) == (14, 2)
        assert model["figures"]["psnr_db"]["count"] == 14
        assert model["named_contemptuous"]["count"] == 2


def test_the_training_is_read_from_the_checkpoint(
    measured: tuple[Path, str, dict[str, Any]],
) -> None:
    model = measured[2]["models"][0]
    assert (model["training_seconds"], model["pictures_seen"], model["recipe"]) == (
        12.5,
        4000,
        "toy",
    )


def test_models_are_compared_with_the_first(measured: tuple[Path, str, dict[str, Any]]) -> None:
    one, two = measured[2]["models"]
    assert one["above_first"]["psnr_db"]["value"] == 0
    difference = two["figures"]["psnr_db"]["value"] - one["figures"]["psnr_db"]["value"]
    assert two["above_first"]["psnr_db"]["value"] == pytest.approx(difference)


def test_one_person_is_said_and_gives_no_interval(
    measured: tuple[Path, str, dict[str, Any]],
) -> None:
    document = measured[2]
    assert document["people"] == {"n": 1, "first": "id200", "last": "id200"}
    assert document["judges"]["verification"]["accuracy"] is None
    texts = dict(figure_rows(document))["PSNR, dB"]
    assert all(" to " not in text for text in texts)


def test_the_table_for_people_names_the_models(measured: tuple[Path, str, dict[str, Any]]) -> None:
    assert all(text in measured[1] for text in ("one stage", "named as wanted (G)", "4,000"))


def test_a_sheet_has_a_column_a_model_between_input_and_truth(
    measured: tuple[Path, str, dict[str, Any]],
) -> None:
    folder = measured[0]
    names = sorted(path.name for path in folder.glob("*.png"))
    assert names == ["angry-to-happy.png", "neutral-to-happy.png", "sad-to-surprised.png"]
    for name in names:
        sheet = cv2.imread(str(folder / name))
        assert sheet is not None
        assert sheet.shape == (HEADING_PX + 128, NAME_PX + 4 * 128, 3)


def test_the_readme_shows_it(measured: tuple[Path, str, dict[str, Any]]) -> None:
    text = models_by_measure(measured[2])
    assert text.startswith("|  | one stage | two |")
    assert "| named as wanted (G) |" in text
    assert "14 edits of 1 unseen people, and 2 over large gaps" in text


def test_an_interval_is_written_behind_its_figure() -> None:
    figure = {"value": 0.9375, "low": 0.901, "high": 1.0, "people": 40, "count": 560}
    assert interval_text(figure, ".1%") == "93.8 (90.1 to 100.0)%"
    assert interval_text(figure | {"people": 1}, ".1%") == "93.8%"
    assert interval_text(figure, ".2f") == "0.94 (0.90 to 1.00)"
    assert interval_text(figure | {"value": None}, ".2f") == interval_text(None, ".2f") == "-"


@pytest.mark.parametrize("text", ["runs/a.pt", "=runs/a.pt", "a="])
def test_a_model_needs_a_name_and_a_path(text: str) -> None:
    with pytest.raises(EfganError) as error:
        parse_models([text])
    assert str(error.value) == f"'{text}': expected NAME=PATH, as in full=runs/full/latest.pt"


def test_two_models_of_one_name_are_refused() -> None:
    with pytest.raises(EfganError, match=r"^'a' names two checkpoints; each needs a name of its"):
        parse_models(["a=x.pt", "a=y.pt"])


def test_a_mistake_on_the_command_line_is_one_sentence(repository: Path, tmp_path: Path) -> None:
    done = run_script(repository, "a", f"--data={tmp_path}")
    assert done.returncode == 1
    assert done.stderr == "error: 'a': expected NAME=PATH, as in full=runs/full/latest.pt\n"


def test_switches_have_a_row_a_training(measured: tuple[Path, str, dict[str, Any]]) -> None:
    document = measured[2]
    for model in document["models"]:
        model |= {"pictures_seen": 1600, "training_seconds": 190.4}
    text = switches(document)
    assert text.startswith("| training | PSNR, dB |")
    for name in ("one stage", "two"):
        assert any(
            line.startswith(f"| {name} | ") and line.endswith(" | 1,600 | 190 |")
            for line in text.splitlines()
        )


def test_processor_seconds_are_shown_where_they_were_timed(
    measured: tuple[Path, str, dict[str, Any]],
) -> None:
    document = {**measured[2]}
    assert "processor seconds of training" not in dict(figure_rows(document))
    document["models"] = [
        {**model, "training_processor_seconds": 1207.1} for model in document["models"]
    ]
    assert dict(figure_rows(document))["processor seconds of training"] == ["1,207", "1,207"]


def test_what_edits_teach_stands_beside_what_real_crops_teach(
    measured: tuple[Path, str, dict[str, Any]],
) -> None:
    document = json.loads(json.dumps(measured[2]))
    assert not any(label.startswith("R+G") for label, _ in figure_rows(document))
    interval = {"low": 0.8, "high": 0.9, "people": 40, "count": 320}
    worth = {
        "all": {"real_people": None, **interval, "value": 0.875},
        "few": {"real_people": 20, **interval, "value": 0.85},
    }
    document["judges"]["training_worth"] = worth
    for model in document["models"]:
        model["training_worth"] = worth
    rows = dict(figure_rows(document))
    assert rows["R+G, real crops of all training people"] == ["87.5 (80.0 to 90.0)%"] * 2
    assert rows["R+G, real crops of 20 people"] == ["85.0 (80.0 to 90.0)%"] * 2
    assert judges_table(document).row_count == judges_table(measured[2]).row_count + 2
    text = models_by_measure(document)
    assert ", 85.0% from the real crops of 20 people; " in text
