"""The losses of ECGAN (section 3.1); each a mean over pictures, channels and pixels."""

from torch import Tensor


def critic_loss(real: Tensor, fake: Tensor) -> Tensor:
    """Equation 1 for a discriminator, halved as CycleGAN does, so that it learns slower."""
    return ((real.float() - 1).square().mean() + fake.float().square().mean()) / 2


def deception_loss(fake: Tensor) -> Tensor:
    """Equation 1 for a generator: what it made is taken for real."""
    return (fake.float() - 1).square().mean()


def absolute_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Equations 2 and 4: the distance of two pictures."""
    return (found.float() - wanted).abs().mean()


def context_loss(found: Tensor, wanted: Tensor) -> Tensor:
    """Equation 3: the squared distance of two pictures' features, (B, C, h, w) each."""
    return (found.float() - wanted.float()).square().mean()


def mask_loss(found: Tensor, wanted: Tensor, mask: Tensor) -> Tensor:
    """Equation 5 where the mask (B, 1, H, W) is laid over both: the distance inside the face."""
    return ((found.float() - wanted) * mask).abs().mean()
