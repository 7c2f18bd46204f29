"""EF-GANs with motion: branches that give fields, a Refiner that makes one set of them.

Structure as in the paper's section 3.1: a global branch, local ones for eyes, nose and mouth, and a
Refiner over the stitched and the global result. Ours is that the local ones correct the global
one's fields, so that it can be trained first, alone and cheaply; and what a branch is: an
encoder-decoder with skips, steered by the action units in every block, without normalisation,
because instance norm takes an action unit's constant plane away again but for a rim. The
global branch sees the crop at half its size, the local ones at its own, so that teeth and lids are
seen at twice the resolution; all give their fields on a grid of half the crop's side.
"""

from typing import Final

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from efgan_rt.action_units import MAX_INTENSITY
from efgan_rt.faces.motion import SHADE_LIMIT
from efgan_rt.faces.mouths import DEPTH
from train.families.cascade.motion.composition import MotionFields, enlarged
from train.families.cascade.networks.config import RegionBox

CHANNELS: Final = 10  # displacement 2, shade 1, mouth's places 2 and alpha 1, colour 3 and alpha 1
SLOPE: Final = 0.1
STEER: Final = 64
HALVINGS: Final = 16  # a patch's sides are multiples of this many crop pixels
# Height and width of the patches in the crop of 128 pixels that the paper's are given in. Larger
# than the paper's (40 x 92, 40 x 48, 40 x 60): a mouth that opens leaves a patch of 40 rows, and a
# forehead's folds lie above the brows.
MOTION_REGIONS: Final = {"eyes": (64, 96), "nose": (48, 48), "mouth": (56, 80)}
MOVED_PX: Final = (10.0, 3.0)  # what the coarse and the fine head's 1 means, in grid pixels


class SteeredBlock(nn.Module):
    """Two convolutions added to the input, scaled and shifted in between by the action units."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.steer = nn.Linear(STEER, 2 * channels)
        keep_variance(self)
        with torch.no_grad():
            self.second.weight.mul_(0.3)
            self.steer.weight.mul_(0.5)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, C, h, w) and (B, STEER); shape kept."""
        scale, shift = self.steer(z).to(x.dtype)[:, :, None, None].chunk(2, dim=1)
        hidden = torch.addcmul(shift, self.first(F.relu(x)), 1 + scale)
        change: Tensor = self.second(F.relu(hidden, inplace=True))
        return x + change


def keep_variance(module: nn.Module, gain: float = 2**0.5) -> None:
    """Initialises convolutions for what lies between ReLUs (He et al., 2015).

    Nothing normalises here, and with PyTorch's own initialisation a picture's signal fades to a
    twentieth of its variance on the way down, so that the action units drown it.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_in = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
            nn.init.normal_(layer.weight, std=gain / fan_in**0.5)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


class MotionBranch(nn.Module):
    """Fields for a picture or a patch of it."""

    def __init__(self, widths: tuple[int, int, int, int], *, corrects: bool = False) -> None:
        """Of some widths, by resolution; one that corrects another's fields begins with none."""
        super().__init__()
        a, b, c, d = widths
        self.stem = nn.Conv2d(4 * 3 + 2, a, 3, padding=1)
        self.down1 = nn.Conv2d(a, b, 4, 2, 1)
        self.down2 = nn.Conv2d(b, c, 4, 2, 1)
        self.down3 = nn.Conv2d(c, d, 4, 2, 1)
        self.in1, self.in2 = SteeredBlock(b), SteeredBlock(c)
        self.deep = nn.ModuleList([SteeredBlock(d), SteeredBlock(d)])
        self.up3, self.up2, self.up1 = nn.Conv2d(d, c, 1), nn.Conv2d(c, b, 1), nn.Conv2d(b, a, 1)
        self.out2, self.out1 = SteeredBlock(c), SteeredBlock(b)
        self.fine = nn.Conv2d(a, a, 3, padding=1)
        self.coarse = nn.Conv2d(b, 2, 3, padding=1)
        self.heads = nn.Conv2d(a, CHANNELS, 3, padding=1)
        for layer in (self.stem, self.down1, self.down2, self.down3, self.fine):
            keep_variance(layer)
        for layer in (self.up1, self.up2, self.up3, self.coarse, self.heads):
            keep_variance(layer, gain=0.7)
        with torch.no_grad():
            for head in (self.coarse, self.heads):
                head.weight.mul_(0.0 if corrects else 0.05)
                assert head.bias is not None
                head.bias.zero_()
                if head is self.heads and not corrects:
                    head.bias[5] = -4.0
                    head.bias[9] = -6.0

    def forward(self, image: Tensor, z: Tensor) -> Tensor:
        """Raw fields.

        Args:
            image: (B, 3, 2h, 2w) in [-1, 1]; h and w multiples of 8.
            z: (B, STEER).

        Returns:
            (B, CHANNELS, h, w): displacement in this grid's pixels, the rest before its limits.
        """
        x = F.pixel_unshuffle(image, 2).to(self.stem.weight.dtype)
        height, width = x.shape[2:]
        rows = torch.linspace(-1, 1, height, device=x.device, dtype=x.dtype)
        columns = torch.linspace(-1, 1, width, device=x.device, dtype=x.dtype)
        places = torch.stack(
            [rows[:, None].expand(height, width), columns[None].expand(height, width)]
        )
        x = torch.cat([x, places[None].expand(x.shape[0], -1, -1, -1)], dim=1)
        x0 = self.stem(x)
        x1 = self.in1(self.down1(F.relu(x0)), z)
        x2 = self.in2(self.down2(x1), z)
        x3 = self.down3(x2)
        for block in self.deep:
            x3 = block(x3, z)
        y2 = self.out2(enlarged(self.up3(x3)) + x2, z)
        y1 = self.out1(enlarged(self.up2(y2)) + x1, z)
        y0 = F.relu(enlarged(self.up1(y1)) + x0, inplace=True)
        fine = self.heads(F.relu(self.fine(y0), inplace=True))
        coarse = enlarged(self.coarse(F.relu(y1)))
        moved = MOVED_PX[0] * coarse + MOVED_PX[1] * fine[:, :2]
        return torch.cat([moved.float(), fine[:, 2:].float()], dim=1)


class FieldRefiner(nn.Module):
    """What is changed of the stitched and the global fields, seen together with the picture."""

    def __init__(self, widths: tuple[int, int]) -> None:
        super().__init__()
        a, b = widths
        self.stem = nn.Conv2d(2 * CHANNELS + 3 + 1, a, 3, padding=1)
        self.down = nn.Conv2d(a, b, 4, 2, 1)
        self.deep = SteeredBlock(b)
        self.up = nn.Conv2d(b, a, 1)
        self.heads = nn.Conv2d(a, CHANNELS, 3, padding=1)
        keep_variance(self.stem, gain=1.0)
        keep_variance(self.down)
        keep_variance(self.up, gain=0.7)
        for each in self.heads.parameters():
            nn.init.zeros_(each)

    def forward(self, x: Tensor, z: Tensor) -> Tensor:
        """(B, 24, h, w) -> (B, CHANNELS, h, w), to be added."""
        x0 = self.stem(x.to(self.stem.weight.dtype))
        x1 = self.deep(self.down(F.relu(x0)), z)
        y = x0 + enlarged(self.up(F.relu(x1)))
        change: Tensor = self.heads(F.relu(y, inplace=True))
        return change.float()


class MotionEFGAN(nn.Module):
    """One stage of a cascade with motion."""

    feather: Tensor
    shown: Tensor

    def __init__(
        self,
        crop_px: int,
        regions: dict[str, RegionBox],
        au_count: int,
        widths: tuple[int, int, int, int] = (32, 48, 64, 96),
    ) -> None:
        """Takes boxes in the pixels of the crop, sides multiples of `HALVINGS`."""
        super().__init__()
        self.regions = regions
        self.crop_px = crop_px
        self.uses_regions = True
        """False: the global branch alone, which a training begins with because it is cheap."""
        self.steer = nn.Sequential(
            nn.Linear(au_count, STEER),
            nn.LeakyReLU(SLOPE),
            nn.Linear(STEER, STEER),
            nn.LeakyReLU(SLOPE),
        )
        self.face = MotionBranch(widths)
        self.patches = nn.ModuleDict(
            {name: MotionBranch(widths, corrects=True) for name in regions}
        )
        self.refiner = FieldRefiner((24, 48))
        self.register_buffer("feather", _feathers(crop_px // 2, regions), persistent=False)
        # Displacements are tens of pixels; what the Refiner sees of them is about 1.
        shown = torch.tensor([0.1, 0.1, *[1.0] * (CHANNELS - 2)] * 2)[:, None, None]
        self.register_buffer("shown", shown, persistent=False)

    def forward(self, image: Tensor, au: Tensor) -> MotionFields:
        """What becomes of a picture.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            au: (B, K), 0 to 5.
        """
        z = self.steer(au / MAX_INTENSITY)
        half = F.avg_pool2d(image.float(), 2)
        face = enlarged(self.face(half, z))
        face = torch.cat(
            [2 * face[:, :2], face[:, 2:]], dim=1
        )  # displacements in this grid's pixels
        if not self.uses_regions:
            return limited(face)
        stitched = torch.zeros_like(face)
        covered = torch.zeros_like(face[:, :1])
        for name, feather in zip(self.regions, self.feather, strict=True):
            box = self.regions[name]
            patch = self.patches[name](image[:, :, box.rows, box.columns], z)
            rows = slice(box.top // 2, (box.top + box.height) // 2)
            columns = slice(box.left // 2, (box.left + box.width) // 2)
            below, right = face.shape[2] - rows.stop, face.shape[3] - columns.stop
            laid = F.pad(patch, (columns.start, right, rows.start, below))
            stitched = stitched + feather * (laid - stitched)
            covered = torch.maximum(covered, feather.expand_as(covered))
        ground = face + stitched
        seen = torch.cat([stitched, face], dim=1)
        raw = ground + self.refiner(torch.cat([seen * self.shown, half, covered], dim=1), z)
        return limited(raw)


def limited(raw: Tensor) -> MotionFields:
    """Fields from a network's raw channels."""
    shade = SHADE_LIMIT * torch.tanh(raw[:, 2:3])
    mouth = torch.sigmoid(raw[:, 5:6])
    along = raw[:, 3:4].clamp(-0.6, 0.6)
    down = raw[:, 4:5].clamp(-DEPTH / 2, DEPTH / 2)
    alpha = torch.sigmoid(raw[:, 9:])
    colour = torch.tanh(raw[:, 6:9])
    return MotionFields(
        raw[:, :2],
        shade,
        torch.cat([mouth * along, mouth * down, mouth], dim=1),
        torch.cat([alpha * colour, alpha], dim=1),
    )


def _feathers(side: int, regions: dict[str, RegionBox]) -> Tensor:
    """How much each patch counts, (R, 1, side, side), fading over a few pixels at its border."""
    layers = torch.zeros(len(regions), 1, side, side)
    for layer, box in zip(layers, regions.values(), strict=True):
        rows, columns = box.height // 2, box.width // 2
        down = torch.minimum(torch.arange(rows) + 1, rows - torch.arange(rows)).clamp(max=6) / 6
        across = torch.minimum(torch.arange(columns) + 1, columns - torch.arange(columns))
        across = across.clamp(max=6) / 6
        top, left = box.top // 2, box.left // 2
        layer[0, top : top + rows, left : left + columns] = down[:, None] * across[None]
    return layers


def motion_regions(crop_px: int) -> dict[str, RegionBox]:
    """The patches of a crop that is framed as training crops are (`efgan_rt.faces.template`)."""
    share = crop_px / 128
    centres = {"eyes": (63.5, 43.6), "nose": (63.5, 70.0), "mouth": (63.5, 95.0)}
    boxes = {}
    for name, (x, y) in centres.items():
        height, width = (round(side * share) for side in MOTION_REGIONS[name])
        box = RegionBox.centred(x * share, y * share, height, width, crop_px)
        boxes[name] = RegionBox(box.top // 2 * 2, box.left // 2 * 2, height, width)
    return boxes
