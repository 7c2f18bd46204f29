"""The exported networks, still in PyTorch: the same cascade, with bytes at both ends."""

import numpy as np
import numpy.typing as npt
import pytest
import torch

from export.networks import exported_networks, run_in_torch
from tests.toy import toy_config, toy_expressions, toy_networks
from train.families.cascade.networks.efgan import EFGAN
from train.families.cascade.networks.inference import InferenceNetworks
from train.families.cascade.probe import probe_for
from train.pixels import to_bytes, to_unit_range

Faces = npt.NDArray[np.uint8]


@pytest.fixture(scope="module")
def networks() -> InferenceNetworks:
    return toy_networks(toy_config())


def random_au(*shape: int) -> torch.Tensor:
    generator = torch.Generator().manual_seed(1)
    return 5 * torch.rand(*shape, generator=generator)


def test_the_exported_networks_in_turn_are_the_cascade(
    networks: InferenceNetworks, faces: Faces
) -> None:
    probe = probe_for(faces, 2, 17, toy_expressions())
    runs = run_in_torch(exported_networks(networks), probe.places)
    source = torch.from_numpy(runs["au_estimator"].outputs["au"])
    target = torch.from_numpy(probe.target_offset)  # scale is 0: the target is the prototype
    with torch.inference_mode():
        edits = networks.cascade(to_unit_range(torch.from_numpy(faces)), source, target)
    for number, edit in enumerate(edits, start=1):
        expected = to_bytes(edit.final).numpy()
        found = runs[f"stage_{number}"].outputs["pixels_out"]
        # One level: kernels chosen by the batch's layout may round a pixel on a half the other way.
        assert int(np.abs(found.astype(int) - expected).max()) <= 1


def test_stages_aim_at_the_interpolators_action_units(networks: InferenceNetworks) -> None:
    source, target = random_au(2, 4, 17)
    progress = torch.tensor([0.5, 1.0]).repeat(4, 1)
    module = exported_networks(networks)["interpolator"].module
    with torch.inference_mode():
        found = module(source, torch.zeros(4, 17), target, progress)
        expected = torch.stack(networks.cascade.stage_au(source, target))
    torch.testing.assert_close(found, expected)


def test_a_relative_target_adds_to_the_source_and_is_clipped(networks: InferenceNetworks) -> None:
    source = random_au(2, 17)
    progress = torch.ones(2, 2)
    module = exported_networks(networks)["interpolator"].module
    with torch.inference_mode():
        relative = module(source, torch.ones(2, 17), torch.full((2, 17), 2.0), progress)
        absolute = module(source, torch.zeros(2, 17), (source + 2).clamp(max=5), progress)
    torch.testing.assert_close(relative, absolute)


def test_pictures_of_one_batch_may_be_at_different_progress(networks: InferenceNetworks) -> None:
    source, target = random_au(2, 2, 17)
    progress = torch.tensor([[0.25, 0.5], [0.5, 1.0]])
    module = exported_networks(networks)["interpolator"].module
    with torch.inference_mode():
        together = module(source, torch.zeros(2, 17), target, progress)
        second = module(source[1:], torch.zeros(1, 17), target[1:], progress[1:])
    torch.testing.assert_close(together[:, 1:], second)


def test_attention_is_the_larger_of_global_and_local_in_bytes(
    networks: InferenceNetworks, faces: Faces
) -> None:
    pixels, au = torch.from_numpy(faces), random_au(3, 17)
    stage = networks.cascade.stages[0]
    assert isinstance(stage, EFGAN)
    with torch.inference_mode():
        _, _, found = exported_networks(networks)["stage_1"].module(pixels, au)
        initial = stage.transformer(to_unit_range(pixels), au / 5)
    mask = initial.face_attention[:, 0]
    box = networks.cascade.config.regions["mouth"]
    local = initial.patch_attentions["mouth"][:, 0]
    mouth = torch.maximum(mask[:, box.rows, box.columns], local)
    assert found.dtype == torch.uint8
    expected = (mouth * 255).round().to(torch.uint8)
    assert torch.equal(found[:, box.rows, box.columns], expected)
    corner = (mask[:, :8, :8] * 255).round().to(torch.uint8)
    assert torch.equal(found[:, :8, :8], corner)


def test_estimated_action_units_stay_within_their_scale(
    networks: InferenceNetworks, faces: Faces
) -> None:
    reader = toy_networks(toy_config()).au_reader
    assert reader.au_head is not None
    with torch.no_grad():
        for parameter in reader.au_head.parameters():
            parameter.mul_(100)
    extreme = InferenceNetworks(networks.cascade, reader)
    with torch.inference_mode():
        au = exported_networks(extreme)["au_estimator"].module(torch.from_numpy(faces))
    assert (au.min(), au.max()) == (0, 5)
