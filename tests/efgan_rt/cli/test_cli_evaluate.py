"""`efgan-rt evaluate`: from engines and a labelled set to tables, files and sentences."""

import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from efgan_rt.cli.evaluation_progress import evaluation_progress
from tests.built_engines import Built
from tests.toy_people import write_people

Cli = Callable[..., Any]

pytest.importorskip("matplotlib", reason="it is not installed: pip install efgan-rt[evaluate]")


@pytest.fixture(scope="module")
def engines(fp32_engines: Built) -> Path:
    """Engines that know neutral, happy and angry; their checkpoint lies beside them."""
    return fp32_engines.directory


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people"), ["ann", "bob", "cat"])


@pytest.fixture(scope="module")
def judges(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("judges")


def test_a_run_prints_the_tables_and_writes_page_figures_pairs_and_pictures(
    cli: Cli, engines: Path, people: Path, judges: Path, tmp_path: Path
) -> None:
    out = tmp_path / "deep" / "results"
    asked = [
        "evaluate", people, "--out", out, "--engines", engines, "--test-people", "bob:cat",
        "--backend", "onnxruntime", "--backend", "openvino:fp32", "--judges", judges,
        "--features", "local", "--verification-pairs", "20", "--references", "1", "--threads", "1",
        "--json", tmp_path / "copy.json", "--half", engines.parent / "toy.pt",
    ]  # fmt: skip
    result = cli(*asked)
    assert result.status == 0, result.err
    assert "Expression accuracy (Cascade EF-GAN, Table 1)" in result.out
    assert "What a backend or precision costs" in result.out
    assert "note: the engines do not know" in result.out
    assert "onnxruntime fp32: to every expression: 12 of 12" in result.err
    document = json.loads((out / "evaluation.json").read_text())
    assert document == json.loads((tmp_path / "copy.json").read_text())
    names = [column["name"] for column in document["columns"]]
    assert names == [
        *("input", "onnxruntime fp32", "openvino fp32"),
        *("FP16 (PyTorch, half arithmetic)", "truth"),
    ]
    assert document["columns"][3]["precision"] == "fp16"
    assert "note: FP16 (PyTorch, half arithmetic): no backend on processors" in result.out
    assert document["data"]["expressions"] == ["neutral", "happy", "angry"]
    assert document["judges"]["features"]["name"] == "local"
    assert (out / "pairs.csv").read_text().startswith("kind,picture,wanted,other\ntransfer,")
    page = (out / "evaluation.md").read_text()
    assert page.count("![") == len(list((out / "pictures").glob("*.png"))) == 11

    # The same command again replaces its own files, and finds its judges trained.
    again = cli(*asked)
    assert again.status == 0, again.err
    assert "training" not in again.err
    first, second = (
        [c["figures"] for c in d["columns"]]
        for d in (document, json.loads((out / "evaluation.json").read_text()))
    )
    assert first == second


def refused(cli: Cli, *arguments: object) -> str:
    """The sentence that a run ends with."""
    result = cli("evaluate", *arguments)
    assert result.status == 1
    line: str = result.err.splitlines()[-1]
    return line


def test_a_folder_without_a_set_is_told(cli: Cli, tmp_path: Path) -> None:
    assert refused(cli, tmp_path, "--out", tmp_path / "out") == (
        f"error: {tmp_path}: no labelled set, expected labels.csv and images/ in it; "
        "efgan-rt prepare makes one"
    )


def test_a_folder_that_cannot_be_made_is_told(
    cli: Cli, engines: Path, people: Path, tmp_path: Path
) -> None:
    (tmp_path / "file").touch()
    found = refused(
        cli, people, "--out", tmp_path / "file" / "out", "--engines", engines, "--features", "local"
    )
    assert found == (
        f"error: {tmp_path}/file/out: cannot be made a folder: Not a directory; choose another "
        "--out"
    )


def test_files_of_others_are_not_replaced(cli: Cli, people: Path, tmp_path: Path) -> None:
    (tmp_path / "evaluation.md").write_text("mine")
    assert refused(cli, people, "--out", tmp_path) == (
        f"error: {tmp_path}: has evaluation.md, which no evaluation has written; choose another "
        "folder, or say --overwrite"
    )
    assert (tmp_path / "evaluation.md").read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--test-people", "zoe", "--test-people 'zoe' names nobody in labels.csv, which has ann"),
        ("--backend", "abacus", "there is no backend 'abacus'"),
        ("--features", "gone.onnx", "gone.onnx: there is no such file, expected an ONNX network"),
        ("--embedder", "gone.onnx", "gone.onnx: there is no such file, expected an ONNX network"),
    ],
)
def test_a_wrong_choice_ends_in_a_sentence(
    cli: Cli, engines: Path, people: Path, tmp_path: Path, option: str, value: str, message: str
) -> None:
    options = {"--test-people": "cat", "--features": "local"} | {option: value}
    flat = [each for pair in options.items() for each in pair]
    found = refused(cli, people, "--out", tmp_path / "out", "--engines", engines,
                    "--judges", tmp_path / "judges", *flat)  # fmt: skip
    assert message in found
    assert not (tmp_path / "judges").exists()


def test_the_same_column_twice_is_refused(
    cli: Cli, engines: Path, people: Path, tmp_path: Path
) -> None:
    found = refused(
        cli, people, "--out", tmp_path / "out", "--engines", engines, "--engines", engines,
        "--backend", "onnxruntime",
    )  # fmt: skip
    assert "engines: onnxruntime fp32 would be two columns" in found


def test_without_matplotlib_the_line_that_installs_it_is_told(
    cli: Cli, people: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    assert refused(cli, people, "--out", tmp_path / "out") == (
        "error: this needs matplotlib, which is not installed; install it with: "
        'pip install "efgan-rt[evaluate]"'
    )


def test_work_in_a_file_ends_in_a_line(capsys: pytest.CaptureFixture[str]) -> None:
    with evaluation_progress() as begin:
        advance = begin("edits", 3)
        advance(1)
        advance(2)
    assert capsys.readouterr().err == "edits: 3 of 3, 0 s, done\n"
