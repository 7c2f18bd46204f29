"""PyTorch as a device engine, and as the loop that people write who have nothing else.

The engine puts PyTorch's networks in the place of ONNX Runtime's or TensorRT's: on a lane's own
stream, over the lane's own buffers. So lanes, streams, events and buffers are measured with a
runtime whose results are known, and PyTorch is measured with everything that the others get.

The loop is the opponent: networks called one after the other, one batch at a time.
"""

import copy
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Any, Final

import torch
from torch import Tensor, nn

from benchmarks.host_cuda import bytes_at
from efgan_rt.action_units import FloatArray
from efgan_rt.cascade_properties import AU_ESTIMATOR, INTERPOLATOR, stage_name
from efgan_rt.edited import ByteArray, Edited, even_progress
from engines import binding
from engines.base import TensorSpec
from engines.cuda_memory import DeviceMemory, Stream
from engines.device import check_buffers
from export.networks import AUEstimator, ExportedNetwork, FirstStage, exported_networks
from train.models.checkpoint import InferenceNetworks

ARITHMETIC: Final = {"fp32": torch.float32, "fp16": torch.float16, "bf16": torch.bfloat16}


@dataclass(frozen=True)
class TorchForm:
    """How PyTorch runs the networks."""

    precision: str = "fp32"
    """`fp32`, `fp16` or `bf16`: what the convolutions compute in."""
    compiled: bool = False
    """Through torch.compile."""
    channels_last: bool = False
    """Pictures lie in memory channel by channel of a pixel, as tensor cores like them."""

    @property
    def name(self) -> str:
        """For tables: `torch fp16 channels_last compiled`."""
        marks = [f"torch {self.precision}", "channels_last" * self.channels_last]
        return " ".join(filter(None, [*marks, "compiled" * self.compiled]))


def torch_networks(
    networks: InferenceNetworks, form: TorchForm, device: str
) -> dict[str, ExportedNetwork]:
    """The networks of an engine directory as PyTorch runs them; a copy, on the device.

    Pictures between bf16 stages are declared uint16, for numpy has no bfloat16.
    """
    twin = copy.deepcopy(networks)
    dtype = ARITHMETIC[form.precision]
    for part in (twin.cascade, twin.au_reader):
        for layer in part.modules():
            if isinstance(layer, nn.Conv2d | nn.ConvTranspose2d):
                layer.to(dtype)
    exported = exported_networks(twin, torch.float32 if form.precision == "fp32" else torch.float16)
    found = {}
    for name, network in exported.items():
        module = network.module.eval().to(device)
        if isinstance(module, AUEstimator | FirstStage):
            module.image_type = dtype
        if form.channels_last:
            module.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if form.compiled:
            module.compile(dynamic=False)
        inputs, outputs = network.inputs, network.outputs
        if form.precision == "bf16":
            inputs, outputs = _without_float16(inputs), _without_float16(outputs)
        found[name] = ExportedNetwork(name, module, inputs, outputs)
    return found


def _without_float16(specs: Sequence[TensorSpec]) -> tuple[TensorSpec, ...]:
    return tuple(replace(s, dtype="uint16") if s.dtype == "float16" else s for s in specs)


class TorchEngine:
    """One network in PyTorch on a lane's stream and buffers; an `engines.device.DeviceEngine`."""

    backend: str = "torch"
    scratch_bytes: int = 0
    capturable: bool = False

    def __init__(
        self, network: ExportedNetwork, form: TorchForm, *, batch: int, device: str
    ) -> None:
        """Takes a network that is on `device` ("cuda", or "cpu" for `HostCuda`)."""
        self.network = network.name
        self.precision = form.precision
        self.inputs = binding.at_batch(network.inputs, batch)
        self.outputs = binding.at_batch(network.outputs, batch)
        self._module = network.module
        self._device = device

    def bind(
        self, buffers: Mapping[str, DeviceMemory], scratch: DeviceMemory | None, stream: Stream
    ) -> "TorchContext":
        """See `engines.device.DeviceEngine.bind`; runs twice, so that compiling happens here."""
        check_buffers(self.network, (*self.inputs, *self.outputs), buffers)
        context = TorchContext(
            self._module,
            [tensor_over(buffers[spec.name], spec, self._device) for spec in self.inputs],
            [tensor_over(buffers[spec.name], spec, self._device) for spec in self.outputs],
            stream if self._device == "cuda" else None,
        )
        for _ in range(2):
            context.enqueue()
        stream.synchronize()
        return context


class TorchContext:
    """A network with tensors over a lane's buffers, which stay the lane's."""

    def __init__(
        self,
        module: nn.Module,
        inputs: Sequence[Tensor],
        outputs: Sequence[Tensor],
        stream: Stream | None,
    ) -> None:
        self._module = module
        self._inputs = inputs
        self._outputs = outputs
        self._stream = None if stream is None else torch.cuda.ExternalStream(stream.handle)

    @torch.inference_mode()
    def enqueue(self) -> None:
        """See `engines.device.DeviceContext.enqueue`."""
        with nullcontext() if self._stream is None else torch.cuda.stream(self._stream):
            given = self._module(*self._inputs)
            tensors = given if isinstance(given, tuple) else (given,)
            for buffer, tensor in zip(self._outputs, tensors, strict=True):
                buffer.copy_(tensor)


class _Addressed:
    """Device memory as other libraries take it: version 3 of the CUDA array interface."""

    def __init__(self, memory: DeviceMemory, spec: TensorSpec) -> None:
        self.__cuda_array_interface__ = {
            "shape": spec.resolve(),
            "typestr": spec.numpy_dtype.str,
            "data": (memory.address, False),
            "version": 3,
        }


def tensor_over(memory: DeviceMemory, spec: TensorSpec, device: str) -> Tensor:
    """A tensor in somebody else's memory; uint16 comes as bfloat16."""
    if spec.dtype == "uint16":
        halves = tensor_over(memory, replace(spec, dtype="float16"), device)
        return halves.view(torch.bfloat16)
    if device == "cuda":
        tensor: Tensor = torch.as_tensor(_Addressed(memory, spec), device=device)
        return tensor
    return torch.from_numpy(bytes_at(memory).view(spec.numpy_dtype).reshape(spec.resolve()))


class TorchLoop:
    """What people write: copy a batch up, call the networks, copy it back; a `BatchEditor`.

    Nothing overlaps but what PyTorch overlaps by itself. Uploads are from pinned memory.
    """

    def __init__(
        self, networks: Mapping[str, ExportedNetwork], stages: int, batch: int, device: str
    ) -> None:
        self._networks = {name: network.module for name, network in networks.items()}
        self._stages = stages
        self._device = device
        self._progress = even_progress(stages, batch)

    @torch.inference_mode()
    def run(
        self,
        pixels: ByteArray,
        scale: FloatArray,
        offset: FloatArray,
        *,
        source_au: FloatArray | None = None,
    ) -> Edited:
        """See `efgan_rt.pipeline.editor.BatchEditor.run`; the arrays are the caller's own."""
        clock = _Clock(self._device)
        up = [self._up(each) for each in (pixels, scale, offset, self._progress)]
        picture, source = up[0], None if source_au is None else self._up(source_au)
        clock.lap("upload")
        if source is None:
            source = self._networks[AU_ESTIMATOR](picture)
            clock.lap(AU_ESTIMATOR)
        stage_au = self._networks[INTERPOLATOR](source, *up[1:])
        clock.lap(INTERPOLATOR)
        image = picture
        for number in range(1, self._stages + 1):
            image, edited, attention = self._networks[stage_name(number)](
                image, stage_au[number - 1]
            )
            clock.lap(stage_name(number))
        down = [each.cpu().numpy() for each in (edited, source, stage_au, attention)]
        clock.lap("download")
        return Edited(down[0], down[1], down[2], down[3], clock.seconds())

    def _up(self, array: Any) -> Tensor:
        tensor = torch.from_numpy(array)
        if self._device == "cuda":
            tensor = tensor.pin_memory()
        return tensor.to(self._device, non_blocking=True)


class _Clock:
    """Times between laps: by events on a GPU, else by the clock."""

    def __init__(self, device: str) -> None:
        self._cuda = device == "cuda"
        self._laps = [("start", self._now())]

    def lap(self, name: str) -> None:
        """Ends the lap of that name."""
        self._laps.append((name, self._now()))

    def _now(self) -> Any:
        if not self._cuda:
            return time.perf_counter()
        event = torch.cuda.Event(enable_timing=True)
        event.record()
        return event

    def seconds(self) -> dict[str, float]:
        """Each lap's time; waits for the last."""
        if self._cuda:
            self._laps[-1][1].synchronize()
        found = {}
        for (_, before), (name, after) in zip(self._laps, self._laps[1:], strict=False):
            found[name] = before.elapsed_time(after) / 1e3 if self._cuda else after - before
        return found


@contextmanager
def full_fp32() -> Iterator[None]:
    """fp32 means fp32 inside: no TF32 in convolutions or products; and fixed shapes are tuned."""
    before = (torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark)
    torch.backends.cuda.matmul.allow_tf32 = False
    torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = False, True
    try:
        yield
    finally:
        torch.backends.cudnn.allow_tf32, torch.backends.cudnn.benchmark = before
