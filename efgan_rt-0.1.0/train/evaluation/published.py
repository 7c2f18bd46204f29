"""What the papers report, word for word: for comparison of orders of size, never of models.

Every figure was measured on other pictures, by other judges and features, than those of a run here.
So they stand in rows of their own, named with their data, and enter no mean, no difference and no
chart.

Sources: Cascade EF-GAN, CVPR 2020, Tables 1 and 2 (its figures of StarGAN and GANimation are its
authors' own runs); EET, arXiv 2020, Tables II to VI, annotated by OpenFace where it says so;
ECGAN, Table 2.
"""

from collections.abc import Mapping
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


ACCURACY: Final = (
    Published("StarGAN", "RaFD", CASCADE_1, {"R": 92.21, "G": 82.37, "R+G": 88.48}),
    Published("GANimation", "RaFD", CASCADE_1, {"R": 92.21, "G": 84.36, "R+G": 92.31}),
    Published(
        "Cascade EF-GAN",
        "RaFD",
        CASCADE_1,
        {"R": 92.21, "G": 89.38, "R+G": 93.67},
    ),
    Published("StarGAN", "CFEE", CASCADE_1, {"R": 88.23, "G": 77.80, "R+G": 81.87}),
    Published("GANimation", "CFEE", CASCADE_1, {"R": 88.23, "G": 79.46, "R+G": 84.42}),
    Published(
        "Cascade EF-GAN",
        "CFEE",
        CASCADE_1,
        {"R": 88.23, "G": 85.81, "R+G": 89.25},
    ),
)

PICTURES: Final = (
    Published("StarGAN", "RaFD", CASCADE_2, {"PSNR": 19.82, "FID": 62.51}),
    Published("GANimation", "RaFD", CASCADE_2, {"PSNR": 22.06, "FID": 45.55}),
    Published("Cascade EF-GAN", "RaFD", CASCADE_2, {"PSNR": 23.07, "FID": 42.36}),
    Published("StarGAN", "CFEE", CASCADE_2, {"PSNR": 20.11, "FID": 42.39}),
    Published("GANimation", "CFEE", CASCADE_2, {"PSNR": 20.43, "FID": 29.07}),
    Published("Cascade EF-GAN", "CFEE", CASCADE_2, {"PSNR": 21.34, "FID": 27.15}),
)

# Trained on -> asked about, in ECGAN's words "original" is real and "generated" an edit.
VGG_SCORE: Final = (
    Published(
        "CycleGAN",
        "ECGAN's sets",
        ECGAN_2,
        {"R": 74.77, "R+G": 76.41, "G": 77.78},
    ),
    Published("Pix2pix", "ECGAN's sets", ECGAN_2, {"R": 74.77, "R+G": 82.63, "G": 83.24}),
    Published("ECGAN", "ECGAN's sets", ECGAN_2, {"R": 74.77, "R+G": 78.13, "G": 80.32}),
)

UNITS: Final = tuple(f"AU{number:02d}" for number in (1, 2, 4, 5, 6, 9, 12, 15, 17, 20, 25, 26))


def _by_unit(average: float, *values: float) -> dict[str, float]:
    return {**dict(zip(UNITS, values, strict=True)), "average": average}


ICC: Final = (
    Published(
        "GANimation", "DISFA", EET_3,
        _by_unit(0.48, 0.38, 0.41, 0.60, 0.33, 0.58, 0.39, 0.78, 0.42, 0.43, 0.23, 0.76, 0.39),
    ),
    Published(
        "EET", "DISFA", EET_3,
        _by_unit(0.50, 0.35, 0.33, 0.63, 0.48, 0.62, 0.43, 0.82, 0.33, 0.49, 0.25, 0.81, 0.51),
    ),
    Published(
        "StarGAN", "RaFD", EET_4,
        _by_unit(0.28, 0.33, 0.31, 0.29, 0.43, 0.22, 0.35, 0.42, 0.17, 0.20, 0.17, 0.26, 0.23),
    ),
    Published(
        "EET", "RaFD", EET_4,
        _by_unit(0.40, 0.45, 0.51, 0.36, 0.53, 0.39, 0.45, 0.45, 0.34, 0.42, 0.22, 0.45, 0.28),
    ),
)  # fmt: skip
MSE: Final = (
    Published(
        "GANimation", "DISFA", EET_3,
        _by_unit(0.51, 0.68, 0.69, 0.79, 0.37, 0.45, 0.40, 0.41, 0.10, 0.42, 0.49, 0.79, 0.50),
    ),
    Published(
        "EET", "DISFA", EET_3,
        _by_unit(0.49, 0.70, 0.82, 0.90, 0.13, 0.43, 0.37, 0.31, 0.14, 0.57, 0.62, 0.54, 0.36),
    ),
    Published(
        "StarGAN", "RaFD", EET_4,
        _by_unit(0.91, 1.23, 0.75, 1.35, 1.20, 0.81, 0.71, 1.04, 0.40, 0.42, 0.68, 1.68, 0.66),
    ),
    Published(
        "EET", "RaFD", EET_4,
        _by_unit(0.87, 1.07, 0.61, 1.35, 1.13, 0.75, 0.69, 1.15, 0.52, 0.34, 0.70, 1.48, 0.67),
    ),
)  # fmt: skip

VERIFICATION: Final = (
    Published("GANimation", "DISFA", EET_5_VGG, {"accuracy": 94.92, "TAR": 86.06}),
    Published("EET", "DISFA", EET_5_VGG, {"accuracy": 94.65, "TAR": 88.32}),
    Published("Real", "DISFA", EET_5_VGG, {"accuracy": 97.17, "TAR": 95.26}),
    Published("GANimation", "DISFA", EET_5_LIGHT, {"accuracy": 96.95, "TAR": 90.80}),
    Published("EET", "DISFA", EET_5_LIGHT, {"accuracy": 96.84, "TAR": 94.93}),
    Published("Real", "DISFA", EET_5_LIGHT, {"accuracy": 100.00, "TAR": 100.00}),
    Published("StarGAN", "RaFD", EET_6_VGG, {"accuracy": 93.73, "TAR": 88.02}),
    Published("EET", "RaFD", EET_6_VGG, {"accuracy": 95.62, "TAR": 90.70}),
    Published("Real", "RaFD", EET_6_VGG, {"accuracy": 97.21, "TAR": 96.18}),
    Published("StarGAN", "RaFD", EET_6_LIGHT, {"accuracy": 96.27, "TAR": 93.66}),
    Published("EET", "RaFD", EET_6_LIGHT, {"accuracy": 97.13, "TAR": 94.14}),
    Published("Real", "RaFD", EET_6_LIGHT, {"accuracy": 98.70, "TAR": 98.24}),
)
