"""ECGAN: its networks, each loss by hand, the pool, the masks, and a training that was stopped."""

import dataclasses
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from efgan_rt.errors import EfganError
from tests.train.families.toy_ecgan import ecgan_faces, ecgan_recipe
from tests.train.same_training import assert_same_training
from train.data.faces import FaceSet
from train.families.ecgan import losses, masks, phases
from train.families.ecgan.config import ECGANConfig
from train.families.ecgan.context import ContextNetwork, load_published
from train.families.ecgan.family import begin, start
from train.families.ecgan.networks import Discriminator, Generator
from train.families.ecgan.pool import PicturePool
from train.families.registry import load_checkpoint
from train.loop import Intervals, train
from train.recipe import Recipe
from train.recipes import read_recipe

NAMES = ("angry", "happy", "neutral")


@pytest.fixture
def faces(tmp_path: Path) -> FaceSet:
    folder = tmp_path / "people"
    folder.mkdir()
    return ecgan_faces(folder)


def test_a_generator_has_cyclegans_layers_and_parameters_but_for_the_bottleneck() -> None:
    network = Generator(ECGANConfig(128, NAMES))
    found = [
        (type(layer).__name__, layer.out_channels, layer.kernel_size[0], layer.stride[0])
        for layer in network.modules()
        if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d)
    ]
    conv, deconv = "Conv2d", "ConvTranspose2d"
    residual = [(conv, 256, 3, 1)] * 6
    assert found == [
        *[(conv, 64, 7, 1), (conv, 128, 3, 2), (conv, 256, 3, 2)],
        *residual,
        (conv, 256, 1, 1),
        *residual,
        *[(deconv, 128, 3, 2), (deconv, 64, 3, 2), (conv, 3, 7, 1)],
    ]
    bottleneck = sum(each.numel() for each in network.bottleneck.parameters())
    # 256 to 256, 259 to 8 planes of 32 x 32 with biases, 264 to 256 without.
    assert bottleneck == 256 * 257 + 260 * 8 * 32 * 32 + 264 * 256
    products = 49 * 3 * 64 + 9 * (64 * 128 + 128 * 256) * 2 + 12 * 9 * 256 * 256 + 49 * 64 * 3 + 3
    norms = 2 * (64 + 128 + 256 + 12 * 256 + 128 + 64)
    assert sum(each.numel() for each in network.parameters()) == bottleneck + products + norms


@pytest.mark.parametrize("conditional", [True, False])
def test_a_discriminator_sees_the_vector_only_where_it_is_to(conditional: bool) -> None:
    config = ECGANConfig(64, NAMES, 8, 2, conditional)
    critic = Discriminator(config).eval()
    image, vectors = torch.rand(1, 3, 64, 64), torch.eye(3)
    verdicts = [critic(image, vector[None]) for vector in vectors]
    assert verdicts[0].shape == (1, 1, 6, 6)
    assert torch.equal(verdicts[0], verdicts[1]) != conditional
    convolutions = [each for each in critic.modules() if isinstance(each, nn.Conv2d)]
    assert [each.out_channels for each in convolutions] == [8, 16, 32, 64, 1]
    assert [each.stride[0] for each in convolutions] == [2, 2, 2, 1, 1]


def test_the_vector_changes_what_a_generator_makes() -> None:
    network = Generator(ECGANConfig(32, NAMES, 8, 2)).eval()
    image = torch.rand(1, 3, 32, 32)
    made = [network(image, vector[None]) for vector in torch.eye(3)]
    assert made[0].shape == image.shape
    assert (made[0] - made[1]).abs().max() > 1e-3


def test_each_loss_is_what_the_equation_says() -> None:
    real, fake = torch.tensor([0.5, 1.0]), torch.tensor([0.5, -1.0])
    assert losses.critic_loss(real, fake).item() == pytest.approx((0.125 + 0.625) / 2)
    assert losses.deception_loss(fake).item() == pytest.approx((0.25 + 4) / 2)
    one, other = torch.zeros(1, 3, 2, 2), torch.full((1, 3, 2, 2), -0.5)
    assert losses.absolute_loss(one, other).item() == pytest.approx(0.5)
    assert losses.context_loss(one, other).item() == pytest.approx(0.25)
    mask = torch.tensor([[[[1.0, 0.0], [0.0, 0.0]]]])
    assert losses.mask_loss(one, other, mask).item() == pytest.approx(0.125)


def test_the_pool_gives_earlier_pictures_every_second_time_with_their_own_vectors() -> None:
    pool, rng = PicturePool(4), torch.Generator().manual_seed(0)
    earlier = 0
    for number in range(200):
        image = torch.full((1, 1, 1, 1), float(number))
        vector = torch.full((1, 1), float(number))
        shown, asked = pool.exchanged(image, vector, rng)
        assert shown.item() == asked.item()
        assert number >= 4 or shown.item() == number
        earlier += shown.item() != number
    assert 70 < earlier < 126
    again = PicturePool(4)
    again.load_state_dict(pool.state_dict())
    assert all(map(torch.equal, again.state_dict()["images"], pool.state_dict()["images"]))


def test_a_mask_is_the_landmarks_hull_dilated_and_all_where_no_face_is_found(
    faces: FaceSet,
) -> None:
    corners = np.array([[10, 10], [20, 10], [20, 22], [10, 22], [15, 15]], np.float32)
    calls = iter([corners])
    found = masks.face_masks(faces, lambda _: next(calls, None))
    assert found.shape == (len(faces.table), 1, 32, 32)
    first = found[0, 0].numpy()
    assert first[10:23, 10:21].all()
    assert first[8, 15] == first[24, 15] == 1  # dilated by 2 of 32 pixels
    assert not first[:8].any() and not first[:, 23:].any()
    assert found[1:].all()


def changed(state: object, step: object) -> set[str]:
    nets = state.trained  # type: ignore[attr-defined]
    before = {
        name: [each.clone() for each in network.state_dict().values()]
        for name, network in nets.items()
    }
    said = step.step(1e-3, 0.0)  # type: ignore[attr-defined]
    assert all(value == value for value in said.values())
    return {
        name
        for name, network in nets.items()
        if not all(map(torch.equal, before[name], network.state_dict().values()))
    }


def test_each_phase_trains_its_own_networks_and_leaves_the_others(faces: FaceSet) -> None:
    recipe = ecgan_recipe()
    state = start(recipe, faces, torch.device("cpu"), None)
    assert changed(state, begin(state, recipe.phases[0], faces)) == {"context"}
    translate = begin(state, recipe.phases[1], faces)
    assert changed(state, translate) == {"G_XY", "G_YX", "D_X", "D_Y"}


@pytest.mark.parametrize("before", [True, False])
def test_the_mask_loss_counts_with_either_reading_of_equation_5(
    faces: FaceSet, monkeypatch: pytest.MonkeyPatch, before: bool
) -> None:
    half = torch.zeros(len(faces.table), 1, 32, 32, dtype=torch.uint8)
    half[..., :16] = 1
    monkeypatch.setattr(phases, "masks_by_mediapipe", lambda faces, path: half)
    recipe = ecgan_recipe(mask=10.0)
    recipe = dataclasses.replace(
        recipe, model=dataclasses.replace(recipe.model, landmarker="face_landmarker.task")
    )
    state = start(recipe, faces, torch.device("cpu"), None)
    loss = dataclasses.replace(recipe.phases[1].loss, mask_before=before)
    phase = begin(state, dataclasses.replace(recipe.phases[1], loss=loss), faces)
    said = phase.step(1e-3, 0.0)
    assert said["mask"] > 0
    if not before:
        assert said["mask"] < said["cycle"]  # it is the part of it that lies in the face


@pytest.mark.parametrize("stop_after", [1, 2, 3])
def test_a_stopped_training_is_the_one_that_was_not(
    faces: FaceSet, tmp_path: Path, stop_after: int
) -> None:
    recipe, intervals = ecgan_recipe(), Intervals(samples=100, checkpoint=100)
    whole = train(recipe, faces, tmp_path / "whole", intervals=intervals)
    pieces = tmp_path / "pieces"
    train(recipe, faces, pieces, intervals=intervals, stop_after=stop_after)
    resumed = train(recipe, faces, pieces, intervals=intervals, resume=True)
    assert_same_training(load_checkpoint(whole), load_checkpoint(resumed))
    assert set(load_checkpoint(whole).expressions) == set(faces.table.expressions)


def begun(recipe: Recipe, faces: FaceSet, phase: int) -> None:
    begin(start(recipe, faces, torch.device("cpu"), None), recipe.phases[phase], faces)


def test_what_cannot_be_trained_is_said_in_a_sentence(faces: FaceSet, tmp_path: Path) -> None:
    with pytest.raises(EfganError, match="the face mask loss needs landmarks: name MediaPipe's"):
        begun(ecgan_recipe(mask=1.0), faces, 1)
    with pytest.raises(EfganError, match="no picture of the set shows smug"):
        data = dataclasses.replace(ecgan_recipe().data, expressions=("neutral", "smug"))
        begun(dataclasses.replace(ecgan_recipe(), data=data), faces, 1)
    with pytest.raises(EfganError, match=r"expected VGG-19's weights as torchvision has them"):
        load_published(ContextNetwork(64, 2, 2), tmp_path / "none.pth")
    torch.save({"other": torch.zeros(1)}, tmp_path / "other.pth")
    with pytest.raises(EfganError, match="does not hold VGG-19's first layers"):
        load_published(ContextNetwork(64, 2, 2), tmp_path / "other.pth")
    only = faces.table.where(lambda who: False)
    faces.table = only
    with pytest.raises(EfganError, match="the set shows no named expression"):
        begun(ecgan_recipe(), faces, 1)


def test_published_weights_fill_the_first_layers(tmp_path: Path) -> None:
    network = ContextNetwork(64, 2, 2)
    shapes = {f"features.{k}": v for k, v in network.features.state_dict().items()}
    # VGG-19's own indices of its first eight convolutions.
    assert [k for k in shapes if k.endswith("weight")] == [
        f"features.{n}.weight" for n in (0, 2, 5, 7, 10, 12, 14, 16)
    ]
    values = {key: torch.full_like(value, 0.5) for key, value in shapes.items()}
    torch.save({**values, "classifier.0.weight": torch.zeros(1)}, tmp_path / "vgg.pth")
    load_published(network, tmp_path / "vgg.pth")
    assert all((each == 0.5).all() for each in network.features.parameters())


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("phases.1.kind=warm", "phase kind 'warm', expected one of context translate"),
        ("phases.1.steps=3", "expected exactly one of them above 0"),
        ("phases.1.batch=0", "batch 0, expected 1 or more"),
    ],
)
def test_a_recipe_that_cannot_be_is_refused(change: str, message: str) -> None:
    with pytest.raises(EfganError) as error:
        read_recipe("ecgan", [change])
    assert message in str(error.value)


def test_the_papers_recipe_has_cyclegans_values() -> None:
    recipe = read_recipe("ecgan-paper")
    phase = recipe.phases[1]
    assert (phase.batch, phase.epochs, phase.flat_share) == (1, 200, 0.5)
    assert (phase.learning_rate, phase.betas[0]) == (2e-4, 0.5)
    assert (phase.loss.cycle, phase.loss.identity, phase.loss.mask_before) == (10, 5, True)
    assert (recipe.model.width, recipe.model.residual_blocks) == (64, 6)
    assert recipe.model.conditional_critics
