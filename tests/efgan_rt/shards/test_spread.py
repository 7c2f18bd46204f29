"""How a run is spread: GPUs by name, and what each process gets."""

import pytest

from efgan_rt.errors import EfganError
from efgan_rt.shards import spread as spread_module
from efgan_rt.shards.coordinator import shard_size
from efgan_rt.shards.gpus import chosen, listed
from efgan_rt.shards.spread import spread_of
from efgan_rt.tuning import RunSettings, RunWishes
from engines.choice import BackendChoice
from engines.processor import this_processor

LISTED = """\
GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-aaaa1111-0000-0000-0000-000000000000)
GPU 1: NVIDIA H100 80GB HBM3 (UUID: GPU-bbbb2222-0000-0000-0000-000000000000)
  MIG 3g.40gb     Device  0: (UUID: MIG-cccc3333-0000-0000-0000-000000000000)
  MIG 3g.40gb     Device  1: (UUID: MIG-dddd4444-0000-0000-0000-000000000000)
"""
WHOLE = "GPU-aaaa1111-0000-0000-0000-000000000000"
PARTS = (
    "MIG-cccc3333-0000-0000-0000-000000000000",
    "MIG-dddd4444-0000-0000-0000-000000000000",
)
CPU = BackendChoice("openvino", "fp32", "as asked for")
GPU = BackendChoice("tensorrt", "fp16", "as asked for")
SETTINGS = RunSettings(8, None, None, 8)


def test_of_a_divided_gpu_the_parts_are_taken() -> None:
    gpus = listed(LISTED)
    assert [gpu.number for gpu in gpus] == [0, 1]
    assert chosen("all", gpus) == (WHOLE, *PARTS)
    assert chosen("1", gpus) == PARTS
    assert chosen("mig-dddd, 0", gpus) == (PARTS[1], WHOLE)


@pytest.mark.parametrize(
    ("wish", "sentence"),
    [
        ("2", "--gpus: there is no GPU '2'; there are 0 (NVIDIA H100 80GB HBM3), 1 ("),
        ("MIG-", "--gpus: 'MIG-' begins several UUIDs: MIG-cccc3333"),
        ("0,GPU-aaaa", "--gpus: '0,GPU-aaaa' names a GPU twice"),
        (",", "--gpus: ',' names none; expected all, or some of 0 ("),
    ],
)
def test_gpus_that_are_not_there_are_refused(wish: str, sentence: str) -> None:
    with pytest.raises(EfganError) as refused:
        chosen(wish, listed(LISTED))
    assert str(refused.value).startswith(sentence)


def test_no_gpu_at_all_is_said() -> None:
    with pytest.raises(EfganError, match="nvidia-smi lists no GPU here"):
        chosen("all", listed(""))


def test_processes_share_the_cores() -> None:
    cores = this_processor().cores
    spread = spread_of(2, None, CPU, SETTINGS, RunWishes())
    assert (spread.processes, spread.gpus) == (2, ())
    assert spread.settings == RunSettings(8, None, max(1, cores // 2), 4)
    asked = spread_of(2, None, CPU, RunSettings(8, None, 3, 5), RunWishes(threads=3, workers=5))
    assert asked.settings == RunSettings(8, None, 3, 5)
    assert not spread_of(None, None, CPU, SETTINGS, RunWishes()).is_several


def test_a_gpu_has_a_process_or_several(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(spread_module, "these_gpus", lambda: listed(LISTED))
    assert spread_of(None, "0", GPU, SETTINGS, RunWishes()).is_several
    spread = spread_of(6, "all", GPU, SETTINGS, RunWishes())
    assert spread.gpus == (WHOLE, *PARTS) * 2
    assert str(spread).startswith(f"6, on {WHOLE}, MIG-cccc3333")
    with pytest.raises(EfganError, match="not evenly spread over 3 GPUs; expected a multiple of 3"):
        spread_of(4, "all", GPU, SETTINGS, RunWishes())


def test_gpus_are_refused_to_a_backend_of_the_processor() -> None:
    with pytest.raises(EfganError, match="the backend is openvino, which computes on the proc"):
        spread_of(None, "all", CPU, SETTINGS, RunWishes())


@pytest.mark.parametrize(
    ("pictures", "workers", "size"), [(1_000_000, 8, 128), (100, 4, 8), (1000, 2, 125), (1, 4, 8)]
)
def test_every_worker_gets_several_shards(pictures: int, workers: int, size: int) -> None:
    assert shard_size(pictures, workers, batch=8) == size
