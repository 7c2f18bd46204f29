"""Trained stages, a set's atlas and another checkpoint's reader become a checkpoint that edits."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from efgan_rt.action_units import AU_NAMES
from train.families.cascade.motion.cascade import MotionCascade
from train.families.cascade.motion.checkpoint import SHIPPED, main
from train.families.cascade.motion.networks import (
    LEAK,
    MotionBranch,
    MotionEFGAN,
    motion_regions,
)
from train.families.registry import load_checkpoint
from train.portraits.folds import FOLDS_PX
from train.portraits.pairs import PROTOTYPES
from train.portraits.portrait_pairs import ATLAS, FOLDS


def atlas_of(rows: int = 192, **changes: Any) -> dict[str, Any]:
    rng = np.random.default_rng(0)
    return {
        "pixels": rng.integers(0, 256, (2, rows, 160, 3), np.uint8),
        "skin": np.full((2, 3), 0.25, np.float32),
        "gap": np.array([0.1, 0.2], np.float32),
        "smile": np.zeros(2, np.float32),
        "gap_of_units": np.full(17, 0.01, np.float32),
    } | changes


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two stages and a set's files."""
    root = tmp_path_factory.mktemp("trained")
    np.save(root / FOLDS, np.full((17, FOLDS_PX, FOLDS_PX), 0.02, np.float32))
    np.savez(root / ATLAS, **atlas_of())
    torch.manual_seed(0)
    stage = MotionEFGAN(256, motion_regions(256), len(AU_NAMES))
    torch.save([stage.state_dict()] * 2, root / "whole.pt")
    return root


def test_it_holds_stages_atlas_folds_and_the_others_reader(trained: Path, tmp_path: Path) -> None:
    (tmp_path / "said.json").write_text('{"recipe": "by hand"}')
    out = tmp_path / "edits.safetensors"
    options = ["--fold-gain", "1.5", "--training", str(tmp_path / "said.json")]
    main([str(trained / "whole.pt"), str(trained), str(out), *options])
    made, shipped = load_checkpoint(out), load_checkpoint(SHIPPED)
    assert made.config.stages == 2 and made.config.eyes and made.config.mouths == 2
    assert made.training["recipe"] == "by hand" and made.alignment == shipped.alignment
    assert set(made.expressions) == set(PROTOTYPES)
    cascade = made.build().cascade
    assert isinstance(cascade, MotionCascade)
    assert torch.equal((cascade.atlas_pixels * 255).round(), pixels_of(trained))
    assert cascade.stage(2).folds.flatten().tolist()[:3] == pytest.approx([0.03] * 3, abs=1e-4)
    reader = next(name for name in shipped.weights if name.startswith("au_reader."))
    assert torch.equal(made.weights[reader], shipped.weights[reader])
    weights = torch.load(trained / "whole.pt", weights_only=True)[0]
    assert torch.allclose(cascade.stage(1).face.stem.weight, weights["face.stem.weight"], atol=1e-3)


@pytest.mark.parametrize(("options", "slope"), [([], LEAK), (["--slope", "0"], 0.0)])
def test_local_branches_leak_as_they_were_trained(
    trained: Path, tmp_path: Path, options: list[str], slope: float
) -> None:
    out = tmp_path / "edits.safetensors"
    main([str(trained / "whole.pt"), str(trained), str(out), *options])
    made = load_checkpoint(out)
    cascade = made.build().cascade
    assert isinstance(cascade, MotionCascade)
    branch = cascade.stage(1).patches["eyes"]
    assert isinstance(branch, MotionBranch)
    assert made.config.motion_slope == branch.slope == slope
    assert cascade.stage(1).face.slope == 0
    assert load_checkpoint(SHIPPED).config.motion_slope == 0


def test_a_slope_that_is_none_is_refused(
    trained: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "edits.safetensors"
    with pytest.raises(SystemExit):
        main([str(trained / "whole.pt"), str(trained), str(out), "--slope", "1.5"])
    assert "motion_slope: found 1.5, expected 0 to below 1" in capsys.readouterr().err


def pixels_of(trained: Path) -> torch.Tensor:
    with np.load(trained / ATLAS) as arrays:
        return torch.from_numpy(arrays["pixels"]).permute(0, 3, 1, 2).float()


def test_an_atlas_without_eyes_makes_a_checkpoint_without(trained: Path, tmp_path: Path) -> None:
    pairs = tmp_path / "pairs"
    pairs.mkdir()
    (pairs / FOLDS).write_bytes((trained / FOLDS).read_bytes())
    np.savez(pairs / ATLAS, **atlas_of(rows=96))
    out = tmp_path / "edits.safetensors"
    main([str(trained / "whole.pt"), str(pairs), str(out)])
    assert not load_checkpoint(out).config.eyes


@pytest.mark.parametrize(
    ("what", "message"),
    [
        ("stages missing", "cannot be read"),
        ("stages no file of torch", "other.pt: not what the training of motion writes"),
        ("stages of something else", "not what the training of motion writes"),
        ("stages of other shapes", "these are no stages of a cascade with motion"),
        ("atlas missing", "no atlas of mouths"),
        ("atlas of an earlier version", "writes it anew"),
        ("atlas of other shapes", "its skin is (3, 3), expected (2, 3) for 2 mouths"),
        ("gain no number", "--fold-gain nan, expected a finite number"),
        ("training no object", "said.json: expected a JSON object"),
        ("out a folder", "out.safetensors"),
        ("training no JSON", "cannot be read"),
    ],
)
def test_what_does_not_fit_is_one_sentence(
    trained: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    what: str,
    message: str,
) -> None:
    stages, pairs, options = trained / "whole.pt", trained, list[str]()
    if what == "stages missing":
        stages = tmp_path / "none.pt"
    elif what.startswith("stages"):
        stages = tmp_path / "other.pt"
        if "no file" in what:
            stages.write_bytes(b"stage_1, stage_2\n" * 40)
        else:
            torch.save({} if "else" in what else [{"weight": torch.zeros(1)}], stages)
    elif what.startswith("atlas"):
        pairs = tmp_path
        (pairs / FOLDS).write_bytes((trained / FOLDS).read_bytes())
        if "earlier" in what:
            older = {name: each for name, each in atlas_of().items() if name != "gap_of_units"}
            np.savez(pairs / ATLAS, **older)
        if "shapes" in what:
            np.savez(pairs / ATLAS, **atlas_of(skin=np.full((3, 3), 0.2, np.float32)))
    elif what.startswith("gain"):
        options = ["--fold-gain", "nan"]
    elif what.startswith("out"):
        (tmp_path / "out.safetensors").mkdir()
    else:
        (tmp_path / "said.json").write_text("[]" if "object" in what else "{")
        options = ["--training", str(tmp_path / "said.json")]
    with pytest.raises(SystemExit) as ended:
        main([str(stages), str(pairs), str(tmp_path / "out.safetensors"), *options])
    told = capsys.readouterr().err
    assert ended.value.code == 2 and message in told and told.count("\n") == 1
    assert not (tmp_path / "out.safetensors").is_file()
