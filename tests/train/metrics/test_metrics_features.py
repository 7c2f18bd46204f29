"""The local features notice what goes wrong with pictures; Inception's weights are checked."""

import hashlib
import importlib.util
from pathlib import Path

import numpy as np
import pytest
import torch

from efgan_rt.errors import EfganError
from tests.toy_people import read_people, write_people
from train.metrics import inception
from train.metrics.feature_extractor import open_extractor
from train.metrics.feature_training import FAULTS, LocalFeatures, load_or_train_features, spoilt
from train.metrics.frechet_distance import frechet_distance
from train.metrics.judge_shelf import JudgeShelf
from train.metrics.judge_training import JudgeRecipe

QUICK = JudgeRecipe(epochs=1, learning_rate=1e-3, batch=8)


@pytest.fixture(scope="module")
def people(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_people(tmp_path_factory.mktemp("people"), ["id000", "id001", "id200"])


def crop() -> np.ndarray:
    rng = np.random.default_rng(2)
    return rng.integers(60, 200, (128, 128, 3)).astype(np.uint8)


@pytest.mark.parametrize("fault", FAULTS)
def test_a_stronger_fault_changes_a_crop_more(fault: str) -> None:
    given = crop()
    other = given[::-1].copy()
    changes = [
        np.abs(
            spoilt(given, fault, strength, other, np.random.default_rng(1)).astype(int) - given
        ).mean()
        for strength in (0.0, 0.5, 1.0)
    ]
    assert 0 < changes[0] < changes[1] < changes[2]


@pytest.fixture(scope="module")
def extractor(people: Path, tmp_path_factory: pytest.TempPathFactory) -> LocalFeatures:
    """Features that the toy people have taught."""
    recipe = JudgeRecipe(epochs=12, learning_rate=3e-3, batch=8)
    shelf = JudgeShelf(people, tmp_path_factory.mktemp("features"), unseen=["id200"])
    return load_or_train_features(shelf, recipe)


@pytest.mark.parametrize("fault", ["blur", "noise", "checkerboard"])
def test_the_distance_grows_with_the_fault(
    people: Path, extractor: LocalFeatures, fault: str
) -> None:
    pixels = read_people(people).pixels.numpy()
    real = extractor.extract(pixels)
    distances = [
        frechet_distance(
            real,
            extractor.extract(
                np.stack([spoilt(p, fault, strength, p, np.random.default_rng(0)) for p in pixels])
            ),
        )
        for strength in (0.1, 1.0)
    ]
    assert distances[0] < distances[1]


def test_features_are_trained_once_and_kept(people: Path, tmp_path: Path) -> None:
    said: list[str] = []
    for _ in range(2):
        extractor = load_or_train_features(JudgeShelf(people, tmp_path, say=said.append), QUICK)
    assert [line for line in said if "training" in line] == [
        f"{tmp_path / 'features.pt'}: no judge made from these labels by this recipe, training one"
    ]
    assert extractor.name == "local"
    assert extractor.extract(read_people(people).pixels.numpy()[:2]).shape == (2, 224)


def test_another_split_trains_other_features(people: Path, tmp_path: Path) -> None:
    said: list[str] = []
    load_or_train_features(JudgeShelf(people, tmp_path, say=said.append), QUICK)
    load_or_train_features(JudgeShelf(people, tmp_path, unseen=["id001"], say=said.append), QUICK)
    assert sum("training one" in line for line in said) == 2


def test_the_local_extractor_has_to_be_trained_first() -> None:
    assert open_extractor("local") is None


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    return tmp_path


def test_only_the_published_weights_are_kept(own_folder: Path) -> None:
    source = own_folder / "other.pth"
    source.write_bytes(b"something else")
    with pytest.raises(EfganError, match=r"gave another file than the published one; fetch weig"):
        inception.fetch_weights(source.as_uri())
    assert not inception.own_weights().exists()


def test_weights_that_cannot_be_fetched_are_told_with_a_way_out(own_folder: Path) -> None:
    address = (own_folder / "gone.pth").as_uri()
    with pytest.raises(EfganError, match=r"gone\.pth: cannot be fetched: .*--features local$"):
        inception.fetch_weights(address)


def test_fetched_weights_are_fetched_once(own_folder: Path) -> None:
    source = own_folder / "weights.pth"
    source.write_bytes(b"weights")
    digest = hashlib.sha256(b"weights").hexdigest()[:8]
    file = inception.fetch_weights(source.as_uri(), digest)
    assert file == inception.own_weights()
    source.unlink()
    assert inception.fetch_weights(source.as_uri(), digest).read_bytes() == b"weights"


def test_without_torch_fidelity_the_line_that_installs_it_is_told(own_folder: Path) -> None:
    if importlib.util.find_spec("torch_fidelity") is not None:
        pytest.skip("torch-fidelity is installed here")
    with pytest.raises(EfganError, match=r'torch_fidelity.*pip install "efgan-rt\[inception\]"'):
        inception.Inception.open()


def test_inception_reads_bytes_and_gives_its_last_features(own_folder: Path) -> None:
    module = pytest.importorskip(
        "torch_fidelity.feature_extractor_inceptionv3",
        reason='torch-fidelity is not installed: pip install "efgan-rt[inception]"',
        exc_type=ImportError,
    )
    with pytest.raises(EfganError, match="no weights; --fetch-features fetches them once"):
        inception.Inception.open()
    network = module.FeatureExtractorInceptionV3.__new__(module.FeatureExtractorInceptionV3)
    path = own_folder / "random.pth"
    try:
        network.__init__("x", ["2048"], feature_extractor_weights_path=str(path))
    except FileNotFoundError:  # its layers are there before its weights are read
        torch.save(torch.nn.Module.state_dict(network), path)
    found = inception.Inception.open(path).extract(np.stack([crop(), crop()[::-1]]))
    assert found.shape == (2, 2048)
    path.write_bytes(b"damaged")
    with pytest.raises(EfganError, match="are not the weights of FID's Inception"):
        inception.Inception.open(path)
