"""EET and ECGAN by the commands: trained, built, run on folders, and what they refuse."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efgan_rt.editor import Editor
from efgan_rt.engine_sets import current_set
from efgan_rt.errors import EfganError
from efgan_rt.pictures.read import read_picture
from engines.directory import EngineDirectory
from engines.nvidia_driver import present_gpu
from export.plans import PlanOptions, remake_plans
from tests.efgan_rt.families.command import run

Cli = Callable[..., Any]
pytestmark = pytest.mark.usefixtures("own_home")
STEPS = (*("phases.1.steps=2", "phases.2.steps=2"), *("phases.1.epochs=0", "phases.2.epochs=0"))
TOYS = {
    "eet": ("model.width=2",),
    "ecgan": ("model.width=8", "model.residual_blocks=2", "phases.2.loss.mask=0"),
}
EET_NETWORKS = ["expression_encoder", "face_encoder", "generator"]


@pytest.fixture(scope="module")
def built(people: Path, home: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training of each family, its engines the current ones of their family."""
    out = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_DATA_HOME", str(home))
        places = ("--pictures", people / "images", "--labels", people / "labels.csv")
        for name, changes in TOYS.items():
            every = ("data.image_px=32", "bf16=false", *STEPS, *changes)
            toy = [each for change in every for each in ("--set", change)]
            assert run("train", name, *places, *toy, "--out", out / name) == 0
            weights = out / name / "weights.safetensors"
            assert run("build-engines", weights, "--precision", "fp32") == 0
    return out


def engines(name: str) -> Path:
    found = current_set(name)
    assert found is not None
    return found


def manifest_of(name: str) -> Any:
    return json.loads((engines(name) / "manifest.json").read_text())


@pytest.mark.parametrize(
    ("name", "networks"), [("eet", EET_NETWORKS), ("ecgan", ["neutralise", "express"])]
)
def test_a_set_holds_its_networks_and_gives_what_pytorch_gives(
    built: Path, name: str, networks: list[str]
) -> None:
    manifest = manifest_of(name)
    assert manifest["family"] == name
    assert list(manifest["networks"]) == networks
    last = manifest["networks"][networks[-1]]["parity"]
    assert last["pixels_out_max_abs"] <= 1
    assert (built / name / "samples").is_dir()


def test_features_and_units_agree_with_pytorch(built: Path) -> None:
    networks = manifest_of("eet")["networks"]
    assert networks["expression_encoder"]["parity"]["au_max_abs"] <= 5e-4
    # Features are of order 1; what is left is the order of additions.
    assert networks["expression_encoder"]["parity"]["related_max_abs"] <= 1e-3
    assert networks["face_encoder"]["parity"]["free_max_abs"] <= 1e-3


@pytest.mark.parametrize("name", ["eet", "ecgan"])
def test_half_precision_holds_its_bars(built: Path, tmp_path: Path, name: str) -> None:
    weights = built / name / "weights.safetensors"
    assert run("build-engines", weights, "--precision", "fp16", "--out", tmp_path / name) == 0
    manifest = json.loads((tmp_path / name / "manifest.json").read_text())
    last = list(manifest["networks"].values())[-1]["parity"]
    assert last["pixels_out_psnr_db_against_fp32"] >= 45


def test_several_references_lend_their_expression_into_a_folder_each(
    cli: Cli, built: Path, people: Path, tmp_path: Path
) -> None:
    images = people / "images"
    done = cli(
        *("batch", images, tmp_path / "out", "--model", "eet", "--crops"),
        *("--reference", images / "bob_happy.png", "--reference", images / "cat_neutral.png"),
        *("--backend", "onnxruntime", "--report", tmp_path / "page.html"),
    )
    assert done.status == 0, done.err
    made = [
        read_picture(tmp_path / "out" / name / "ann_neutral.png")
        for name in ("bob_happy", "cat_neutral")
    ]
    assert made[0].shape == (128, 128, 3)
    assert not np.array_equal(made[0], made[1])
    assert (tmp_path / "page.html").is_file()


def test_a_table_may_give_each_picture_its_reference(
    cli: Cli, built: Path, people: Path, tmp_path: Path
) -> None:
    images = people / "images"
    (people / "lent.csv").write_text(
        "file,reference,intensity\n"
        "ann_neutral.png,images/bob_happy.png,\n"
        "cat_neutral.png,images/bob_happy.png,0\n"
    )
    done = cli(
        *("batch", images, tmp_path / "out", "--model", "eet", "--crops"),
        *("--from-csv", people / "lent.csv", "--backend", "onnxruntime"),
    )
    assert done.status == 0, done.err
    assert len(list((tmp_path / "out").glob("*.png"))) == 2
    (people / "lent.csv").write_text("file,expression\nann_neutral.png,happy\n")
    done = cli(
        *("batch", images, tmp_path / "out", "--model", "eet", "--crops"),
        *("--from-csv", people / "lent.csv"),
    )
    assert done.status == 1
    assert "row 0: --expression: models of the family eet" in done.err


def test_intensity_and_frames_mix_the_own_and_the_lent_feature(built: Path, people: Path) -> None:
    picture = read_picture(people / "images/ann_neutral.png")
    other = people / "images/bob_happy.png"
    with Editor.open(model="eet", backend="onnxruntime", crops=True) as editor:
        own = editor.edit(picture, reference=people / "images/ann_neutral.png")
        none, half, whole = (
            editor.edit(picture, reference=other, intensity=share) for share in (0.0, 0.5, 1.0)
        )
        np.testing.assert_array_equal(none, own)  # nothing lent is the own expression
        assert np.abs(whole.astype(int) - none).max() > 0
        assert editor.action_units(picture).shape == (1, 12)
        with pytest.raises(EfganError, match="eet take the expression from a picture, not from"):
            editor.edit(picture, reference=people / "labels.csv")
        with pytest.raises(EfganError, match=r"intensity 3 is out of range; expected 0 to 2"):
            editor.edit(picture, reference=other, intensity=3.0)
    assert half.shape == whole.shape


def test_frames_go_from_the_picture_to_the_lent_expression(
    cli: Cli, built: Path, people: Path, tmp_path: Path
) -> None:
    done = cli(
        *("batch", people / "images/ann_neutral.png", tmp_path / "out", "--model", "eet"),
        *("--crops", "--reference", people / "images/bob_happy.png", "--frames", "3"),
        *("--pace", "units", "--backend", "onnxruntime"),
    )
    assert done.status == 0, done.err
    assert len(list((tmp_path / "out").rglob("*.png"))) == 3


def test_ecgan_gives_expressions_and_makes_faces_neutral(
    cli: Cli, built: Path, people: Path, tmp_path: Path
) -> None:
    names = list(manifest_of("ecgan")["properties"]["expressions"])
    assert "neutral" in names
    asked = [each for name in names for each in ("--expression", name)]
    done = cli(
        *("batch", people / "images", tmp_path / "out", "--model", "ecgan", "--crops"),
        *(*asked, "--backend", "onnxruntime"),
    )
    assert done.status == 0, done.err
    made = [read_picture(tmp_path / "out" / name / "ann_neutral.png") for name in names]
    assert not np.array_equal(made[0], made[1])


@pytest.mark.parametrize(
    ("model", "options", "refused", "taken"),
    [
        ("eet", ("--expression", "happy"), "--expression", "--intensity, --reference"),
        ("eet", ("--au", "AU12=3"), "--au", "--intensity, --reference, --from-csv, --frames"),
        ("ecgan", ("--reference", "face.png"), "--reference", "--expression\n"),
        ("ecgan", ("-e", "happy", "--intensity", "0.5"), "--intensity", "--expression\n"),
    ],
)
def test_what_a_family_does_not_take_is_refused_in_one_sentence(
    cli: Cli,
    built: Path,
    people: Path,
    tmp_path: Path,
    model: str,
    options: tuple[str, ...],
    refused: str,
    taken: str,
) -> None:
    (tmp_path / "face.png").touch()
    given = [str(tmp_path / each) if "." in each and "face" in each else each for each in options]
    done = cli("batch", people / "images", tmp_path / "out", "--model", model, "--crops", *given)
    assert done.status == 1
    assert f"error: {refused}: models of the family {model}" in done.err
    assert f"they take {taken}" in done.err
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("model", ["eet", "ecgan"])
def test_a_bench_measures_it(cli: Cli, built: Path, model: str) -> None:
    done = cli(
        *("bench", "--model", model, "--backend", "onnxruntime", "--batch-size", "2"),
        *("--seconds", "0.2", "--warm-up", "0", "--json", "-"),
    )
    assert done.status == 0, done.err
    (result,) = json.loads(done.out)["results"]
    assert result["engines"]["images_per_s"] > 0


def test_info_lists_the_families_and_their_current_sets(cli: Cli, built: Path) -> None:
    done = cli("info")
    assert done.status == 0, done.err
    said = " ".join(done.out.split())
    assert f"eet Explicit Expression Transfer: {engines('eet')}" in said
    assert f"ecgan Expression Conditional GAN: {engines('ecgan')}" in said
    assert "cascade Cascade EF-GAN:" in said


@pytest.mark.tensorrt
@pytest.mark.usefixtures("loaded_tensorrt", "own_cache_folder")
@pytest.mark.skipif(present_gpu() is not None, reason="made for a machine without a GPU")
@pytest.mark.parametrize("name", ["eet", "ecgan"])
def test_tensorrts_real_compiler_makes_their_plans(built: Path, tmp_path: Path, name: str) -> None:
    made = remake_plans(engines(name), tmp_path / "planned", PlanOptions())
    assert made.family == name
    directory = EngineDirectory(tmp_path / "planned")
    assert all(directory.plan(network) for network in made.networks)
