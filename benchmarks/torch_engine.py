"""PyTorch as a device engine.

The engine puts PyTorch's networks in the place of ONNX Runtime's or TensorRT's: on a lane's own
stream, over the lane's own buffers. So lanes, streams, events and buffers are measured with a
runtime whose results are known, and PyTorch is measured with everything that the others get.
"""

import copy
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, replace
from typing import Final

import torch
from torch import Tensor, nn

from benchmarks.host_cuda import bytes_at
from engines import binding
from engines.base import TensorSpec
from engines.cuda_memory import DeviceMemory, Stream
from engines.device import check_buffers
from export.networks import ExportedNetwork, exported_networks
from train.families.cascade.exported import AUEstimator, FirstStage
from train.families.cascade.networks.inference import InferenceNetworks

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
        found[name] = ExportedNetwork(name, module, inputs, outputs, network.step)
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
