"""A family that no code of ours names: trained, built, run, judged by commands, and refused."""

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt.editor import Editor
from efgan_rt.engine_sets import current_set, sets_folder
from efgan_rt.errors import EfganError
from efgan_rt.pictures.read import read_picture
from engines.directory import EngineDirectory
from engines.nvidia_driver import present_gpu
from export.plans import PlanOptions, remake_plans
from tests.efgan_rt.families.command import run
from tests.toy_family import losses, registered
from train.families.registry import load_checkpoint

Cli = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("own_home")
TAKES = "models of the family tint (one convolution) take no such option; they take"


@pytest.fixture(scope="module", autouse=True)
def tint(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    with registered(tmp_path_factory.mktemp("recipes")):
        yield


@pytest.fixture(scope="module")
def built(people: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training, whose engines are the current ones of their family."""
    out = tmp_path_factory.mktemp("run") / "tint"
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home))
        places = ("--pictures", people / "images", "--labels", people / "labels.csv")
        assert run("train", "tint", *places, "--out", out) == 0
        assert run("build-engines", out / "weights.safetensors", "--precision", "fp32") == 0
    return out


def engines() -> Path:
    found = current_set("tint")
    assert found is not None
    return found


def test_it_trains_and_says_its_name_in_its_checkpoint(built: Path) -> None:
    found = losses(built)
    assert found[-1] < 0.2 * found[0]
    checkpoint = load_checkpoint(built / "latest.pt")
    assert checkpoint.family == "tint"
    assert set(checkpoint.expressions) == {"happy", "angry"}
    assert (built / "samples").is_dir()


def test_its_engines_are_one_network_and_the_current_ones_of_their_family(built: Path) -> None:
    manifest = json.loads((engines() / "manifest.json").read_text())
    assert manifest["family"] == "tint"
    assert list(manifest["networks"]) == ["paint"]
    assert manifest["networks"]["paint"]["parity"]["pixels_out_max_abs"] <= 1
    assert (sets_folder() / "current-tint").is_file()


def test_a_batch_tints(cli: Cli, built: Path, people: Path, tmp_path: Path) -> None:
    done = cli(
        *("batch", people / "images", tmp_path / "out", "--model", "tint", "--crops"),
        *("--expression", "happy", "--expression", "angry", "--backend", "onnxruntime"),
        *("--report", tmp_path / "page.html"),
    )
    assert done.status == 0, done.err
    before = read_picture(people / "images/ann_neutral.png").astype(int)
    happy, angry = (
        read_picture(tmp_path / "out" / name / "ann_neutral.png").astype(int)
        for name in ("happy", "angry")
    )
    assert happy.mean() > before.mean() + 20 > angry.mean() + 40
    assert (tmp_path / "page.html").is_file()


def test_an_editor_does_what_a_batch_does(built: Path, people: Path) -> None:
    picture = read_picture(people / "images/ann_neutral.png")
    with Editor.open(model="tint", backend="onnxruntime", crops=True) as editor:
        assert editor.expressions == ("happy", "angry")
        made = editor.edit(picture, "happy")
        assert made.mean() > picture.mean() + 20
        with pytest.raises(EfganError, match=r"^these engines read no action units$"):
            editor.action_units(picture)
        with pytest.raises(EfganError, match=r"^--au: models of the family tint"):
            editor.edit(picture, au="AU12=3")


@pytest.mark.parametrize(
    ("options", "refused"),
    [
        (("--au", "AU12=3"), "--au"),
        (("--reference", "face.png"), "--reference"),
        (("--from-csv", "table.csv"), "--from-csv"),
        (("--expression", "happy", "--frames", "3"), "--frames"),
        (("--expression", "happy", "--stages"), "--stages"),
        (("--expression", "happy", "--aus", "units.csv"), "--aus"),
    ],
)
def test_what_it_does_not_accept_is_refused_in_one_sentence(
    cli: Cli, built: Path, people: Path, tmp_path: Path, options: tuple[str, ...], refused: str
) -> None:
    for name in ("face.png", "table.csv", "units.csv"):
        (tmp_path / name).touch()
    given = [str(tmp_path / each) if "." in each else each for each in options]
    done = cli("batch", people / "images", tmp_path / "out", "--model", "tint", "--crops", *given)
    assert done.status == 1
    assert f"error: {refused}: {TAKES} --expression, --intensity\n" in done.err
    assert not (tmp_path / "out").exists()


def test_a_bench_measures_it(cli: Cli, built: Path) -> None:
    done = cli(
        *("bench", "--model", "tint", "--backend", "onnxruntime", "--batch-size", "2"),
        *("--seconds", "0.2", "--warm-up", "0", "--json", "-"),
    )
    assert done.status == 0, done.err
    (result,) = json.loads(done.out)["results"]
    assert result["engines"]["images_per_s"] > 0


def test_an_evaluation_judges_it(cli: Cli, built: Path, people: Path, tmp_path: Path) -> None:
    pytest.importorskip("matplotlib", reason="it is not installed: pip install efgan-rt[evaluate]")
    done = cli(
        *("evaluate", people, "--out", tmp_path / "out", "--model", "tint"),
        *("--test-people", "bob:cat", "--backend", "onnxruntime", "--features", "local"),
        *("--judges", tmp_path / "judges", "--verification-pairs", "20", "--references", "0"),
        *("--threads", "1"),
    )
    assert done.status == 0, done.err
    document = json.loads((tmp_path / "out/evaluation.json").read_text())
    assert "onnxruntime fp32" in [column["name"] for column in document["columns"]]


def test_a_family_that_is_not_there_is_named(cli: Cli, tmp_path: Path) -> None:
    recipe = tmp_path / "other.toml"
    recipe.write_text('name = "x"\nfamily = "other"\n[[phases]]\n')
    done = cli("train", recipe, "--dry-run")
    assert done.status == 1
    assert "there is no family of models 'other'; known are cascade, eet, ecgan, tint" in done.err


@pytest.mark.tensorrt
@pytest.mark.usefixtures("loaded_tensorrt", "own_cache_folder")
@pytest.mark.skipif(present_gpu() is not None, reason="made for a machine without a GPU")
def test_tensorrts_real_compiler_makes_its_plan(built: Path, tmp_path: Path) -> None:
    made = remake_plans(engines(), tmp_path / "planned", PlanOptions())
    assert made.family == "tint"
    assert EngineDirectory(tmp_path / "planned").plan("paint")


def test_the_picture_of_a_training_is_a_picture(built: Path) -> None:
    sample = next((built / "samples").glob("*.png"))
    assert np.asarray(cv2.imread(str(sample))).shape == (128, 128, 3)
