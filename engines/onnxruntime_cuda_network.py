"""A small network whose input may have any size, in ONNX Runtime's CUDA provider.

For what is asked of a picture before its faces have the networks' one size: a face detector. Its
input lies on the device already; its outputs come to the host, which has to decide by them, so a
run waits. Sizes differ from picture to picture, so nothing is bound ahead, and memory is taken as
they come.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Final

import numpy as np

from engines import runtimes
from engines.arrays import FloatArray
from engines.base import EngineError
from engines.cuda_graph import NO_CAPTURE
from engines.cuda_memory import Cuda, DeviceMemory, Stream
from engines.onnxruntime_cuda_engine import check_cuda_provider, cuda_session, provider_options
from engines.onnxruntime_device import FATAL_ONLY, runtime_error

PLACE: Final = "cuda"


class CudaNetwork:
    """One network of one float32 input, on one stream; for one thread at a time."""

    def __init__(
        self, file: Path, outputs: Sequence[str], *, cuda: Cuda, stream: Stream, device: int = 0
    ) -> None:
        """Makes the session.

        Args:
            file: the ONNX file.
            outputs: that are asked for.
            cuda: the device, for the messages.
            stream: where its input is written and it runs.
            device: number of the GPU, as CUDA counts.

        Raises:
            EngineError: the provider does not work here, or the file takes one size alone.
        """
        check_cuda_provider(device)
        ort = runtimes.import_onnxruntime()
        options = ort.SessionOptions()
        options.log_severity_level = FATAL_ONLY
        options.intra_op_num_threads = 1
        try:
            with NO_CAPTURE:
                self._session = cuda_session(
                    ort, file.read_bytes(), options, provider_options(device, stream)
                )
        except Exception as error:  # the runtime has an exception class for each status code
            raise runtime_error(f"ONNX Runtime cannot open {file.name}", error, cuda) from error
        (given,) = self._session.get_inputs()
        if any(isinstance(side, int) for side in given.shape[2:]):
            raise EngineError(f"{file.name} takes pictures of one size, expected any")
        self._cuda, self._name, self._device = cuda, file.name, device
        self._input, self._outputs = given.name, tuple(outputs)

    def run(self, pixels: DeviceMemory, shape: Sequence[int]) -> Mapping[str, FloatArray]:
        """Runs it once and waits.

        Args:
            pixels: float32, of the shape.
            shape: of the input.

        Raises:
            EngineError: the runtime refuses.
        """
        try:
            binding = self._session.io_binding()
            binding.bind_input(
                self._input, PLACE, self._device, np.float32, tuple(shape), pixels.address
            )
            for name in self._outputs:
                binding.bind_output(name)  # on the host
            self._session.run_with_iobinding(binding)
            found = binding.copy_outputs_to_cpu()
        except Exception as error:  # the runtime has an exception class for each status code
            raise runtime_error(
                f"ONNX Runtime cannot run {self._name}", error, self._cuda
            ) from error
        return dict(zip(self._outputs, found, strict=True))
