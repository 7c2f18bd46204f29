"""Training in several processes under torchrun, such that the result is that of one process.

Every process draws the whole batch from the same generator and keeps its own rows, so the union of
what the processes see is what a single process would have seen, and the generator's state is the
same everywhere (one checkpoint resumes all). Gradients are averaged by one reduction an update
instead of by `DistributedDataParallel`, whose hooks allow for one forward and one backward, while a
critic update has a gradient penalty inside and the generator goes through its networks several
times. Outside torchrun every function here does nothing.
"""

import os
from collections.abc import Iterable, Mapping, Sequence

import torch
import torch.distributed as dist
from torch import Tensor, nn

from efgan_rt.errors import EfganError


def join(device: str) -> torch.device:
    """Joins the processes that torchrun started, if it did, and gives this one's device.

    Args:
        device: `cpu` (gloo) or `cuda` (nccl; each process takes the GPU of its local rank).

    Raises:
        EfganError: there are more processes than GPUs, or `cuda` is asked for and there is none.
    """
    if device == "cuda" and not torch.cuda.is_available():
        raise EfganError("device cuda: PyTorch finds no CUDA device; use --device cpu")
    if "WORLD_SIZE" not in os.environ:
        return torch.device(device)
    if device != "cuda":
        dist.init_process_group("gloo")
        return torch.device(device)
    local, gpus = int(os.environ["LOCAL_RANK"]), torch.cuda.device_count()
    if local >= gpus:
        raise EfganError(
            f"process {local} on this machine, which has {gpus} GPUs; "
            f"start torchrun with --nproc-per-node {gpus}"
        )
    own = torch.device("cuda", local)
    torch.cuda.set_device(own)
    dist.init_process_group("nccl", device_id=own)
    return own


def leave() -> None:
    """Ends the group that `join` made."""
    if dist.is_initialized():
        dist.destroy_process_group()


def process_count() -> int:
    """How many processes train together; 1 outside torchrun."""
    return dist.get_world_size() if dist.is_initialized() else 1


def is_first() -> bool:
    """True in the one process that writes files and shows progress."""
    return not dist.is_initialized() or dist.get_rank() == 0


def own_rows(count: int) -> slice:
    """This process's rows of a batch of `count`.

    Raises:
        EfganError: the batch cannot be shared out evenly.
    """
    processes = process_count()
    if processes == 1:
        return slice(0, count)
    if count % processes:
        raise EfganError(
            f"a batch of {count} cannot be shared out evenly among {processes} processes; "
            "choose a batch that is a multiple of their number"
        )
    share = count // processes
    return slice(dist.get_rank() * share, (dist.get_rank() + 1) * share)


def uniform(own_count: int, rng: torch.Generator) -> Tensor:
    """Numbers in [0, 1), one for each of this process's rows, drawn for all processes."""
    count = own_count * process_count()
    return torch.rand(count, generator=rng)[own_rows(count)]


def average_gradients(parameters: Iterable[nn.Parameter], loss: Tensor) -> Tensor:
    """Averages gradients in place, in one reduction; returns the averaged loss.

    A loss or gradient that is not finite in one process is so in all of them afterwards, so they
    stop together instead of waiting for one another.
    """
    if not dist.is_initialized():
        return loss
    gradients = [p.grad for p in parameters if p.grad is not None]
    together = torch.cat([loss.detach().reshape(1), *(g.reshape(-1) for g in gradients)])
    dist.all_reduce(together)
    together /= process_count()
    start = 1
    for gradient in gradients:
        end = start + gradient.numel()
        gradient.copy_(together[start:end].view_as(gradient))
        start = end
    return together[0]


def averaged(values: Mapping[str, float], device: torch.device) -> dict[str, float]:
    """Numbers for the log, averaged over the processes."""
    if not dist.is_initialized() or not values:
        return dict(values)
    together = torch.tensor(list(values.values()), dtype=torch.float64, device=device)
    dist.all_reduce(together)
    return dict(zip(values, (together / process_count()).tolist(), strict=True))


def alike(networks: Sequence[nn.Module]) -> None:
    """Gives every process the first one's weights and buffers."""
    if not dist.is_initialized():
        return
    with torch.no_grad():
        for network in networks:
            for value in (*network.parameters(), *network.buffers()):
                dist.broadcast(value.detach(), src=0)


def wait_for_all() -> None:
    """Returns when every process has come here: after the first one has written a file."""
    if dist.is_initialized():
        dist.barrier()
