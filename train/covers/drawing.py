"""Covers drawn over portraits, each with the mask of what it covers.

Hands, masks, microphones, cups, phones, cloths, other people's heads and sunglasses are cover;
spectacles, shadows and glare are drawn too and are none. Shapes are procedural and placed by a
face's landmarks; what fills them is skin of other portraits, patches of them, or plain colours with
light and noise, so that neither colour nor an edge alone says what is a cover.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import cv2
import numpy as np
import numpy.typing as npt

Picture = npt.NDArray[np.uint8]
Mask = npt.NDArray[np.float32]
Points = npt.NDArray[np.float32]

SIDE: Final = 128
# Of MediaPipe's 478 landmarks.
OVAL: Final = [
    *(10, 338, 297, 332, 284, 251, 389, 356, 454, 323, 361, 288, 397, 365, 379, 378, 400, 377),
    *(152, 148, 176, 149, 150, 136, 172, 58, 132, 93, 234, 127, 162, 21, 54, 103, 67, 109),
]
LOWER_OVAL: Final = [*range(9, 28)]  # of the oval, from below an ear round the chin to the other
EYES: Final = ([33, 159, 133, 145], [362, 386, 263, 374])
MOUTH, CHIN, BRIDGE, NOSE, BROW = 13, 152, 6, 1, 9
CHEEKS: Final = (50, 280)


@dataclass(frozen=True, eq=False)
class Portrait:
    """A picture that covers are drawn over, or cut from.

    Attributes:
        pixels: uint8 RGB (SIDE, SIDE, 3).
        points: float32 (478, 2), its landmarks in pixels.
    """

    pixels: Picture
    points: Points


def face_mask(points: Points) -> Mask:
    """The inside of the face's oval, 0 or 1."""
    return _filled(points[OVAL])


def one_of(portraits: Sequence[Portrait], random: np.random.Generator) -> Portrait:
    """Any of them."""
    return portraits[int(random.integers(len(portraits)))]


def covered(
    portrait: Portrait, others: Sequence[Portrait], random: np.random.Generator
) -> tuple[Picture, Mask]:
    """A portrait with a cover over it, and what is covered, 0 or 1, float32 (SIDE, SIDE)."""
    draw = _COVERS[random.choice(len(_COVERS), p=_WEIGHTS)]
    colour, mask = draw(portrait, others, random)
    soft = cv2.GaussianBlur(mask, (0, 0), random.uniform(0.4, 1.1))[..., np.newaxis]
    shadow = 1 - random.uniform(0, 0.4) * cv2.GaussianBlur(mask, (0, 0), 4)[..., np.newaxis]
    under = portrait.pixels * np.where(random.random() < 0.6, shadow, 1)
    joined = soft * colour + (1 - soft) * under
    return np.clip(joined, 0, 255).astype(np.uint8), (mask > 0.5).astype(np.float32)


def bothered(portrait: Portrait, random: np.random.Generator) -> Picture:
    """A free face with what must not be taken for a cover: spectacles, a shadow, glare."""
    pixels = portrait.pixels.astype(np.float32)
    kind = random.random()
    if kind < 0.35:
        pixels = _spectacles(pixels, portrait.points, random)
    elif kind < 0.55:
        pixels = _half_lit(pixels, random)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def _hand(
    portrait: Portrait, others: Sequence[Portrait], random: np.random.Generator
) -> tuple[Mask, Mask]:
    """Some fingers, with or without a palm, over mouth, cheek, chin or eyes."""
    points = portrait.points
    at = points[random.choice([MOUTH, MOUTH, CHIN, *CHEEKS, NOSE])] + random.normal(0, 6, 2)
    scale = float(np.ptp(points[OVAL, 0])) / 80
    way = random.uniform(0, 2 * np.pi)
    along = np.array([np.cos(way), np.sin(way)])
    across = np.array([-along[1], along[0]])
    mask = np.zeros((SIDE, SIDE), np.float32)
    height = np.zeros_like(mask)
    count = random.integers(1, 5)
    width = random.uniform(8, 13) * scale
    for finger in range(count):
        shift = (finger - (count - 1) / 2) * width * random.uniform(1.0, 1.25)
        tip = at + across * shift + along * random.uniform(-6, 12) * scale
        root = tip - along * random.uniform(30, 60) * scale + across * random.normal(0, 4)
        one = _capsule(tip, root, width * random.uniform(0.85, 1.1))
        rounded = np.sqrt(np.clip(cv2.distanceTransform(_bytes(one), cv2.DIST_L2, 3) / width, 0, 1))
        height = np.where(one > 0, np.maximum(height, rounded.astype(np.float32)), height)
        mask = np.maximum(mask, one)
    if random.random() < 0.5:
        palm = at - along * random.uniform(38, 60) * scale
        radius = random.uniform(20, 32) * scale
        one = _ellipse(palm, (radius, radius * random.uniform(0.8, 1.2)), way)
        mask, height = np.maximum(mask, one), np.where(one > 0, np.maximum(height, 0.8), height)
    own = random.random() < 0.6
    skin = _skin(portrait if own else one_of(others, random), random)
    light = 0.62 + 0.45 * height
    tone = random.uniform(0.75, 1.2)
    return _textured(skin * tone, light, random), mask


def _mask(
    portrait: Portrait, others: Sequence[Portrait], random: np.random.Generator
) -> tuple[Mask, Mask]:
    """A mask over nose and mouth, or a scarf; plain, or of a patch of another picture."""
    points = portrait.points
    lower = points[OVAL][LOWER_OVAL]
    top = points[[BRIDGE, NOSE, MOUTH][random.choice(3, p=[0.6, 0.3, 0.1])]]
    outline = np.concatenate([[(lower[0] + lower[1]) / 2, *lower[1:-1]], [top]])
    outline = outline + random.normal(0, 1.0, outline.shape)
    if random.random() < 0.25:  # a scarf goes down to the neck
        outline = np.concatenate([lower[[0]], [[SIDE, SIDE]], [[0, SIDE]], lower[[-1]], [top]])
    mask = _filled(outline.astype(np.float32))
    return _cloth(others, random), mask


def _object(
    portrait: Portrait, others: Sequence[Portrait], random: np.random.Generator
) -> tuple[Mask, Mask]:
    """A cup, a phone, a card, a ball, a branch: an ellipse, a box or a blob somewhere."""
    points = portrait.points
    at = points[random.choice([MOUTH, CHIN, *CHEEKS, NOSE, BROW, EYES[0][0], EYES[1][2]])]
    at = at + random.normal(0, 8, 2)
    size = random.uniform(9, 34, 2) * float(np.ptp(points[OVAL, 0])) / 80
    way = random.uniform(0, np.pi)
    kind = random.random()
    if kind < 0.35:
        mask = _ellipse(at, (size[0], size[1]), way)
    elif kind < 0.75:
        box = cv2.boxPoints((tuple(map(float, at)), tuple(map(float, 2 * size)), np.degrees(way)))
        mask = _filled(np.asarray(box, np.float32))
    else:
        turns = np.sort(random.uniform(0, 2 * np.pi, random.integers(5, 11)))
        reach = size.max() * random.uniform(0.6, 1.2, len(turns))
        blob = at + np.stack([np.cos(turns), np.sin(turns)], 1) * reach[:, np.newaxis]
        mask = _filled(blob.astype(np.float32))
    return _cloth(others, random), mask


def _microphone(
    portrait: Portrait, others: Sequence[Portrait], random: np.random.Generator
) -> tuple[Mask, Mask]:
    """A dark ball before mouth or chin, on a stick."""
    at = portrait.points[random.choice([MOUTH, CHIN])] + random.normal(0, 5, 2)
    radius = random.uniform(8, 17)
    away = at + np.array([random.normal(0, 25), random.uniform(30, 90)])
    ball = _ellipse(at, (radius, radius * random.uniform(1.0, 1.4)), random.uniform(-0.4, 0.4))
    stick = _capsule(at, away, radius * random.uniform(0.7, 1.3))
    shade = random.uniform(15, 90)
    colour = np.full((SIDE, SIDE, 3), shade, np.float32) + random.normal(0, 12, 3)
    rows, columns = np.mgrid[:SIDE, :SIDE]
    mesh = np.where((rows + columns) % random.integers(2, 5) == 0, 1.35, 0.9)
    glint = np.exp(-((columns - at[0] + radius / 3) ** 2 + (rows - at[1] + radius / 3) ** 2) / 90)
    drawn = colour * mesh[..., np.newaxis] + 70 * glint[..., np.newaxis]
    return drawn.astype(np.float32), np.maximum(ball, stick)


def _head(
    portrait: Portrait, others: Sequence[Portrait], random: np.random.Generator
) -> tuple[Mask, Mask]:
    """Another person's head before a part of the face."""
    other = one_of(others, random)
    scale, turn = random.uniform(0.8, 1.4), random.normal(0, 8)
    side = random.choice([-1, 1])
    centre = (SIDE / 2, SIDE / 2)
    matrix = np.asarray(cv2.getRotationMatrix2D(centre, turn, scale), np.float64)
    matrix[:, 2] += np.array([side * random.uniform(38, 70), random.normal(0, 18)])
    ring = _filled(other.points[OVAL])
    hair = cv2.dilate(ring, np.ones((9, 9), np.uint8))
    pixels = cv2.warpAffine(other.pixels, matrix, (SIDE, SIDE), borderMode=cv2.BORDER_REPLICATE)
    mask = cv2.warpAffine(hair, matrix, (SIDE, SIDE))
    return pixels.astype(np.float32), mask.astype(np.float32)


def _sunglasses(
    portrait: Portrait, others: Sequence[Portrait], random: np.random.Generator
) -> tuple[Mask, Mask]:
    """Two dark lenses, with a glint and the bridge between them."""
    mask, _ = _lenses(portrait.points, random, wide=random.uniform(1.5, 2.1))
    shade = random.uniform(5, 75) + random.normal(0, 6, 3)
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE
    way = random.normal(0, 60, 2)
    colour = shade + ((rows - 0.4) * way[0] + (columns - 0.5) * way[1])[..., np.newaxis]
    through = random.uniform(0, 0.2)
    drawn = (1 - through) * colour + through * portrait.pixels
    return np.clip(drawn, 0, 255).astype(np.float32), mask


def _spectacles(pixels: Mask, points: Points, random: np.random.Generator) -> Mask:
    mask, outlines = _lenses(points, random, wide=random.uniform(1.5, 2.0))
    glare = random.uniform(0, 0.18) * mask[..., np.newaxis]
    pixels = pixels * (1 - glare) + random.uniform(120, 255) * glare
    drawn = np.ascontiguousarray(pixels.astype(np.uint8))
    colour = tuple(float(each) for each in random.uniform(0, 140) + random.normal(0, 15, 3))
    cv2.polylines(drawn, outlines, True, colour, int(random.integers(1, 4)), cv2.LINE_AA)
    left, right = (points[eye].mean(axis=0) for eye in EYES)
    one, other = (tuple(map(int, left + (right - left) * share)) for share in (1 / 3, 2 / 3))
    cv2.line(drawn, one, other, colour, 1, cv2.LINE_AA)
    return drawn.astype(np.float32)


def _lenses(
    points: Points, random: np.random.Generator, wide: float
) -> tuple[Mask, list[npt.NDArray[np.int32]]]:
    mask = np.zeros((SIDE, SIDE), np.float32)
    outlines = []
    tall, squared = random.uniform(0.6, 0.95), random.uniform(2, 5)
    apart = float(np.linalg.norm(points[EYES[0]].mean(axis=0) - points[EYES[1]].mean(axis=0)))
    for eye in EYES:
        centre = points[eye].mean(axis=0) + np.array([0, random.uniform(0, 3)])
        radius = apart * wide / 4.4
        turns = np.linspace(0, 2 * np.pi, 40, endpoint=False)
        across, down = np.cos(turns), np.sin(turns)
        shape = np.stack(
            [
                np.sign(across) * np.abs(across) ** (2 / squared),
                tall * np.sign(down) * np.abs(down) ** (2 / squared),
            ],
            1,
        )
        outline = (centre + radius * shape).astype(np.float32)
        outlines.append(np.rint(outline).astype(np.int32))
        mask = np.maximum(mask, _filled(outline))
    return mask, outlines


def _half_lit(pixels: Mask, random: np.random.Generator) -> Mask:
    """A shadow with a sharp or a soft edge over a part of the picture."""
    way, place = random.uniform(0, 2 * np.pi), random.normal(0, 25)
    rows, columns = np.mgrid[:SIDE, :SIDE] - SIDE / 2
    far = rows * np.sin(way) + columns * np.cos(way) - place
    share = 1 / (1 + np.exp(-far / random.uniform(0.7, 12)))
    return np.asarray(pixels * (1 - random.uniform(0.2, 0.7) * share[..., np.newaxis]), np.float32)


def _skin(portrait: Portrait, random: np.random.Generator) -> Mask:
    """Skin of a portrait over a whole picture: a patch of a cheek, mirrored on."""
    x, y = portrait.points[random.choice(CHEEKS)].astype(int)
    patch = portrait.pixels[max(y - 7, 0) : y + 7, max(x - 7, 0) : x + 7]
    if patch.size == 0:
        patch = np.full((8, 8, 3), (190, 140, 120), np.uint8)
    big = cv2.copyMakeBorder(
        patch, 0, SIDE - patch.shape[0], 0, SIDE - patch.shape[1], cv2.BORDER_REFLECT
    )
    return np.asarray(cv2.GaussianBlur(big, (0, 0), 1.2), np.float32)


def _cloth(others: Sequence[Portrait], random: np.random.Generator) -> Mask:
    """A plain colour or a part of another picture, with light and folds on it."""
    if random.random() < 0.5:
        plain = (
            random.uniform(0, 255, 3)
            if random.random() < 0.6
            else random.choice([[240, 240, 240], [150, 190, 215], [25, 25, 28], [235, 225, 205]])
        )
        colour = np.full((SIDE, SIDE, 3), plain, np.float32)
    else:
        other = one_of(others, random).pixels
        size = int(random.integers(12, 60))
        top, left = random.choice([0, SIDE - size]), random.choice([0, SIDE - size])
        part = other[top : top + size, left : left + size]
        colour = cv2.resize(part, (SIDE, SIDE), interpolation=cv2.INTER_LINEAR).astype(np.float32)
    folds = cv2.GaussianBlur(random.normal(0, 1, (SIDE, SIDE)), (0, 0), random.uniform(2, 14))
    light = 1 + random.uniform(0, 0.25) * folds / max(float(folds.std()), 1e-6)
    return _textured(colour, light.astype(np.float32), random)


def _textured(colour: Mask, light: Mask, random: np.random.Generator) -> Mask:
    rows, columns = np.mgrid[:SIDE, :SIDE].astype(np.float32) / SIDE - 0.5
    way = random.normal(0, 0.35, 2)
    slope = 1 + rows * way[0] + columns * way[1]
    noise = random.normal(0, random.uniform(0.5, 5), (SIDE, SIDE, 1))
    return np.asarray(colour * (light * slope)[..., np.newaxis] + noise, np.float32)


def _filled(outline: Points) -> Mask:
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    cv2.fillPoly(drawn, [np.rint(outline).astype(np.int32)], 1)
    return drawn.astype(np.float32)


def _capsule(one: npt.NDArray[np.float64], other: npt.NDArray[np.float64], width: float) -> Mask:
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    ends = [tuple(int(value) for value in np.rint(each)) for each in (one, other)]
    cv2.line(drawn, ends[0], ends[1], 1, max(1, round(width)))
    return drawn.astype(np.float32)


def _ellipse(at: npt.NDArray[np.float64], radii: tuple[float, float], way: float) -> Mask:
    drawn = np.zeros((SIDE, SIDE), np.uint8)
    centre = tuple(int(value) for value in np.rint(at))
    axes = tuple(max(1, round(radius)) for radius in radii)
    cv2.ellipse(drawn, centre, axes, float(np.degrees(way)), 0, 360, 1, -1)
    return drawn.astype(np.float32)


def _bytes(mask: Mask) -> Picture:
    return (mask > 0).astype(np.uint8)


Drawer = Callable[[Portrait, Sequence[Portrait], np.random.Generator], tuple[Mask, Mask]]
_COVERS: Final[tuple[Drawer, ...]] = (_hand, _mask, _object, _microphone, _head, _sunglasses)
_WEIGHTS: Final = (0.32, 0.17, 0.18, 0.11, 0.07, 0.15)
