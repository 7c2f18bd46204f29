"""Plans made by TensorRT's real parser and compiler, without a GPU."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from efgan_rt.errors import EfganError
from efgan_rt.families.cascade import INTERPOLATOR
from engines.directory import EngineDirectory
from engines.manifest import Manifest, read_manifest
from engines.nvidia_driver import present_gpu
from export.graphs import to_file_bytes
from export.networks import exported_networks
from export.plans import PlanOptions, remake_plans
from export.to_half import half_twin
from export.to_onnx import to_onnx
from tests.built_engines import Built
from tests.paper_width import write_paper_width
from tests.tensorrt_on_cpu import environment
from train.families.registry import load_checkpoint

pytestmark = [
    pytest.mark.tensorrt,
    pytest.mark.usefixtures("loaded_tensorrt", "own_cache_folder"),
    pytest.mark.skipif(present_gpu() is not None, reason="made for a machine without a GPU"),
]


def content_of(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_every_network_of_a_half_set_compiles_and_proves_its_arithmetic(
    fp16_engines: Built, tmp_path: Path, loaded_tensorrt: Any
) -> None:
    out = tmp_path / "engines"
    lines: list[str] = []
    made = remake_plans(fp16_engines.directory, out, PlanOptions(), progress=lines.append)
    assert read_manifest(out) == made
    assert made.plans is not None
    assert (made.plans.library, made.plans.version) == ("tensorrt", loaded_tensorrt.__version__)
    assert made.plans.gpu is made.plans.compute_capability is made.plans.driver is None
    settings = made.plans.settings
    assert settings["profile"] == {"min": 1, "opt": 4, "max": 4}
    assert (settings["strongly_typed"], settings["tf32"]) == (True, False)
    for name, entry in made.networks.items():
        facts = settings["networks"][name]
        assert len(EngineDirectory(out).plan(entry.name)) == entry.plan.bytes  # type: ignore[union-attr]
        assert EngineDirectory(out).content(entry.stored) == EngineDirectory(
            fp16_engines.directory
        ).content(entry.stored)
        assert facts["layers"] > 0 and facts["seconds"] > 0
        assert (facts["convolutions"] > 0) == (name != INTERPOLATOR)
        assert (facts["normalisations"] > 0) == name.startswith("stage_")
    assert [line.partition(":")[0] for line in lines[1:]] == list(made.networks)
    assert "ahead of time, without a GPU" in lines[0]


def test_a_full_precision_set_compiles_in_full_precision(
    fp32_engines: Built, tmp_path: Path
) -> None:
    made = remake_plans(
        fp32_engines.directory, tmp_path / "engines", PlanOptions(), batch=(2, 2, 2)
    )
    assert made.plans is not None
    stage = made.plans.settings["networks"]["stage_1"]
    assert stage["arithmetic"] == "convolutions and normalisations in FP32"
    assert {entry.batch for entry in made.networks.values()} == {(2, 2, 2)}


def test_plans_are_replaced_in_place_and_the_onnx_files_stay(
    fp16_engines: Built, tmp_path: Path
) -> None:
    out = tmp_path / "engines"
    remake_plans(fp16_engines.directory, out, PlanOptions())
    before = content_of(out)
    remake_plans(out, out, PlanOptions(), batch=(1, 1, 2))
    after = content_of(out)
    assert before.keys() == after.keys()
    same = {name for name in before if before[name] == after[name]}
    assert {name for name in before if name.endswith(".onnx")} <= same
    assert not {name for name in before if name.endswith(".plan")} & same
    assert [path.name for path in tmp_path.iterdir() if path.name != "user-cache"] == ["engines"]


def test_timings_are_kept_for_the_next_build(
    fp16_engines: Built, tmp_path: Path, own_cache_folder: Path
) -> None:
    remake_plans(fp16_engines.directory, tmp_path / "engines", PlanOptions())
    (path,) = own_cache_folder.rglob("*.timing")
    assert path.parent == own_cache_folder / "efgan-rt" / "tensorrt"
    assert path.name.startswith("tensorrt-11.") and path.name.endswith("-no-gpu.timing")


@pytest.fixture(scope="module")
def paper_width(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A stage of the paper's width with random weights, as half-precision ONNX files.

    With 1 residual block a branch: the paper's other five are the same layers again.
    """
    folder = tmp_path_factory.mktemp("paper") / "engines"
    write_paper_width(folder, stages=1, residual_blocks=1)
    return folder


@pytest.mark.slow
def test_a_model_of_the_papers_width_compiles(paper_width: Path, tmp_path: Path) -> None:
    made = remake_plans(paper_width, tmp_path / "engines", PlanOptions())
    assert made.plans is not None
    facts = made.plans.settings["networks"]
    assert list(facts) == ["au_estimator", "interpolator", "stage_1"]
    print(json.dumps(facts, indent=1))
    # Four branches and the Refiner: 3 down, 2 in the block, 2 up, and the head.
    assert facts["stage_1"]["convolutions"] == 40


@pytest.mark.slow
def test_ctrl_c_ends_a_compilation_with_130_and_changes_nothing(
    paper_width: Path, tmp_path: Path, tensorrt_libraries: Path
) -> None:
    out = tmp_path / "place" / "engines"
    process = subprocess.Popen(
        [
            *(sys.executable, "-m", "efgan_rt.cli.app", "build-engines", str(paper_width)),
            *("--backend", "tensorrt", "--out", str(out)),
        ],
        env=environment(tensorrt_libraries),
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stderr is not None
    for line in process.stderr:
        if line.startswith("interpolator: plan"):  # stage_1, which takes seconds, has begun
            break
    process.send_signal(2)
    rest = process.stderr.read()
    assert process.wait(timeout=60) == 130
    assert rest == "interrupted: nothing was written\n"
    assert not out.parent.exists() or not list(out.parent.iterdir())


def test_a_shipped_checkpoint_becomes_plans_by_one_command(
    repository: Path, tmp_path: Path, tensorrt_libraries: Path
) -> None:
    out = tmp_path / "engines"
    checkpoint = repository / "efgan_rt" / "shipped" / "efgan.safetensors"
    done = subprocess.run(
        [
            *(sys.executable, "-m", "efgan_rt.cli.app", "build-engines", str(checkpoint)),
            *("--backend", "tensorrt", "--out", str(out), "--batch", "1:4:8"),
        ],
        env=environment(tensorrt_libraries),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    manifest = read_manifest(out)
    assert (manifest.precision, manifest.weights) == ("fp16", "fp16")
    assert_moves(manifest)
    assert manifest.plans is not None
    for name, entry in manifest.networks.items():
        assert EngineDirectory(out).plan(entry.name)
        assert f"{name}: plan of " in done.stderr
        assert f" {name} " in done.stdout
    half = manifest.properties["parity"]
    assert half["largest_half"] == 65504
    assert half["margin_to_65504"] == pytest.approx(65504 / half["largest_activation"])
    assert manifest.networks["stage_1"].parity["margin_to_65504"] > 4
    assert "seconds" in done.stdout and "plan MB" in done.stdout and "layers" in done.stdout


def assert_moves(manifest: Manifest) -> None:
    """Every stage of a set has been compiled and gives fields."""
    assert manifest.plans is not None
    for name in (each for each in manifest.networks if each.startswith("stage_")):
        assert manifest.plans.settings["networks"][name]["layers"] > 0
        outputs = {spec.name: spec.dtype for spec in manifest.networks[name].outputs}
        assert (outputs["fields"], outputs["pixels_out"]) == ("float16", "uint8")


def test_a_set_of_two_stages_with_motion_compiles_in_full_precision(
    motion_engines: Path, tmp_path: Path
) -> None:
    made = remake_plans(motion_engines, tmp_path / "plans", PlanOptions(), batch=(1, 2, 2))
    assert list(made.networks) == ["au_estimator", "interpolator", "stage_1", "stage_2"]
    assert_moves(made)


def test_a_later_stage_with_motion_compiles_in_half_precision(motion_engines: Path) -> None:
    """What the set that ships, of one stage, does not have: the totals of the stages before."""
    from export.arithmetic_proof import arithmetic_of
    from export.to_tensorrt import PlanRequest, to_tensorrt

    trained = load_checkpoint(motion_engines.parent / "motion.safetensors").build()
    stage = exported_networks(half_twin(trained), torch.float16)["stage_2"]
    arithmetic = arithmetic_of("fp16", is_exact=False)
    request = PlanRequest("stage_2", (1, 2, 2), arithmetic, "none", False, 0)
    plan = to_tensorrt(to_file_bytes(to_onnx(stage)), request, None, None, lambda *_: None)
    assert plan.content and int(plan.facts["convolutions"]) > 0


def build_without(modules: tuple[str, ...], libraries: Path, *words: str) -> str:
    """What `build-engines` says where some packages cannot be imported."""
    script = (
        "import sys\n"
        f"for name in {modules}: sys.modules[name] = None\n"
        "from efgan_rt.cli.app import main\n"
        f"sys.argv = {['efgan-rt', 'build-engines', *words]}\n"
        "main()\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", script],
        env=environment(libraries),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_shipped_engines_become_plans_in_half_by_one_command_without_pytorch(
    repository: Path, tmp_path: Path, tensorrt_libraries: Path
) -> None:
    out = tmp_path / "engines"
    build_without(
        ("torch", "onnxscript", "safetensors"),
        tensorrt_libraries,
        *(str(repository / "efgan_rt" / "shipped"), "--precision", "fp16"),
        *("--backend", "tensorrt", "--batch", "1:4:8", "--out", str(out)),
    )
    manifest = read_manifest(out)
    assert (manifest.precision, manifest.weights) == ("fp16", "fp16")
    assert manifest.plans is not None
    facts = manifest.plans.settings["networks"]  # the compiler's network has proved its types
    assert facts["stage_1"]["convolutions"] > 50 and facts["interpolator"]["convolutions"] == 0


def test_plans_are_made_again_without_pytorch_or_onnx(
    fp16_engines: Built, tmp_path: Path, tensorrt_libraries: Path
) -> None:
    out = tmp_path / "engines"
    said = build_without(
        ("torch", "onnx", "onnxruntime", "openvino"),
        tensorrt_libraries,
        *(str(fp16_engines.directory), "--backend", "tensorrt", "--out", str(out)),
    )
    assert read_manifest(out).plans is not None
    assert said.endswith(f"{out}\n")


@pytest.mark.parametrize(("asked", "given"), [(0, 0), (3, 3), (None, -1)])
def test_auxiliary_streams_reach_the_builder_and_the_manifest(
    fp16_engines: Built,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    asked: int | None,
    given: int,
) -> None:
    from export import to_tensorrt

    seen = []
    config_of = to_tensorrt._config

    def noted(*arguments: Any) -> Any:
        seen.append(config_of(*arguments))
        return seen[-1]

    monkeypatch.setattr(to_tensorrt, "_config", noted)
    options = PlanOptions(auxiliary_streams=asked)
    made = remake_plans(fp16_engines.directory, tmp_path / "engines", options, batch=(2, 2, 2))
    assert {config.max_aux_streams for config in seen} == {given}
    assert made.plans is not None
    assert made.plans.settings["auxiliary_streams"] == asked
    assert made.plans.settings["user_allocation"] is False  # TensorRT itself has no such flag
    # A fixed batch is the whole profile: kernels are chosen for the batch that runs.
    assert made.plans.settings["profile"] == {"min": 2, "opt": 2, "max": 2}


def test_a_negative_number_of_auxiliary_streams_is_refused() -> None:
    with pytest.raises(EfganError, match="auxiliary streams: found -1, expected 0 or more, or"):
        PlanOptions(auxiliary_streams=-1)


def test_other_files_in_the_destination_are_refused_before_any_work(
    fp16_engines: Built, tmp_path: Path
) -> None:
    (tmp_path / "holiday.jpg").write_text("")
    with pytest.raises(EfganError, match=r"holds holiday\.jpg"):
        remake_plans(fp16_engines.directory, tmp_path, PlanOptions())
