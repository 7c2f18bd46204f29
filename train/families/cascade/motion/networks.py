"""EF-GANs with motion: branches that give fields, a Refiner that makes one set of them.

Structure as in the paper's section 3.1: a global branch, local ones for eyes, nose and mouth, and a
Refiner over the stitched and the global result. Ours is that the local ones correct the global
one's fields, so that it can be trained first, alone and cheaply; and what a branch is: an
encoder-decoder with skips, steered by the action units in every block, without normalisation,
because instance norm takes an action unit's constant plane away again but for a rim. The
global branch sees the crop at half its size, the local ones at its own, so that teeth and lids are
seen at twice the resolution; all give their fields on a grid of half the crop's side.

Light is not painted. A stage says where on a face each pixel of its edit lies and reads from the
picture how far each action unit is there already; what an action unit gained does to the light of
that place is looked up (`train.portraits.folds`), so that a fold is thin wherever it lands.
"""

from dataclasses import dataclass
from typing import Final, cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from efgan_rt.action_units import MAX_INTENSITY
from efgan_rt.faces.motion import SHADE_LIMIT
from efgan_rt.faces.mouths import DEPTH
from train.data.regions import RegionBox
from train.families.cascade.motion.composition import MotionFields, enlarged, places
from train.portraits.folds import FOLDS_PX

# Displacement 2, places on the skin 2, in the mouth 2 and its alpha 1, colour 3 and its alpha 1.
CHANNELS: Final = 11
SLOPE: Final = 0.1
STEER: Final = 64
# Of values below 0 before a local branch's fields. Nothing normalises here, so that a layer of
# ReLUs may end below 0 for every picture, learns nothing from then on, and a branch is lost.
LEAK: Final = 0.1
HALVINGS: Final = 16  # a patch's sides are multiples of this many crop pixels
# Height and width of the patches in the crop of 128 pixels that the paper's are given in. Larger
# than the paper's (40 x 92, 40 x 48, 40 x 60): a mouth that opens leaves a patch of 40 rows, and a
# forehead's folds lie above the brows.
MOTION_REGIONS: Final = {"eyes": (64, 96), "nose": (48, 48), "mouth": (56, 80)}
MOVED_PX: Final = (10.0, 3.0)  # what the coarse and the fine head's 1 means, in grid pixels
# Where a pixel of a framed crop lies on the skin, but for what is the person's and the pose's:
# `skin_places` for a step of half the crop, and in its middle.
SKIN_STEP, SKIN_MIDDLE = (1.12, 1.14), (0.0, -0.04)
UNSURE: Final = 0.3  # a unit is read to so much; a smaller gain changes no light
READ_CELLS: Final = 4  # the units are read from so many cells a side, where there are as many


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
    """Initialises convolutions, or one, for what lies between ReLUs (He et al., 2015).

    Nothing normalises here, and with PyTorch's own initialisation a picture's signal fades to a
    twentieth of its variance on the way down, so that the action units drown it.
    """
    for layer in module.modules():
        if isinstance(layer, nn.Conv2d):
            fan_in = layer.in_channels * layer.kernel_size[0] * layer.kernel_size[1]
            nn.init.normal_(layer.weight, std=gain / fan_in**0.5)
            assert layer.bias is not None
            nn.init.zeros_(layer.bias)


def leaky(x: Tensor, slope: float) -> Tensor:
    """The leaky rectifier, in the tensor's own memory; with a slope of 0 the plain one."""
    return F.leaky_relu(x, slope, inplace=True) if slope else F.relu(x, inplace=True)


class MotionBranch(nn.Module):
    """Fields for a picture or a patch of it."""

    def __init__(
        self, widths: tuple[int, int, int, int], *, slope: float = 0.0, corrects: bool = False
    ) -> None:
        """Of some widths, by resolution; one that corrects another's fields begins with none."""
        super().__init__()
        self.slope = slope
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
                    head.bias[6] = -4.0
                    head.bias[10] = -6.0

    def forward(self, image: Tensor, z: Tensor) -> tuple[Tensor, Tensor]:
        """Raw fields, and what they came from.

        Args:
            image: (B, 3, 2h, 2w) in [-1, 1]; h and w multiples of 8.
            z: (B, STEER).

        Returns:
            (B, CHANNELS, h, w): displacement in this grid's pixels, the rest before its limits.
            (B, widths[3], h / 8, w / 8): the deepest features.
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
        y0 = leaky(enlarged(self.up1(y1)) + x0, self.slope)
        fine = self.heads(leaky(self.fine(y0), self.slope))
        coarse = enlarged(self.coarse(F.relu(y1)))
        moved = MOVED_PX[0] * coarse + MOVED_PX[1] * fine[:, :2]
        return torch.cat([moved.float(), fine[:, 2:].float()], dim=1), x3


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
        """(B, 2 * CHANNELS + 4, h, w) -> (B, CHANNELS, h, w), to be added."""
        x0 = self.stem(x.to(self.stem.weight.dtype))
        x1 = self.deep(self.down(F.relu(x0)), z)
        y = x0 + enlarged(self.up(F.relu(x1)))
        change: Tensor = self.heads(F.relu(y, inplace=True))
        return change.float()


@dataclass(frozen=True)
class SkinReading:
    """What a stage reads of the face that it makes, for its light.

    Attributes:
        places: (B, 2, h, w), `train.portraits.folds.skin_places` of the edit's pixels.
        units: (B, K), action units of the picture that the stage was given, about 0 to 5.
    """

    places: Tensor
    units: Tensor


class MotionEFGAN(nn.Module):
    """One stage of a cascade with motion."""

    feather: Tensor
    shown: Tensor
    folds: Tensor

    def __init__(
        self,
        crop_px: int,
        regions: dict[str, RegionBox],
        au_count: int,
        widths: tuple[int, int, int, int] = (32, 48, 64, 96),
        slope: float = LEAK,
    ) -> None:
        """Takes boxes in the pixels of the crop, sides multiples of `HALVINGS`.

        `slope` is that of what comes before the local branches' fields, below 0.
        """
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
            {name: MotionBranch(widths, slope=slope, corrects=True) for name in regions}
        )
        self.refiner = FieldRefiner((24, 48))
        self.cells = min(READ_CELLS, crop_px // 4 // 8)
        self.reader = nn.Linear(widths[3] * self.cells**2, au_count)
        self.register_buffer("folds", torch.zeros(au_count, FOLDS_PX, FOLDS_PX))
        self.register_buffer("feather", _feathers(crop_px // 2, regions), persistent=False)
        # Displacements are tens of pixels; what the Refiner sees of them is about 1.
        shown = torch.tensor([0.1, 0.1, *[1.0] * (CHANNELS - 2)] * 2)[:, None, None]
        self.register_buffer("shown", shown, persistent=False)

    @torch.no_grad()
    def renew(self, name: str, image: Tensor, au: Tensor) -> None:
        """Has the fine fields of a local branch begin anew; its coarse displacement stays.

        Where every rectifier before them gave 0, the branch says what it said.

        Args:
            name: of the branch.
            image: (B, 3, H, W), pictures by which it is scaled.
            au: (B, K), 0 to 5, theirs.
        """
        branch = cast(MotionBranch, self.patches[name])
        box = self.regions[name]
        nn.init.zeros_(branch.heads.weight)
        keep_variance(branch.fine)
        seen: list[Tensor] = []
        hook = branch.fine.register_forward_pre_hook(lambda _, given: seen.append(given[0]))
        branch(image[:, :, box.rows, box.columns], self.steer(au / MAX_INTENSITY))
        hook.remove()
        branch.fine.weight /= seen[0].float().square().mean().sqrt().clamp(min=1e-3)

    def forward(self, image: Tensor, au: Tensor) -> MotionFields:
        """What becomes of a picture.

        Args:
            image: (B, 3, H, W) in [-1, 1].
            au: (B, K), 0 to 5.
        """
        return self.read(image, au)[0]

    def read(self, image: Tensor, au: Tensor) -> tuple[MotionFields, SkinReading]:
        """What becomes of a picture, and what its light was looked up by."""
        z = self.steer(au / MAX_INTENSITY)
        half = F.avg_pool2d(image.float(), 2)
        raw, deep = self.face(half, z)
        raw = enlarged(raw)
        raw = torch.cat([2 * raw[:, :2], raw[:, 2:]], dim=1)  # displacements in this grid's pixels
        if self.uses_regions:
            raw = self._corrected(raw, image, half, z)
        skin = SkinReading(_skin_base(raw) + raw[:, 2:4], self._units(deep))
        return limited(raw, self._shade(skin, au)), skin

    def _corrected(self, face: Tensor, image: Tensor, half: Tensor, z: Tensor) -> Tensor:
        """The global branch's raw fields with what the local ones and the Refiner make of them."""
        stitched = torch.zeros_like(face)
        covered = torch.zeros_like(face[:, :1])
        for name, feather in zip(self.regions, self.feather, strict=True):
            box = self.regions[name]
            patch, _ = self.patches[name](image[:, :, box.rows, box.columns], z)
            rows = slice(box.top // 2, (box.top + box.height) // 2)
            columns = slice(box.left // 2, (box.left + box.width) // 2)
            below, right = face.shape[2] - rows.stop, face.shape[3] - columns.stop
            laid = F.pad(patch, (columns.start, right, rows.start, below))
            stitched = stitched + feather * (laid - stitched)
            covered = torch.maximum(covered, feather.expand_as(covered))
        seen = torch.cat([stitched, face], dim=1)
        change: Tensor = self.refiner(torch.cat([seen * self.shown, half, covered], dim=1), z)
        return face + stitched + change

    def _units(self, deep: Tensor) -> Tensor:
        """The picture's own units from the deepest features, (B, K)."""
        cells = F.avg_pool2d(F.relu(deep), deep.shape[2] // self.cells)
        read: Tensor = self.reader(cells.flatten(1).to(self.reader.weight.dtype))
        return read.float()

    def _shade(self, skin: SkinReading, au: Tensor) -> Tensor:
        """The light of what is gained, (B, 1, h, w)."""
        gained = au.float() - skin.units.clamp(0.0, float(MAX_INTENSITY))
        gained = gained - gained.clamp(-UNSURE, UNSURE)
        # Not a product of matrices: TensorRT for RTX 1.7 crashes when it compiles this one.
        light = (gained[:, :, None, None] * self.folds).sum(dim=1, keepdim=True)
        grid = skin.places.permute(0, 2, 3, 1)
        # The pictures' rims are 0, so that what lies beyond them is not lit either.
        shade = F.grid_sample(
            light, grid, mode="bilinear", padding_mode="border", align_corners=False
        )
        return shade.clamp(-SHADE_LIMIT, SHADE_LIMIT)


def _skin_base(like: Tensor) -> Tensor:
    """Where pixels of a grid lie on an average skin, (1, 2, h, w)."""
    height, width = like.shape[2:]
    across = SKIN_STEP[0] * places(width, like) + SKIN_MIDDLE[0]
    down = SKIN_STEP[1] * places(height, like) + SKIN_MIDDLE[1]
    return torch.stack([across[None].expand(height, width), down[:, None].expand(height, width)])[
        None
    ]


def limited(raw: Tensor, shade: Tensor) -> MotionFields:
    """Fields from a network's raw channels, and the shade."""
    mouth = torch.sigmoid(raw[:, 6:7])
    along = raw[:, 4:5].clamp(-0.6, 0.6)
    down = raw[:, 5:6].clamp(-DEPTH / 2, DEPTH / 2)
    alpha = torch.sigmoid(raw[:, 10:])
    colour = torch.tanh(raw[:, 7:10])
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
