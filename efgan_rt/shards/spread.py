"""How a run is spread over processes of this machine, and what each of them gets of it."""

from dataclasses import dataclass, replace

from efgan_rt.errors import EfganError
from efgan_rt.shards.gpus import chosen, these_gpus
from efgan_rt.tuning import RunSettings, RunWishes
from engines.choice import DEVICE_BACKENDS, BackendChoice
from engines.processor import this_processor


@dataclass(frozen=True)
class Spread:
    """Processes, and what each gets.

    Attributes:
        processes: how many edit; 1 is the one that was started.
        gpus: UUIDs, one each; none on the processor.
        settings: of each process.
    """

    processes: int
    gpus: tuple[str, ...]
    settings: RunSettings

    @property
    def is_several(self) -> bool:
        """Whether there are workers beside the process that was started."""
        return self.processes > 1 or bool(self.gpus)

    def __str__(self) -> str:
        each = f"{self.settings} each"
        if self.gpus:
            return f"{self.processes}, on {', '.join(self.gpus)}; {each}"
        return f"{self.processes}; {each}"


def spread_of(
    processes: int | None,
    gpus: str | None,
    choice: BackendChoice,
    settings: RunSettings,
    wishes: RunWishes,
) -> Spread:
    """How a run is spread.

    Args:
        processes: as asked for; None is one, or one a GPU.
        gpus: as asked for; None leaves it to CUDA, which takes the first.
        choice: backend and precision.
        settings: of a run in one process.
        wishes: which of them were asked for, and are each process's own then.

    Raises:
        EfganError: the GPUs are not there, or not for this backend or so many processes.
    """
    devices: tuple[str, ...] = ()
    if gpus is not None:
        if choice.backend not in DEVICE_BACKENDS:
            raise EfganError(
                f"--gpus: the backend is {choice.backend}, which computes on the processor; choose "
                "one with --backend that runs on a GPU, or leave --gpus out"
            )
        devices = chosen(gpus, these_gpus())
        if processes is not None and processes % len(devices):
            raise EfganError(
                f"--processes {processes}: not evenly spread over {len(devices)} GPUs; expected "
                f"a multiple of {len(devices)}"
            )
        devices = devices * ((processes or len(devices)) // len(devices))
    count = len(devices) or processes or 1
    if count == 1 and not devices:
        return Spread(1, (), settings)
    if choice.backend not in DEVICE_BACKENDS and wishes.threads is None:
        settings = replace(settings, threads=max(1, this_processor().cores // count))
    if wishes.workers is None:
        settings = replace(settings, workers=max(1, settings.workers // count))
    return Spread(count, devices, settings)
