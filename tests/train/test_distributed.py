"""Two processes under torchrun make the training that one process makes."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from efgan_rt.errors import EfganError
from tests.train.same_training import assert_same_training
from tests.train.two_processes import main
from train import distributed
from train.families.registry import load_checkpoint


@pytest.fixture(scope="module")
def runs(toy_set: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """`one` and `two`: the folders of the same trainings made by one and by two processes."""
    out = tmp_path_factory.mktemp("processes")
    main(toy_set, out / "one")
    worker = Path(__file__).with_name("two_processes.py")
    command = ["-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", str(worker)]
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "PYTHONPATH": os.getcwd()}
    result = subprocess.run(
        [sys.executable, *command, str(toy_set), str(out / "two")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    return {"one": out / "one", "two": out / "two"}


def logged(run: Path) -> list[dict[str, float]]:
    return [json.loads(line) for line in (run / "losses.jsonl").read_text().splitlines()]


@pytest.mark.parametrize(("run", "steps"), [("whole", 3), ("early", 4), ("paired", 2)])
def test_two_processes_have_the_losses_of_one(runs: dict[str, Path], run: str, steps: int) -> None:
    one, two = logged(runs["one"] / run), logged(runs["two"] / run)
    assert len(one) == len(two) == steps
    largest = 0.0
    for alone, shared in zip(one, two, strict=True):
        assert alone.keys() == shared.keys()
        for name in alone.keys() - {"phase", "step_ms", "left_s"}:
            # Sums in another order; Adam's first steps are as long for a small gradient as for a
            # large one, so what is rounding in a gradient may be a step's length in a weight.
            assert shared[name] == pytest.approx(alone[name], rel=2e-3, abs=1e-4), name
            difference = abs(shared[name] - alone[name]) / max(1e-2, abs(alone[name]))
            largest = max(largest, difference)
    print(f"largest relative difference of a loss: {largest:.1e}")


def test_two_processes_arrive_at_the_weights_of_one(runs: dict[str, Path]) -> None:
    one = load_checkpoint(runs["one"] / "whole" / "latest.pt").weights
    two = load_checkpoint(runs["two"] / "whole" / "latest.pt").weights
    differences = torch.cat([(one[k] - two[k]).abs().flatten() for k in one])
    print(f"weights: max difference {differences.max():.1e}, mean {differences.mean():.1e}")
    # Three steps of Adam move a weight by up to 3e-4: a thirtieth of that, on average.
    assert differences.mean() < 1e-5


@pytest.mark.parametrize("processes", ["one", "two"])
def test_a_resumed_training_equals_one_that_never_stopped(
    runs: dict[str, Path], processes: str
) -> None:
    whole = load_checkpoint(runs[processes] / "whole" / "latest.pt")
    pieces = load_checkpoint(runs[processes] / "pieces" / "latest.pt")
    assert_same_training(whole, pieces)
    assert whole.training["pictures_seen"] == 6


def test_the_checkpoint_says_how_many_processes_made_it(runs: dict[str, Path]) -> None:
    def processes(name: str) -> int:
        count: int = load_checkpoint(runs[name] / "whole" / "latest.pt").training["processes"]
        return count

    assert (processes("one"), processes("two")) == (1, 2)


def test_one_process_keeps_every_row() -> None:
    assert distributed.own_rows(5) == slice(0, 5)
    assert distributed.process_count() == 1 and distributed.is_first()


def test_a_batch_that_cannot_be_shared_out_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(distributed, "process_count", lambda: 2)
    with pytest.raises(EfganError, match="a batch of 3 cannot be shared out evenly among 2"):
        distributed.own_rows(3)


def test_a_device_that_is_not_there_is_named() -> None:
    if torch.cuda.is_available():
        pytest.skip("this machine has a CUDA device, so its absence cannot be seen")
    with pytest.raises(EfganError, match="PyTorch finds no CUDA device"):
        distributed.join("cuda")
