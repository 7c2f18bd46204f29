"""Which GPUs a run's workers get, as `nvidia-smi -L` names them.

A worker sees its GPU alone, by `CUDA_VISIBLE_DEVICES`, so inside it is number 0. Names are UUIDs:
numbers depend on who counts. Of a GPU that is divided (MIG) the parts are taken, never the whole,
which CUDA does not give.
"""

import re
import shutil
import subprocess
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

from efgan_rt.errors import EfganError

ALL: Final = "all"
TIMEOUT_S: Final = 30.0
_GPU: Final = re.compile(r"^GPU (\d+): (.+?) \(UUID: (GPU-[0-9a-fA-F-]+)\)\s*$")
_PART: Final = re.compile(r"^\s+MIG (.+?)\s+Device\s+(\d+): \(UUID: (MIG-[0-9a-zA-Z/-]+)\)\s*$")


@dataclass(frozen=True)
class ListedGpu:
    """A GPU of this machine.

    Attributes:
        number: as nvidia-smi counts.
        name: of its kind.
        uuid: its own.
        parts: UUIDs of its MIG devices.
    """

    number: int
    name: str
    uuid: str
    parts: tuple[str, ...] = ()

    @property
    def devices(self) -> tuple[str, ...]:
        """UUIDs that CUDA can be given."""
        return self.parts or (self.uuid,)


def listed(text: str) -> list[ListedGpu]:
    """The GPUs in what `nvidia-smi -L` prints."""
    found: list[ListedGpu] = []
    for line in text.splitlines():
        if whole := _GPU.match(line):
            found.append(ListedGpu(int(whole[1]), whole[2], whole[3]))
        elif (part := _PART.match(line)) and found:
            last = found[-1]
            found[-1] = ListedGpu(last.number, last.name, last.uuid, (*last.parts, part[3]))
    return found


def chosen(wish: str, gpus: Sequence[ListedGpu]) -> tuple[str, ...]:
    """UUIDs of the devices that `--gpus` asks for, in its order.

    Args:
        wish: `all`, or numbers and UUIDs (or beginnings of them) with commas between.
        gpus: those that there are.

    Raises:
        EfganError: there are none, or not those.
    """
    if not gpus:
        raise EfganError("--gpus: nvidia-smi lists no GPU here; leave it out to use the processor")
    there = ", ".join(f"{gpu.number} ({gpu.name})" for gpu in gpus)
    if wish == ALL:
        return tuple(device for gpu in gpus for device in gpu.devices)
    found: list[str] = []
    for each in filter(None, (part.strip() for part in wish.split(","))):
        if each.isdecimal():
            devices = [d for gpu in gpus if gpu.number == int(each) for d in gpu.devices]
        else:
            everyone = [d for gpu in gpus for d in gpu.devices]
            devices = [d for d in everyone if d.lower().startswith(each.lower())]
            if len(devices) > 1:
                raise EfganError(f"--gpus: '{each}' begins several UUIDs: {', '.join(devices)}")
        if not devices:
            raise EfganError(f"--gpus: there is no GPU '{each}'; there are {there}")
        found += devices
    if not found:
        raise EfganError(f"--gpus: '{wish}' names none; expected all, or some of {there}")
    if len(set(found)) < len(found):
        raise EfganError(f"--gpus: '{wish}' names a GPU twice")
    return tuple(found)


def these_gpus() -> list[ListedGpu]:
    """The GPUs of this machine.

    Raises:
        EfganError: nvidia-smi is missing, or fails.
    """
    program = shutil.which("nvidia-smi")
    if program is None:
        raise EfganError(
            "--gpus: nvidia-smi is not here, so neither is NVIDIA's driver; leave it out to use "
            "the processor"
        )
    try:
        done = subprocess.run(
            [program, "-L"], capture_output=True, text=True, timeout=TIMEOUT_S, check=False
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EfganError(f"--gpus: {program} cannot be asked: {error}") from error
    if done.returncode:
        said = (done.stderr or done.stdout).strip().splitlines()
        raise EfganError(f"--gpus: {program} failed: {said[-1] if said else done.returncode}")
    return listed(done.stdout)
