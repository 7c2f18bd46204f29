"""Runs over a real Ray cluster: two nodes, each with processes of its own, on this machine."""

import pickle
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from efgan_rt import __version__
from efgan_rt.choices import NoFace
from efgan_rt.faces.framing import FaceChoice
from efgan_rt.pipeline.journal import FOLDER
from efgan_rt.pipeline.run_state import BatchOptions
from efgan_rt.requests.faces import FaceOptions
from efgan_rt.shards.coordinator import Coordinator
from efgan_rt.shards.ray_cluster import TOKEN, tokens
from efgan_rt.shards.ray_worker import NodeWorker, Terms, fault_here, fingerprint_of
from efgan_rt.shards.shard import LeftOut
from efgan_rt.shards.worker import WorkerSetup
from efgan_rt.shots import one_shot_each, stills
from engines.choice import choose_backend
from engines.directory import EngineDirectory

Cli = Callable[..., Any]
BATCH = 4


def content_of(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and FOLDER not in path.parts
    }


@pytest.fixture
def setup(toy_engines: Path, tmp_path: Path) -> WorkerSetup:
    return WorkerSetup(
        toy_engines,
        choose_backend("onnxruntime", EngineDirectory(toy_engines), None),
        BATCH,
        1,
        None,
        FaceOptions(FaceChoice(crops=True), 0.6, NoFace.FAIL, None, False),
        one_shot_each(1),
        stills(""),
        BatchOptions(workers=1),
        False,
        tmp_path / "out",
    )


def told_by(version: str, terms: Terms, parts: Path) -> list[Any]:
    worker = NodeWorker()
    worker.begin(version, pickle.dumps(terms), str(parts), "node-7")
    return list(worker.told())


def test_a_node_of_another_version_is_left_out_by_name(setup: WorkerSetup, tmp_path: Path) -> None:
    terms = Terms(setup, fingerprint_of(setup), ())
    assert told_by("0.0.1", terms, tmp_path) == [
        LeftOut(f"node-7: efgan-rt is {__version__} here, and 0.0.1 where the run began")
    ]


def test_a_node_without_the_engines_or_with_others_is_left_out(
    setup: WorkerSetup, tmp_path: Path, three_stages: Path
) -> None:
    terms = Terms(setup, fingerprint_of(setup), ())
    assert fault_here(terms) is None
    lacking = replace(terms, setup=replace(setup, engines=tmp_path / "none"))
    (told,) = told_by(__version__, lacking, tmp_path)
    assert told.sentence.startswith("node-7: the engines are not here: ")
    other = replace(terms, setup=replace(setup, engines=three_stages))
    assert fault_here(other) == f"{three_stages} holds other engines here"


def test_a_node_that_sees_other_folders_is_left_out(setup: WorkerSetup, tmp_path: Path) -> None:
    with tokens((tmp_path,)) as written:
        terms = Terms(setup, fingerprint_of(setup), written)
        assert fault_here(terms) is None
        (tmp_path / TOKEN).write_bytes(b"of another folder")
        assert fault_here(terms) == f"{tmp_path} is another folder here"
        (tmp_path / TOKEN).unlink()
        found = fault_here(terms)
        assert found == f"{tmp_path} is not the same folder here: No such file or directory"
    assert not (tmp_path / TOKEN).exists()


@pytest.mark.parametrize(
    ("variable", "below", "what"),
    [
        ("XDG_CACHE_HOME", "efgan-rt/compiled", "compiled networks"),
        ("TMPDIR", "", "temporary files"),
    ],
)
def test_a_node_whose_own_folder_is_full_is_left_out(
    setup: WorkerSetup,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
    variable: str,
    below: str,
    what: str,
) -> None:
    terms = Terms(setup, fingerprint_of(setup), ())
    monkeypatch.setenv(variable, str(small_disk))
    assert (
        fault_here(terms) == f"{small_disk / below}, where {what} go, is full here; make room there"
    )


def test_a_folder_that_nobody_may_write_into_leaves_nobody_out(
    setup: WorkerSetup, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("TMPDIR", "/proc")
    assert fault_here(Terms(setup, fingerprint_of(setup), ())) is None


def test_ray_and_processes_are_not_asked_for_together(cli: Cli, faces: Path, out: Path) -> None:
    result = cli("batch", faces, out, "-e", "happy", "--ray", "auto", "--processes", 2)
    assert result.status == 2
    assert "spreads over nodes" in result.err


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    pytest.importorskip("ray", reason='no Ray: pip install "efgan-rt[ray]"')
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else busy cores have nothing for them
    from ray.cluster_utils import Cluster

    store: dict[str, Any] = {"num_cpus": 1, "object_store_memory": 80 * 1024 * 1024}
    made: Any = Cluster(initialize_head=True, head_node_args={**store, "include_dashboard": False})
    made.second = made.add_node(**store)
    made.wait_for_nodes()
    yield made
    made.shutdown()


@pytest.mark.slow
def test_a_node_whose_folder_is_full_is_named_and_the_others_edit_all(
    cli: Cli,
    cluster: Any,
    faces: Path,
    tmp_path: Path,
    toy_engines: Path,
    small_disk: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    variables = {"TMPDIR": str(small_disk)}
    cluster.add_node(num_cpus=1, object_store_memory=80 * 1024 * 1024, env_vars=variables)
    cluster.wait_for_nodes()
    take = Coordinator._take
    waiting: list[tuple[Coordinator, int, object]] = []
    left_out: list[LeftOut] = []

    def take_once_one_is_left_out(self: Coordinator, number: int, message: object) -> None:
        """The others might have edited all before that node has said anything."""
        waiting.append((self, number, message))
        if isinstance(message, LeftOut):
            left_out.append(message)
        if left_out:
            for each in waiting:
                take(*each)
            waiting.clear()

    monkeypatch.setattr(Coordinator, "_take", take_once_one_is_left_out)
    engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", BATCH)
    options = ("-e", "happy", "--crops", *engines, "--ray", cluster.address)
    result = cli("batch", faces, tmp_path / "out", *options)
    assert result.status == 0, result.err
    assert "note: left out a worker: " in result.err
    assert f"{small_disk}, where temporary files go, is full here; make room there" in result.err
    assert "11 of 11 pictures edited: 11 files in" in result.out


@pytest.mark.slow
def test_two_nodes_write_what_one_process_writes_and_one_may_die(
    cli: Cli,
    cluster: Any,
    faces: Path,
    tmp_path: Path,
    toy_engines: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    for number in range(60):
        shutil.copyfile(faces / f"0{number % 7}.png", faces / f"more-{number}.png")
    (faces / "broken.png").write_text("no picture")
    engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", BATCH)
    options = ("-e", "happy", "--crops", *engines)
    assert cli("batch", faces, tmp_path / "one", *options).status == 3

    two = cli("batch", faces, tmp_path / "two", *options, "--ray", cluster.address)
    assert two.status == 3, two.err
    assert "ray: 2 workers, on " in two.err
    assert "71 of 72 pictures edited: 71 files in" in two.out
    assert content_of(tmp_path / "two") == content_of(tmp_path / "one")
    assert not (faces / TOKEN).exists()

    take = Coordinator._take
    killed: list[int] = []

    def take_and_kill(self: Coordinator, number: int, message: object) -> None:
        take(self, number, message)
        if not killed and self._tally.pictures:
            killed.append(number)
            cluster.remove_node(cluster.second, allow_graceful=False)

    monkeypatch.setattr(Coordinator, "_take", take_and_kill)
    lost = cli("batch", faces, tmp_path / "lost", *options, "--ray", cluster.address)
    assert lost.status == 3, lost.err
    assert killed
    assert content_of(tmp_path / "lost") == content_of(tmp_path / "one")
