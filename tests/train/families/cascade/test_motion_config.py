"""The model config of networks that move a face."""

from typing import Any

import pytest

from efgan_rt.errors import EfganError
from train.data.regions import RegionBox
from train.families.cascade.motion.networks import motion_regions
from train.families.cascade.networks.config import MOST_MOUTHS, MOTION_FIELDS, ModelConfig


def config(**changes: Any) -> ModelConfig:
    values: dict[str, Any] = {"motion": True, "mouths": 4, "crop_px": 256}
    values["regions"] = motion_regions(256)
    return ModelConfig(**(values | changes))


def test_a_config_with_motion_comes_back_from_its_values() -> None:
    before = config(motion_widths=(8, 12, 16, 24))
    assert ModelConfig.from_dict(before.to_dict()) == before


def test_without_motion_nothing_of_it_is_written() -> None:
    plain = ModelConfig()
    assert not set(MOTION_FIELDS) & set(plain.to_dict())
    assert ModelConfig.from_dict(plain.to_dict()) == plain


def test_the_reader_sees_half_the_crop_where_there_is_motion() -> None:
    assert config().reader_px == 128
    assert ModelConfig().reader_px == 128 and ModelConfig().crop_px == 128


@pytest.mark.parametrize("mouths", [0, MOST_MOUTHS + 1])
def test_a_number_of_mouths_out_of_range_is_refused(mouths: int) -> None:
    with pytest.raises(EfganError, match=rf"mouths: found {mouths}, expected 1 to {MOST_MOUTHS}"):
        config(mouths=mouths)


def test_widths_out_of_range_are_refused() -> None:
    with pytest.raises(EfganError, match=r"motion_widths: found \(0, 1, 1, 1\), expected 1 to"):
        config(motion_widths=(0, 1, 1, 1))


@pytest.mark.parametrize(
    "box", [RegionBox(10, 10, 24, 32), RegionBox(10, 10, 32, 20), RegionBox(11, 10, 32, 32)]
)
def test_regions_that_do_not_halve_four_times_are_refused(box: RegionBox) -> None:
    with pytest.raises(EfganError, match="expected sides divisible by 16 and an even place"):
        config(regions={"mouth": box})


@pytest.mark.parametrize("widths", [[8, 8, 8], "wide", None, 8])
def test_widths_that_are_not_four_numbers_are_a_sentence(widths: Any) -> None:
    with pytest.raises(EfganError, match=r"^the model config: motion_widths is .*, expected array"):
        ModelConfig.from_dict(config().to_dict() | {"motion_widths": widths})
