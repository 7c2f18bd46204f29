"""Checkpoints: what is written is what is read, and what is not ours is refused."""

import pickle
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from efgan_rt.errors import EfganError
from train.checkpoint import Checkpoint, plain_weights, save_pt, save_safetensors
from train.data.regions import RegionBox
from train.families.cascade.networks.cascade import CascadeEFGAN
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.discriminators import ImageDiscriminator
from train.families.cascade.networks.inference import empty_networks
from train.families.registry import load_checkpoint

CONFIG = ModelConfig(
    width=8,
    residual_blocks=1,
    stages=1,
    critic_width=8,
    interpolator_width=8,
    regions={"mouth": RegionBox(78, 32, 40, 60)},
)


@pytest.fixture(scope="module")
def trained() -> tuple[CascadeEFGAN, ImageDiscriminator]:
    torch.manual_seed(0)
    reader = ImageDiscriminator(8, 5, au_count=17, crop_px=128, spectral_norm=True)
    return CascadeEFGAN(CONFIG), reader


@pytest.fixture(scope="module")
def checkpoint(trained: tuple[CascadeEFGAN, ImageDiscriminator]) -> Checkpoint:
    cascade, reader = trained
    weights = {f"cascade.{k}": v for k, v in plain_weights(cascade).items()}
    weights |= {f"au_reader.{k}": v for k, v in plain_weights(reader).items()}
    happy = np.linspace(0, 5, 17, dtype=np.float32)
    return Checkpoint(CONFIG, weights, {"happy": happy}, {"seconds": 1.5})


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_a_checkpoint_survives_a_round_trip(
    checkpoint: Checkpoint,
    trained: tuple[CascadeEFGAN, ImageDiscriminator],
    tmp_path: Path,
    suffix: str,
) -> None:
    path = tmp_path / f"w{suffix}"
    (save_pt if suffix == ".pt" else save_safetensors)(checkpoint, path)
    loaded = load_checkpoint(path)
    assert loaded.config == CONFIG
    assert loaded.training == {"seconds": 1.5}
    np.testing.assert_array_equal(loaded.expressions["happy"], checkpoint.expressions["happy"])
    image, au = torch.rand(1, 3, 128, 128) * 2 - 1, torch.rand(1, 17) * 5
    networks = loaded.build()
    with torch.no_grad():
        expected = trained[0].eval()(image, au, 5 - au)[-1].final
        found = networks.cascade(image, au, 5 - au)[-1].final
    tolerance = 1e-5 if suffix == ".pt" else 2e-2  # the weights of the latter are half precision
    torch.testing.assert_close(found, expected, atol=tolerance, rtol=0)


def test_folding_the_spectral_norm_leaves_the_network_as_it_was(
    trained: tuple[CascadeEFGAN, ImageDiscriminator],
) -> None:
    reader = trained[1].train()
    before = {k: v.clone() for k, v in reader.state_dict().items()}
    plain_weights(reader)
    assert reader.training
    for name, value in reader.state_dict().items():
        assert torch.equal(value, before[name]), name


def test_a_checkpoint_cannot_run_code(tmp_path: Path) -> None:
    class Payload:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (tmp_path / "ran",))

    path = tmp_path / "evil.pt"
    torch.save({"format": "efgan-rt checkpoint 1", "config": Payload()}, path)
    with pytest.raises(EfganError, match="not a checkpoint of efgan-rt, or truncated"):
        load_checkpoint(path)
    path.write_bytes(pickle.dumps(Payload()))
    with pytest.raises(EfganError, match="not a checkpoint of efgan-rt, or truncated"):
        load_checkpoint(path)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_is_not_ours_is_refused_with_one_sentence(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    with pytest.raises(EfganError, match="no such checkpoint"):
        load_checkpoint(tmp_path / "none.pt")
    torch.save({"state_dict": {}}, tmp_path / "foreign.pt")
    with pytest.raises(EfganError, match="found format 'None', expected 'efgan-rt checkpoint 1'"):
        load_checkpoint(tmp_path / "foreign.pt")
    whole = tmp_path / "whole.pt"
    save_pt(checkpoint, whole)
    (tmp_path / "cut.pt").write_bytes(whole.read_bytes()[:-2000])
    with pytest.raises(EfganError, match="truncated"):
        load_checkpoint(tmp_path / "cut.pt")
    (tmp_path / "text.safetensors").write_text("hello")
    with pytest.raises(EfganError, match="not a safetensors file, or truncated"):
        load_checkpoint(tmp_path / "text.safetensors")


def test_an_expression_of_other_units_and_weights_of_another_model_are_refused(
    checkpoint: Checkpoint, tmp_path: Path
) -> None:
    short = {"happy": np.zeros(12, np.float32)}
    save_pt(Checkpoint(CONFIG, checkpoint.weights, short), tmp_path / "short.pt")
    with pytest.raises(EfganError, match="'happy' has 12 action units, the model has 17"):
        load_checkpoint(tmp_path / "short.pt")
    missing = {k: v for k, v in checkpoint.weights.items() if "heads" not in k}
    with pytest.raises(EfganError, match="do not fit its config"):
        Checkpoint(CONFIG, missing, {}, empty=empty_networks).build()


@pytest.mark.parametrize("name", ["latest.pt", "weights.safetensors"])
def test_a_full_disk_is_told_and_keeps_the_file_that_was_there(small_disk: Path, name: str) -> None:
    save = save_pt if name.endswith(".pt") else save_safetensors
    path = small_disk / name
    save(Checkpoint(CONFIG, {"a": torch.zeros(10)}, {}), path)
    before = path.read_bytes()
    with pytest.raises(EfganError) as e:
        save(Checkpoint(CONFIG, {"a": torch.zeros(400_000)}, {}), path)
    assert str(e.value) == (
        f"{path}: cannot be written: No space left on device; the file that was there before is "
        "kept"
    )
    assert path.read_bytes() == before
    assert [each.name for each in small_disk.iterdir()] == [name]


CONTENT = {"format": "efgan-rt checkpoint 1", "expressions": {}, "weights": {}}


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"config": {"width": 10**9}}, "width: found 1000000000, expected 1 to 1024"),
        ({"config": {"stages": 10**9}}, "stages: found 1000000000, expected 1 to 16"),
        ({"config": {"width": 8.5}}, "the model config: width is 8.5, expected a whole number"),
        ({"config": {"au_names": [1]}}, "au_names.0 is 1, expected a text"),
        (
            {"config": {"regions": {"mouth": dict(top=0.5, left=0, height=4, width=4)}}},
            r"regions is .*'top': 0.5, .*, expected a whole number",
        ),
        ({"weights": [1]}, "the checkpoint's weights are garbled, expected named tensors"),
        ({"weights": {"a": 1}}, "the checkpoint's weights are garbled, expected named tensors"),
        ({"expressions": {"x": [float("nan")] * 17}}, "'x' holds a value that is no finite number"),
        ({"expressions": {"x": [10**400]}}, "the checkpoint lacks or garbles"),
    ],
)
def test_a_checkpoint_whose_content_is_garbled_says_what(
    tmp_path: Path, change: dict[str, object], message: str
) -> None:
    config = CONFIG.to_dict()
    inner = change.pop("config", {})
    assert isinstance(inner, dict)
    path = tmp_path / "x.pt"
    torch.save({**CONTENT, "config": {**config, **inner}, **change}, path)
    with pytest.raises(EfganError, match=message):
        load_checkpoint(path)


@pytest.mark.parametrize("header", ["[1]", "[" * 5000, "9" * 5000])
def test_a_header_that_is_no_object_is_refused(tmp_path: Path, header: str) -> None:
    path = tmp_path / "x.safetensors"
    metadata = {"format": "efgan-rt checkpoint 1", "checkpoint": header}
    save_file({"a": torch.zeros(1)}, path, metadata=metadata)
    with pytest.raises(EfganError, match="the header cannot be read"):
        load_checkpoint(path)


def test_a_config_far_too_large_for_the_weights_takes_no_memory_and_one_line(
    checkpoint: Checkpoint,
) -> None:
    config = ModelConfig.from_dict(CONFIG.to_dict() | {"width": 1024, "residual_blocks": 8})
    with pytest.raises(EfganError, match="do not fit its config") as caught:
        Checkpoint(config, checkpoint.weights, {}, empty=empty_networks).build()
    assert len(str(caught.value)) < 400 and "\n" not in str(caught.value)
