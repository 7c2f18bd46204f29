"""What the tests of exports share; `tests/conftest.py` has the engines."""

import numpy as np
import numpy.typing as npt
import pytest

from export.calibration import bundled_faces


@pytest.fixture(scope="session")
def faces() -> npt.NDArray[np.uint8]:
    """Three of the package's faces."""
    return bundled_faces()[:3]
