"""The commands beside `batch`: info, bench, build-engines, train."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from efgan_rt import __version__, engine_sets
from efgan_rt.errors import EfganError
from efgan_rt.extras import needs_extra
from efgan_rt.pictures.header import READABLE_EXTENSIONS
from tests.toy import toy_checkpoint
from tests.toy_people import write_people

Cli = Callable[..., Any]


def test_the_version_is_printed(cli: Cli) -> None:
    result = cli("--version")
    assert (result.status, result.out) == (0, f"efgan-rt {__version__}\n")


@pytest.mark.parametrize("command", ["batch", "bench", "build-engines", "train"])
def test_help_has_examples_that_the_command_understands(cli: Cli, command: str) -> None:
    text = cli(command, "--help").out
    assert "Example" in text
    assert f"• efgan-rt {command}" in text
    assert "(default: " in text or command == "train"


def test_info_names_packages_engines_and_expressions(
    cli: Cli, toy_engines: Path, own_data_folder: Path
) -> None:
    mine = engine_sets.own_set("toy")
    shutil.copytree(toy_engines, mine)
    engine_sets.make_current(mine)
    result = cli("info")
    assert result.status == 0
    assert f"efgan-rt   {__version__}" in result.out
    assert "onnxruntime" in result.out
    assert f"used       {mine} (the current ones, built last)" in result.out
    assert "expressions   happy, blink" in result.out
    assert "action units  AU01 AU12 AU45" in result.out


def test_info_gives_the_line_that_installs_what_is_missing(
    cli: Cli, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    assert 'missing: pip install "efgan-rt[cpu]"' in cli("info").out


def test_info_tells_of_engines_that_are_gone_and_goes_on(cli: Cli) -> None:
    mine = engine_sets.own_set("toy")
    mine.mkdir(parents=True)
    engine_sets.make_current(mine)
    result = cli("info")
    assert result.status == 0
    assert "which is no engine directory" in result.out


def test_bench_measures_every_network_and_stage(
    cli: Cli, faces: Path, tmp_path: Path, toy_engines: Path
) -> None:
    path = tmp_path / "bench.json"
    result = cli(
        *("bench", "--engines", toy_engines, "--pictures", faces, "--seconds", 0.05),
        *("--batch-size", 4, "--backend", "onnxruntime", "--backend", "openvino"),
        *("--precision", "fp32", "--json", path),
    )
    assert result.status == 0
    assert "share of the engines" in result.out
    document = json.loads(path.read_text())
    assert document["machine"]["cores"] >= 1
    assert document["machine"]["packages"]["numpy"]
    assert [each["backend"] for each in document["results"]] == ["onnxruntime", "openvino"]
    for each in document["results"]:
        networks = {row["stage"]: row for row in each["engines"]["networks"]}
        assert list(networks) == [
            *("au_estimator", "interpolator", "stage_1", "stage_2", "whole batch")
        ]
        assert 0 < networks["stage_1"]["p50_ms"] <= networks["stage_1"]["p99_ms"]
        assert {"decode", "stage_2", "encode"} <= {r["stage"] for r in each["pipeline"]["stages"]}
        alone, pipeline = each["engines"]["images_per_s"], each["pipeline"]["images_per_s"]
        assert each["ratio"] == pytest.approx(pipeline / alone)


def test_bench_generates_pictures_where_none_are_given(cli: Cli, toy_engines: Path) -> None:
    places = ("--engines", toy_engines, "--backend", "auto")
    result = cli("bench", *places, "--seconds", 0.05, "--json", "-")
    document = json.loads(result.out)
    assert document["pictures"] == "generated"
    assert document["results"][0]["pipeline"]["pictures"] >= 32


def test_bench_names_a_picture_that_it_cannot_measure_with(
    cli: Cli, faces: Path, toy_engines: Path
) -> None:
    (faces / "x.png").touch()
    result = cli("bench", "--engines", toy_engines, "--pictures", faces, "--seconds", 0.05)
    assert result.status == 1
    assert "x.png: the file is empty" in result.err


def test_engines_are_built_become_current_and_edit(cli: Cli, faces: Path, tmp_path: Path) -> None:
    checkpoint = toy_checkpoint(tmp_path / "toy.pt", stages=1, regions={})
    built = cli("build-engines", checkpoint, "--batch", "1:2:4")
    assert built.status == 0, built.err
    directory = engine_sets.own_set("toy-fp32")
    assert f"{directory} (now the current engines)" in built.out
    assert "Parity with PyTorch: fp32 graphs, fp32 weights" in built.out
    assert "image_out_max_abs" in built.out
    assert "stage_1: " in built.err  # progress
    edited = cli("batch", faces, tmp_path / "out", "-e", "happy", "-e", "angry", "--batch-size", 4)
    assert edited.status == 0, edited.err
    assert f"engines: {directory} (the current ones, built last)" in edited.err
    assert len(list((tmp_path / "out").rglob("*.png"))) == 22


@pytest.mark.parametrize("batch", ["8:4:2", "0:1:2", "1:2", "a:b:c", "1:2:3:4", ""])
def test_a_batch_range_that_is_none_is_wrong_usage(cli: Cli, batch: str) -> None:
    result = cli("build-engines", "x.pt", "--batch", batch)
    assert result.status == 2
    assert "is no batch range" in result.err


def test_a_missing_extra_gives_its_install_line() -> None:
    with pytest.raises(EfganError) as caught, needs_extra("train"):
        raise ModuleNotFoundError("No module named 'onnx'", name="onnx.helper")
    assert str(caught.value) == (
        'this needs onnx, which is not installed; install it with: pip install "efgan-rt[train]"'
    )


def test_a_missing_module_of_ours_is_a_bug_and_not_an_extra() -> None:
    with pytest.raises(ModuleNotFoundError, match="efgan_rt"), needs_extra("train"):
        raise ModuleNotFoundError("No module named 'efgan_rt.x'", name="efgan_rt.x")


def test_a_recipe_that_does_not_exist_is_told(cli: Cli, tmp_path: Path) -> None:
    places = ("--pictures", tmp_path, "--labels", tmp_path / "l.csv", "--out", tmp_path / "run")
    result = cli("train", "no-such-recipe", *places)
    assert result.status == 1
    assert result.err.startswith("error: no recipe 'no-such-recipe'")


def test_a_dry_training_prints_the_recipe_and_reads_no_picture(cli: Cli) -> None:
    result = cli("train", "paper", "--dry-run")
    assert result.status == 0
    assert json.loads(result.out)["name"] == "paper"


def test_a_training_that_is_not_told_where_to_go_is_wrong_usage(cli: Cli) -> None:
    result = cli("train", "paper")
    assert result.status == 2
    assert "say what to train on" in result.err


TOY_RECIPE = """
name = "toy"
[model]
width = 8
critic_width = 8
interpolator_width = 8
residual_blocks = 1
[[phases]]
kind = "au_head"
steps = 2
batch = 2
[[phases]]
kind = "warm_up"
steps = 1
batch = 2
"""


def test_a_training_leaves_a_checkpoint_and_shows_its_phases(cli: Cli, tmp_path: Path) -> None:
    people = write_people(tmp_path, ["ann", "bob"])
    (tmp_path / "toy.toml").write_text(TOY_RECIPE)
    result = cli(
        *("train", tmp_path / "toy.toml", "--pictures", people / "images"),
        *("--labels", people / "labels.csv", "--out", tmp_path / "run"),
    )
    assert result.status == 0, result.err
    assert result.out == f"{tmp_path}/run/weights.safetensors\n"
    assert (tmp_path / "run" / "weights.safetensors").is_file()
    assert "compile them with: efgan-rt build-engines" in result.err
    assert "1/2 au_head" in result.err
    assert "2/2 warm_up" in result.err


def test_the_formats_on_offer_can_all_be_read() -> None:
    from efgan_rt.cli.batch import Format

    animated = {".gif", ".apng", ".mp4"}
    assert {f".{each}" for each in Format} - animated <= set(READABLE_EXTENSIONS)
