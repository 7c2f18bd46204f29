"""A moved face in its picture, at the picture's own size and depth.

What the networks say on a coarse grid is done here to the picture's own pixels, once: two remaps
and two blends. All fields fade with the paste's mask. Where they are below what can be seen, the
pixel is the input's, bit for bit.
"""

from collections.abc import Callable

import cv2
import numpy as np
import numpy.typing as npt

from efgan_rt.faces.align import Similarity
from efgan_rt.faces.exposure import exposure_of, to_network
from efgan_rt.faces.fading import faded
from efgan_rt.faces.motion import (
    CHEEK_SIDE,
    CHEEKS,
    CORNER_LIGHT,
    CORNER_SHARE,
    EDGE_DEPTH,
    EDGE_LIGHT,
    EDGE_STEEPNESS,
    EYES_END,
    EYES_MIDDLE,
    EYES_SHARE,
    LEAST_MOVED,
    LEAST_SHARE,
    LID_LIGHT,
    MOUTH,
    MOVED,
    PAINT,
    SHADE_LIMIT,
    SHADED,
    TINT,
    TONES,
    Motion,
)
from efgan_rt.faces.mouths import DEPTH, EYE_DEPTH, GAMMA, encoded, linear
from efgan_rt.faces.occlusion import closed
from efgan_rt.faces.region import per_channel, sampled, stored, tiles, unit_of
from efgan_rt.pictures.original import Picture, Pixels
from engines.arrays import FloatArray, Places

# How much of what one picture pixel's blur takes from a drawn mouth is added to it. Smiles drawn by
# the set that ships have 0.81 of true ones' sharpness with it, 0.74 without (23 people).
SHARPENING = 0.9
# How bright the brightest twentieth of a mouth of the atlas may get, by the face's cheeks: teeth of
# somebody with dark skin would glare in a light face. What is drawn then has up to 1.35, as teeth
# in true smiles (9 people).
BRIGHTEST = 1.1


class MotionPaste:
    """A face's fields on their way into a region of its picture.

    Args:
        before: a copy of the region, uint8 or uint16, colour or grey.
        to_region: from the crop's pixels to the region's.
        crop: uint8 (crop, crop, 3), as the networks saw it.
        motion: what they said.
        mask: float32 (h, w), how much counts, on the grid of the fields as they were said.

    Attributes:
        before: as given.
        unit: the region's steps for a level of 8 bits.
        to_region: as given.
        turn: of `to_region`, its scale in it.
        to_crop: from the region's pixels to the crop's.
        coarse: pixels of the crop for one of the grid.
        moved, shade, mouth, paint: float32 (h, w, 2, 1, 3, 4), the fields as they are applied.
        active: bool (h, w), where anything is done.
        exposure: what the networks saw the crop by; None as it is.
        is_drawn: whether there is a mouth; then
        light: float32 (rows, columns, 3), its linear light, with that of eyes below,
        mouth_rows: how many are the mouth's, and
        gain: float32 (3,), that they are drawn with.
    """

    def __init__(
        self,
        before: Pixels,
        to_region: Similarity,
        crop: Picture,
        motion: Motion,
        mask: FloatArray,
    ) -> None:
        self.before = before
        self.unit = unit_of(before)
        self.turn = np.complex64(to_region.turn)
        self.to_crop = to_region.inverse
        fields = np.array(motion.fields, np.float32)
        fields[..., 2] = faded(fields, crop)
        fields = closed(fields, crop)
        self.coarse = len(crop) / len(fields)
        if len(mask) != len(fields):
            mask = np.asarray(cv2.resize(mask, fields.shape[:2]), np.float32)
        fields *= mask[..., np.newaxis]
        moved = np.hypot(fields[..., 0], fields[..., 1]) * self.coarse
        fields[moved < LEAST_MOVED, MOVED] = 0
        fields[np.abs(fields[..., 2]) < LEAST_SHARE, SHADED] = 0
        fields[fields[..., 5] < LEAST_SHARE, MOUTH] = 0
        fields[fields[..., 9] < LEAST_SHARE, PAINT] = 0
        self.exposure = exposure_of(crop)
        self.moved = np.ascontiguousarray(fields[..., MOVED] * self.coarse)
        self.shade = np.ascontiguousarray(fields[..., 2])
        self.mouth = np.ascontiguousarray(fields[..., MOUTH])
        self.paint = np.ascontiguousarray(fields[..., PAINT])
        still = (fields == 0).all(axis=-1)
        self.active = cv2.dilate((~still).astype(np.uint8), np.ones((3, 3), np.uint8)) > 0
        self.to_region = to_region
        self.is_drawn = bool(self.mouth[..., 2].any())
        self.light, self.gain = np.zeros((1, 1, 3), np.float32), np.zeros(3, np.float32)
        self.mouth_rows = motion.mouths.rows if self.is_drawn else 1
        if self.is_drawn:
            self.light, self.gain = _lit_mouth(crop, motion, to_region.scale)

    def into_region(self, region: Pixels) -> None:
        """Puts the edit into the region itself, of which `before` is a copy."""
        rows, columns = self.reach()
        reached = region[: rows.stop, : columns.stop]
        for tile, here in tiles(reached, rows.start, columns.start):
            self.into(tile, here)

    def reach(self) -> tuple[slice, slice]:
        """The region's rows and columns in which anything is done; it may lie beyond its edges."""
        rows, columns = (np.flatnonzero(self.active.any(axis=axis)) for axis in (1, 0))
        if not len(rows):
            return slice(0, 0), slice(0, 0)
        places = [(x, y) for x in columns[[0, -1]] + (-1, 1) for y in rows[[0, -1]] + (-1, 1)]
        crop = (np.array(places, np.float32) + 0.5) * self.coarse - 0.5
        seen = self.to_region.apply(crop)
        (left, top), (right, bottom) = np.floor(seen.min(axis=0)), np.ceil(seen.max(axis=0)) + 1
        return (
            slice(max(0, int(top)), max(0, int(bottom))),
            slice(max(0, int(left)), max(0, int(right))),
        )

    def into(self, tile: Pixels, here: Places) -> None:
        """Puts the edit into a tile of the region.

        Args:
            tile: changed in place.
            here: its pixels' places in the region, x + iy.
        """
        places = (here * self.to_crop.turn + self.to_crop.shift).astype(np.complex64)
        coarse = ((places + 0.5 + 0.5j) / self.coarse - (0.5 + 0.5j)).astype(np.complex64)
        active = self._is_active(coarse)
        if not active.any():
            return
        moved = sampled(self.moved, coarse, cv2.INTER_CUBIC)
        away = (moved[..., 0] + 1j * moved[..., 1]).astype(np.complex64)
        values = sampled(self.before, here + away * self.turn, cv2.INTER_LANCZOS4)
        values = values.astype(np.float32) / self.unit
        shade = np.clip(sampled(self.shade, coarse), -SHADE_LIMIT, SHADE_LIMIT)
        values = values * per_channel(np.exp(shade), values)
        if self.is_drawn:
            values = self._with_mouth(values, coarse)
        if self.paint[..., 3].any():
            paint = sampled(self.paint, coarse)
            colour = 127.5 * (paint[..., :3] + paint[..., 3:])
            if self.exposure is not None:
                alpha = np.maximum(paint[..., 3:], LEAST_SHARE)
                colour = self._own_light(np.asarray(colour / alpha, np.float32)) * paint[..., 3:]
            colour = _like(colour, values)
            values = colour + (1 - per_channel(paint[..., 3], values)) * values
        changed = per_channel(active, tile)
        np.copyto(
            tile, stored(values * self.unit, tile), where=np.broadcast_to(changed, tile.shape)
        )

    def _with_mouth(self, values: FloatArray, coarse: Places) -> FloatArray:
        mouth = sampled(self.mouth, coarse)
        alpha = mouth[..., 2]
        inside = alpha > LEAST_SHARE
        if not inside.any():
            return values
        place = mouth[..., :2] / np.maximum(alpha, 1e-3)[..., np.newaxis]
        along, down = place[..., 0], place[..., 1] + DEPTH / 2
        rows, columns = self.light.shape[:2]
        column = (along + 0.5) * columns - 0.5
        row = np.clip(down / DEPTH * self.mouth_rows - 0.5, 0, self.mouth_rows - 1)
        upper = EDGE_LIGHT + (1 - EDGE_LIGHT) * np.clip(down / EDGE_DEPTH, 0, 1)
        corner = np.clip((0.5 - np.abs(along)) / CORNER_SHARE, 0, 1)
        falling = upper * (CORNER_LIGHT + (1 - CORNER_LIGHT) * corner)
        if rows > self.mouth_rows:
            side = len(self.active)
            is_eye = coarse.imag + 0.5 < EYES_END * side
            each = (rows - self.mouth_rows) // 2
            first = self.mouth_rows + each * (coarse.real + 0.5 >= EYES_MIDDLE * side)
            within = np.clip((place[..., 1] / EYE_DEPTH + 0.5) * each - 0.5, 0, each - 1)
            row = np.where(is_eye, first + within, row)
            lid = LID_LIGHT + (1 - LID_LIGHT) * np.clip(2 * alpha - 1, 0, 1)
            falling = np.where(is_eye, lid, falling)
        light = sampled(self.light, (column + 1j * row).astype(np.complex64))
        lit = light * self.gain * falling[..., np.newaxis].astype(np.float32)
        levels = _like(self._own_light(encoded(np.asarray(lit, np.float32))), values)
        steep = np.clip((alpha - 0.5) * EDGE_STEEPNESS + 0.5, 0, 1)
        share = per_channel(np.where(alpha < 0.5 / EDGE_STEEPNESS, 0, steep), values)
        return np.asarray(share * levels + (1 - share) * values, np.float32)

    def _own_light(self, levels: FloatArray) -> FloatArray:
        """What is drawn as the networks saw the face, in the light of the picture."""
        return levels if self.exposure is None else self.exposure.back(levels)

    def _is_active(self, coarse: Places) -> npt.NDArray[np.bool_]:
        last = len(self.active) - 1
        rows = np.clip(np.rint(coarse.imag), 0, last).astype(np.intp)
        columns = np.clip(np.rint(coarse.real), 0, last).astype(np.intp)
        return np.asarray(self.active[rows, columns])


def cheek_light(crop: Picture) -> FloatArray:
    """The light on a face's cheeks in linear light, float32 (3,)."""
    side = len(crop)
    half = max(1, round(CHEEK_SIDE * side / 2))
    found = []
    for down, across in CHEEKS:
        row, column = round(down * side), round(across * side)
        found.append(crop[row - half : row + half, column - half : column + half].reshape(-1, 3))
    return np.asarray(linear(np.concatenate(found)).mean(axis=0), np.float32)


def _lit_mouth(crop: Picture, motion: Motion, scale: float) -> tuple[FloatArray, FloatArray]:
    """The chosen mouth in linear light, as sharp as it can be drawn, and its gain."""
    pixels = linear(motion.mouths.pixels[motion.mouth])
    rows = motion.mouths.rows
    drawn = EYES_SHARE * len(crop) * scale * DEPTH / rows  # picture pixels a row of the atlas
    blur = 1 / max(drawn, 0.02)
    if drawn < 1:
        pixels = np.asarray(cv2.GaussianBlur(pixels, (0, 0), blur / 2), np.float32)
    mouth = encoded(pixels[:rows])
    soft = cv2.GaussianBlur(mouth, (0, 0), blur, borderType=cv2.BORDER_REPLICATE)
    pixels[:rows] = linear(np.clip(mouth + SHARPENING * (mouth - soft), 0, 255))
    gain = cheek_light(to_network(crop)) / motion.mouths.skin[motion.mouth]
    gain = np.clip(TINT * gain + (1 - TINT) * gain.mean(), *TONES)
    least = encoded(pixels[:rows] * gain.astype(np.float32)).min(axis=-1)
    most = BRIGHTEST * encoded(cheek_light(to_network(crop))).mean()
    gain *= min(1.0, most / max(1.0, float(np.percentile(least, 95)))) ** GAMMA
    return np.asarray(pixels, np.float32), np.asarray(gain, np.float32)


def _like(colour: FloatArray, values: FloatArray) -> FloatArray:
    """Colour (…, 3) as it is, or its luma where the picture is grey."""
    if values.ndim == colour.ndim:
        return colour
    return np.asarray(colour @ np.array([0.299, 0.587, 0.114], np.float32), np.float32)


Move = Callable[[MotionPaste, Pixels], None]
"""Puts a face's edit into its region: `MotionPaste.into_region`, or what does the same on a GPU."""
