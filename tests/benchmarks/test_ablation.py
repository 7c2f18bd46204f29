"""The ablation: from checkpoints to a table and a file, and what it refuses."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from benchmarks.ablation import parse_models
from benchmarks.readme_tables import models_by_measure, switches
from efgan_rt.action_units import AU_NAMES
from efgan_rt.errors import EfganError
from tests.toy import toy_config, toy_networks
from tests.toy_people import write_people
from train.checkpoint import Checkpoint, plain_weights, save_pt
from train.evaluation.figure_text import interval_text
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
        [sys.executable, "-m", "benchmarks", "ablation", *arguments],
        cwd=repository,
        capture_output=True,
        text=True,
        check=False,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    )


def rows_of(document: dict[str, Any]) -> list[str]:
    return models_by_measure(document).splitlines()


@pytest.fixture(scope="module")
def measured(
    repository: Path, tmp_path_factory: pytest.TempPathFactory
) -> tuple[str, dict[str, Any]]:
    """What a run over two toy models has printed and stored."""
    folder = tmp_path_factory.mktemp("ablation")
    (folder / "data").mkdir()
    data = write_people(folder / "data", ["id000", "id200"])
    toy_checkpoint(folder / "one.pt", 1)
    toy_checkpoint(folder / "two.pt", 2)
    places = [f"--judges={folder / 'judges'}", f"--json={folder / 'ablation.json'}"]
    done = run_script(
        repository, f"one stage={folder / 'one.pt'}", f"two={folder / 'two.pt'}",
        f"--data={data}", *places,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    document: dict[str, Any] = json.loads((folder / "ablation.json").read_text())
    return done.stdout, document


def test_every_model_has_every_figure(measured: tuple[str, dict[str, Any]]) -> None:
    models = measured[1]["models"]
    assert [m["name"] for m in models] == ["one stage", "two"]
    assert [m["stages"] for m in models] == [1, 2]
    for model in models:
        assert set(model["figures"]) == set(model["large_gap_figures"]) == set(STATISTICS)
        assert (model["edits"], model["large_gap_edits"]) == (14, 2)
        assert model["figures"]["psnr_db"]["count"] == 14
        assert model["named_contemptuous"]["count"] == 2


def test_the_training_is_read_from_the_checkpoint(
    measured: tuple[str, dict[str, Any]],
) -> None:
    model = measured[1]["models"][0]
    assert (model["training_seconds"], model["pictures_seen"], model["recipe"]) == (
        12.5,
        4000,
        "toy",
    )


def test_one_person_is_said_and_gives_no_interval(
    measured: tuple[str, dict[str, Any]],
) -> None:
    document = measured[1]
    assert document["people"] == {"n": 1, "first": "id200", "last": "id200"}
    assert document["judges"]["verification"]["accuracy"] is None
    (row,) = [line for line in rows_of(document) if line.startswith("| PSNR, dB |")]
    assert " to " not in row


def test_the_table_names_the_models(measured: tuple[str, dict[str, Any]]) -> None:
    text = models_by_measure(measured[1])
    assert measured[0].startswith(f"{text}\n")
    assert text.startswith("|  | one stage | two |")
    assert "| named as wanted (G) |" in text and "| pictures seen | 4,000 | 4,000 |" in text
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


def test_switches_have_a_row_a_training(measured: tuple[str, dict[str, Any]]) -> None:
    document = measured[1]
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
    measured: tuple[str, dict[str, Any]],
) -> None:
    document = {**measured[1]}
    assert "processor seconds of training" not in models_by_measure(document)
    document["models"] = [
        {**model, "training_processor_seconds": 1207.1} for model in document["models"]
    ]
    assert "| processor seconds of training | 1,207 | 1,207 |" in rows_of(document)


def test_what_edits_teach_stands_beside_what_real_crops_teach(
    measured: tuple[str, dict[str, Any]],
) -> None:
    document = json.loads(json.dumps(measured[1]))
    assert not any(line.startswith("| R+G") for line in rows_of(document))
    interval = {"low": 0.8, "high": 0.9, "people": 40, "count": 320}
    worth = {
        "all": {"real_people": None, **interval, "value": 0.875},
        "few": {"real_people": 20, **interval, "value": 0.85},
    }
    document["judges"]["training_worth"] = worth
    for model in document["models"]:
        model["training_worth"] = worth
    rows = rows_of(document)
    twice = "87.5 (80.0 to 90.0)% | 87.5 (80.0 to 90.0)% |"
    assert f"| R+G, real crops of all training people | {twice}" in rows
    assert any(row.startswith("| R+G, real crops of 20 people | 85.0 (80.0 to") for row in rows)
    assert ", 85.0% from the real crops of 20 people; " in rows[-1]
