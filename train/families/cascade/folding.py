"""The same pictures for less work: what an exported stage computes otherwise than a trained one.

Three things that a training needs and a finished network does not. All are exact but for the order
of additions, and every build compares the folded files with the networks as they were trained.

* A branch's action units are planes of one value each, so their share of the first convolution is
  one number a channel wherever all taps lie inside the picture, and the instance norm that follows
  takes that away again. What is left is a rim three pixels wide, where zero padding hides some
  taps. A small matrix product gives the rim's seven by seven kinds of place, which are laid out to
  the picture's size, and the convolution reads 3 channels instead of 3 + K.
* Processors and tensor cores compute 16 output channels at the price of the heads' 3 or 4. So a
  head computes 2 x 2 pixels at once: a window one pixel larger, a stride of two, four times the
  channels, and a shuffle.
* Colour and attention of a patch are laid into the picture together, once, instead of three times.

Source: ours.
"""

import copy
from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from efgan_rt.action_units import MAX_INTENSITY
from train.data.regions import REGION_SIZES
from train.families.cascade.motion.cascade import MotionCascade
from train.families.cascade.networks.branch import Branch
from train.families.cascade.networks.config import ModelConfig
from train.families.cascade.networks.efgan import EFGAN
from train.families.cascade.networks.inference import InferenceNetworks
from train.families.cascade.networks.transformer import crop
from train.layers import Conv

BLOCK: Final = 2  # a head's pixels at once, down and across


def folded(networks: InferenceNetworks) -> InferenceNetworks:
    """A copy whose stages are `FoldedStage`s; stages that move, and the rest, are as they were."""
    twin = copy.deepcopy(networks)
    if isinstance(twin.cascade, MotionCascade):
        return twin
    for number, stage in enumerate(twin.cascade.stages):
        assert isinstance(stage, EFGAN)
        twin.cascade.stages[number] = FoldedStage(stage, twin.cascade.config)
    return InferenceNetworks(twin.cascade.eval(), twin.au_reader)


class FoldedStage(nn.Module):
    """An EF-GAN for running only."""

    covered: Tensor
    anywhere: Tensor

    def __init__(self, stage: EFGAN, config: ModelConfig) -> None:
        super().__init__()
        px = config.crop_px
        boxes = stage.regions
        self.boxes = {name: boxes[name] for name in REGION_SIZES if name in boxes}
        self.face = FoldedBranch(stage.transformer.face, px, px)
        branches = {}
        for name, box in self.boxes.items():
            branch = stage.transformer.patches[name]
            assert isinstance(branch, Branch)
            branches[name] = FoldedBranch(branch, box.height, box.width)
        self.patches = nn.ModuleDict(branches)
        self.refine = nn.Sequential(stage.refiner.body, FoldedHead(stage.refiner.head))
        self.residual = stage.refiner.residual
        covered = torch.zeros(len(self.boxes), 1, px, px, dtype=torch.bool)
        for layer, box in zip(covered, self.boxes.values(), strict=True):
            layer[:, box.rows, box.columns] = True
        self.register_buffer("covered", covered)
        self.register_buffer("anywhere", covered.any(0, keepdim=True))

    def forward(self, image: Tensor, au: Tensor) -> tuple[Tensor, Tensor]:
        """Edits.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            au: (B, K), 0 to 5.

        Returns:
            The final edit (B, 3, H, W), and the attention (B, 1, H, W) in [0, 1]: of the global
            branch and the stitched local ones, the larger.
        """
        au = au / MAX_INTENSITY
        face, attention = self.face(image, au)
        if not self.boxes:
            stitched, ground = torch.zeros_like(face), face
        else:
            laid = self._laid({name: self._patch(name, image, au) for name in self.boxes})
            stitched, local = laid[:, :3], laid[:, 3:]
            attention = torch.maximum(attention, local)
            ground = torch.where(self.anywhere, stitched, face)
        refined = torch.tanh(self.refine(torch.cat([stitched, face], dim=1)))  # B 6 H W -> B 3 H W
        return (ground + refined if self.residual else refined), attention

    def _patch(self, name: str, image: Tensor, au: Tensor) -> Tensor:
        """A region's edit and attention, (B, 4, h, w)."""
        return torch.cat(self.patches[name](crop(image, self.boxes[name]), au), dim=1)

    def _laid(self, patches: dict[str, Tensor]) -> Tensor:
        """The patches over zeros, in `stitch`'s order: (B, 4, h, w) each -> (B, 4, H, W)."""
        height, width = self.covered.shape[2:]
        canvas: Tensor | None = None
        for covered, (name, patch) in zip(self.covered, patches.items(), strict=True):
            box = self.boxes[name]
            below, right = height - box.top - box.height, width - box.left - box.width
            padded = F.pad(patch, (box.left, right, box.top, below))
            canvas = padded if canvas is None else torch.where(covered, padded, canvas)
        assert canvas is not None, "only called where there are patches"
        return canvas


class FoldedBranch(nn.Module):
    """A branch for pictures of one size."""

    def __init__(self, branch: Branch, height: int, width: int) -> None:
        super().__init__()
        first, *rest = branch.body
        assert isinstance(first, nn.Sequential)
        stem, *after = first
        assert isinstance(stem, nn.Conv2d)
        self.stem = FoldedStem(stem, height, width)
        self.rest = nn.Sequential(*after, *rest, FoldedHead(branch.heads))

    def forward(self, image: Tensor, au: Tensor) -> tuple[Tensor, Tensor]:
        """As `Branch.forward`."""
        heads = self.rest(self.stem(image, au))
        colour, attention = torch.tanh(heads[:, :3]), torch.sigmoid(heads[:, 3:])
        return attention * colour + (1 - attention) * image, attention


class FoldedStem(nn.Module):
    """A branch's first convolution, but for what the instance norm behind it takes away."""

    rim: Tensor
    rows: Tensor
    columns: Tensor

    def __init__(self, stem: nn.Conv2d, height: int, width: int) -> None:
        """Folds a convolution of 3 + K channels with an odd kernel and zero padding around it."""
        super().__init__()
        size = stem.kernel_size[0]
        self.size, self.channels = size, stem.out_channels
        self.image = nn.Conv2d(3, stem.out_channels, size, padding=size // 2, bias=False)
        self.image.weight = nn.Parameter(stem.weight.detach()[:, :3].clone())
        self.register_buffer("rim", rim_of(stem.weight.detach()[:, 3:]))
        self.register_buffer("rows", places(height, size))
        self.register_buffer("columns", places(width, size))

    def forward(self, image: Tensor, au: Tensor) -> Tensor:
        """(B, 3, H, W) and (B, K), divided by 5 -> (B, C, H, W), less a constant a channel."""
        rim = (au @ self.rim).view(-1, self.channels, self.size, self.size).to(image.dtype)
        # Along the rows first: what follows then moves whole rows.
        rim = rim.index_select(3, self.columns).index_select(2, self.rows)
        seen: Tensor = self.image(image)
        return seen + rim


def rim_of(weight: Tensor) -> Tensor:
    """What planes of 1 give at each kind of place, less what they give away from the edges.

    Args:
        weight: (C, K, n, n) of a convolution with zero padding of n // 2; n odd.

    Returns:
        float32 (K, C * n * n), row-major in places: n // 2 from the first edge inwards, one for all
        places that see every tap, n // 2 towards the last edge.
    """
    size, middle = weight.shape[-1], weight.shape[-1] // 2
    kind, tap = torch.arange(size)[:, None], torch.arange(size)[None, :]
    # Kind k < middle lies k from the first edge, and tap t reads k + t - middle.
    inside = ((tap >= middle - kind) & (tap < size + middle - kind)).to(torch.float64)
    seen = inside @ weight.to(torch.float64) @ inside.T  # C K n n
    seen -= seen[..., middle, middle, None, None].clone()
    return seen.transpose(0, 1).flatten(1).float().contiguous()


def places(length: int, size: int) -> Tensor:
    """Which kind of place each of so many pixels is: 0 1 2 3 3 ... 3 4 5 6 for a kernel of 7."""
    middle = size // 2
    assert length >= size, "a picture has to be as large as the kernel"
    kinds = torch.full((length,), middle)
    kinds[:middle] = torch.arange(middle)
    kinds[length - middle :] = torch.arange(middle + 1, size)
    return kinds


class FoldedHead(nn.Module):
    """A head that computes blocks of 2 x 2 pixels."""

    def __init__(self, head: Conv) -> None:
        """Folds a convolution with an odd kernel, zero padding around it and no bias."""
        super().__init__()
        weight = head.weight.detach()
        channels, features, size, _ = weight.shape
        wide = size + BLOCK - 1
        spread = weight.new_zeros(channels, BLOCK, BLOCK, features, wide, wide)
        for down in range(BLOCK):
            for across in range(BLOCK):
                spread[:, down, across, :, down : down + size, across : across + size] = weight
        self.blocks = nn.Conv2d(
            features, channels * BLOCK**2, wide, stride=BLOCK, padding=size // 2, bias=False
        )
        self.blocks.weight = nn.Parameter(spread.flatten(0, 2))

    def forward(self, features: Tensor) -> Tensor:
        """(B, C, H, W) -> (B, C', H, W); H and W even."""
        return F.pixel_shuffle(self.blocks(features), BLOCK)
