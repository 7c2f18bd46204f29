"""Names of numpy's array types, for the whole tree. Shapes and ranges stand where they are used."""

from typing import Any

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[Any]
Bytes = npt.NDArray[np.uint8]
FloatArray = npt.NDArray[np.float32]
Values = npt.NDArray[np.float64]
Places = npt.NDArray[np.complex64]
