"""What the papers report, word for word: for comparison of orders of size, never of models.

Every figure was measured on other pictures, by other judges and features, than those of a run here.
So they stand in rows of their own, named with their data, and enter no mean, no difference and no
chart.

Sources: Cascade EF-GAN, CVPR 2020, Tables 1 and 2 (its figures of StarGAN and GANimation are its
authors' own runs); EET, arXiv 2020, Tables II to VI, annotated by OpenFace where it says so;
ECGAN, Table 2.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

CASCADE_1: Final = "Cascade EF-GAN, Table 1"
CASCADE_2: Final = "Cascade EF-GAN, Table 2"
EET_3: Final = "EET, Table III, OpenFace"
EET_4: Final = "EET, Table IV, OpenFace"
EET_5_VGG: Final = "EET, Table V, VGG-Face"
EET_5_LIGHT: Final = "EET, Table V, LightCNN"
EET_6_VGG: Final = "EET, Table VI, VGG-Face"
EET_6_LIGHT: Final = "EET, Table VI, LightCNN"
ECGAN_2: Final = "ECGAN, Table 2"


@dataclass(frozen=True)
class Published:
    """A method's figures on a data set, as a table of a paper has them.

    Shares are in percent, as printed there. A figure that the paper does not give is not in it.
    """

    method: str
    data: str
    source: str
    figures: Mapping[str, float]

    @property
    def label(self) -> str:
        """How its row is named."""
        return f"{self.method} on {self.data}"


def _rows(
    source: str, data: str, names: Sequence[str], rows: Mapping[str, Sequence[float]]
) -> tuple[Published, ...]:
    """A table's part about a data set: the columns' names, and figures by method."""
    return tuple(
        Published(method, data, source, dict(zip(names, row, strict=True)))
        for method, row in rows.items()
    )


ACCURACY: Final = (
    *_rows(CASCADE_1, "RaFD", ("R", "G", "R+G"), {
        "StarGAN": (92.21, 82.37, 88.48),
        "GANimation": (92.21, 84.36, 92.31),
        "Cascade EF-GAN": (92.21, 89.38, 93.67),
    }),
    *_rows(CASCADE_1, "CFEE", ("R", "G", "R+G"), {
        "StarGAN": (88.23, 77.80, 81.87),
        "GANimation": (88.23, 79.46, 84.42),
        "Cascade EF-GAN": (88.23, 85.81, 89.25),
    }),
)  # fmt: skip

PICTURES: Final = (
    *_rows(CASCADE_2, "RaFD", ("PSNR", "FID"), {
        "StarGAN": (19.82, 62.51), "GANimation": (22.06, 45.55), "Cascade EF-GAN": (23.07, 42.36),
    }),
    *_rows(CASCADE_2, "CFEE", ("PSNR", "FID"), {
        "StarGAN": (20.11, 42.39), "GANimation": (20.43, 29.07), "Cascade EF-GAN": (21.34, 27.15),
    }),
)  # fmt: skip

# Trained on -> asked about, in ECGAN's words "original" is real and "generated" an edit.
VGG_SCORE: Final = _rows(ECGAN_2, "ECGAN's sets", ("R", "R+G", "G"), {
    "CycleGAN": (74.77, 76.41, 77.78),
    "Pix2pix": (74.77, 82.63, 83.24),
    "ECGAN": (74.77, 78.13, 80.32),
})  # fmt: skip

UNITS: Final = tuple(f"AU{number:02d}" for number in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26))


AVERAGE_FIRST: Final = ("average", *UNITS)

ICC: Final = (
    *_rows(EET_3, "DISFA", AVERAGE_FIRST, {
        "GANimation":
            (0.48, 0.38, 0.41, 0.60, 0.33, 0.58, 0.39, 0.78, 0.42, 0.43, 0.23, 0.76, 0.39),
        "EET": (0.50, 0.35, 0.33, 0.63, 0.48, 0.62, 0.43, 0.82, 0.33, 0.49, 0.25, 0.81, 0.51),
    }),
    *_rows(EET_4, "RaFD", AVERAGE_FIRST, {
        "StarGAN": (0.28, 0.33, 0.31, 0.29, 0.43, 0.22, 0.35, 0.42, 0.17, 0.20, 0.17, 0.26, 0.23),
        "EET": (0.40, 0.45, 0.51, 0.36, 0.53, 0.39, 0.45, 0.45, 0.34, 0.42, 0.22, 0.45, 0.28),
    }),
)  # fmt: skip
MSE: Final = (
    *_rows(EET_3, "DISFA", AVERAGE_FIRST, {
        "GANimation":
            (0.51, 0.68, 0.69, 0.79, 0.37, 0.45, 0.40, 0.41, 0.10, 0.42, 0.49, 0.79, 0.50),
        "EET": (0.49, 0.70, 0.82, 0.90, 0.13, 0.43, 0.37, 0.31, 0.14, 0.57, 0.62, 0.54, 0.36),
    }),
    *_rows(EET_4, "RaFD", AVERAGE_FIRST, {
        "StarGAN": (0.91, 1.23, 0.75, 1.35, 1.20, 0.81, 0.71, 1.04, 0.40, 0.42, 0.68, 1.68, 0.66),
        "EET": (0.87, 1.07, 0.61, 1.35, 1.13, 0.75, 0.69, 1.15, 0.52, 0.34, 0.70, 1.48, 0.67),
    }),
)  # fmt: skip

_TRUSTED: Final = ("accuracy", "TAR")
VERIFICATION: Final = (
    *_rows(EET_5_VGG, "DISFA", _TRUSTED, {
        "GANimation": (94.92, 86.06), "EET": (94.65, 88.32), "Real": (97.17, 95.26),
    }),
    *_rows(EET_5_LIGHT, "DISFA", _TRUSTED, {
        "GANimation": (96.95, 90.80), "EET": (96.84, 94.93), "Real": (100.00, 100.00),
    }),
    *_rows(EET_6_VGG, "RaFD", _TRUSTED, {
        "StarGAN": (93.73, 88.02), "EET": (95.62, 90.70), "Real": (97.21, 96.18),
    }),
    *_rows(EET_6_LIGHT, "RaFD", _TRUSTED, {
        "StarGAN": (96.27, 93.66), "EET": (97.13, 94.14), "Real": (98.70, 98.24),
    }),
)  # fmt: skip
