"""What an edit needs of a cascade's networks."""

from collections.abc import Mapping
from dataclasses import dataclass

from torch import nn

from efgan_rt.families.cascade import CASCADE
from efgan_rt.families.properties import Properties
from train.families.cascade.motion.cascade import MotionCascade
from train.families.cascade.networks.cascade import CascadeEFGAN
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.discriminators import ImageDiscriminator


@dataclass
class InferenceNetworks:
    """What an edit needs: the cascade (with its Interpolator) and the action-unit reader."""

    cascade: CascadeEFGAN | MotionCascade
    au_reader: ImageDiscriminator

    @property
    def family(self) -> str:
        """The family's name."""
        return CASCADE.name

    def properties(self) -> Properties:
        """What an engine set says of them, as far as their tensors go."""
        return properties_of(self.cascade.config)

    def parts(self) -> Mapping[str, nn.Module]:
        """The modules, by the first part of their weights' names in a checkpoint."""
        return {"cascade": self.cascade, "au_reader": self.au_reader}


def properties_of(config: ModelConfig) -> Properties:
    """What an engine set of a model says of it, as far as its networks' tensors go."""
    return Properties(
        config.crop_px,
        stages=config.stages,
        au_names=config.au_names,
        motion=config.motion,
    )


def empty_networks(config: ModelConfig) -> InferenceNetworks:
    """Networks of a config without spectral norm, ready for `load_state_dict`."""
    au_reader = ImageDiscriminator(
        config.critic_width,
        config.face_bottlenecks,
        au_count=config.au_count,
        crop_px=config.reader_px,
        spectral_norm=False,
    )
    if config.motion:
        return InferenceNetworks(MotionCascade(config).eval(), au_reader.eval())
    plain = ModelConfig.from_dict(config.to_dict() | {"spectral_norm": False})
    return InferenceNetworks(CascadeEFGAN(plain).eval(), au_reader.eval())
