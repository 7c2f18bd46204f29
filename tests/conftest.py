"""Fixtures that more than one floor's tests use."""

import gc
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from engines.runtimes import import_tensorrt
from tests import tensorrt_on_cpu
from tests.mounting import mount
from tests.toy_engines import toy_faces, write_toy_engines

REPOSITORY = Path(__file__).resolve().parents[1]
# What needs the same engine sets, which take long to export: one worker runs these files.
WITH_BUILT_SETS = (
    "tests/export/test_motion_engines.py",
    "tests/export/test_tensorrt_plans.py",
    "tests/export/test_tensorrt_rtx_plans.py",
    "tests/export/test_onnx_graph.py",
    "tests/export/test_build.py",
    "tests/export/test_half_precision.py",
    "tests/export/test_batches.py",
    "tests/train/evaluation/test_evaluation_editors.py",
    "tests/efgan_rt/cli/test_cli_evaluate.py",
)
# What takes longest is begun first, so that all workers end together.
BEGUN_FIRST = (
    *WITH_BUILT_SETS,
    "tests/benchmarks/test_gpu_machine.py",
    "tests/train/test_distributed.py",
    "tests/test_cluster_examples.py",
    "tests/efgan_rt/families/test_eet_and_ecgan.py",
    "tests/efgan_rt/remote/test_remote_folders.py",
    "tests/efgan_rt/pipeline/test_pipeline_memory.py",
    "tests/train/families/cascade/test_cascade_phase.py",
)


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """Files go to workers whole, and those that share engine sets go to the same one."""
    if config.getoption("dist") != "loadfile":
        return None
    from xdist.scheduler import LoadFileScheduling

    class Together(LoadFileScheduling):  # type: ignore[misc]
        def _split_scope(self, nodeid: str) -> str:
            file = nodeid.split("::", 1)[0]
            return WITH_BUILT_SETS[0] if file in WITH_BUILT_SETS else file

    return Together(config, log)


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the longest first."""
    places = {file: place for place, file in enumerate(BEGUN_FIRST)}
    items.sort(key=lambda item: places.get(item.nodeid.split("::", 1)[0], len(places)))


def pytest_collection_finish() -> None:
    """PyTorch's exporter makes objects by the million: Python looks through them less often."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)


@pytest.fixture(scope="session")
def repository() -> Path:
    """The repository's root."""
    return REPOSITORY


@pytest.fixture(scope="session")
def synth_dir() -> Path:
    """The rendered picture set (`labels.csv` and its pictures), which lies beside the repository.

    `EFGAN_SHARED` names the folder that holds `data/synth` where it lies elsewhere.
    """
    folder = _shared() / "data" / "synth"
    if not (folder / "labels.csv").is_file():
        pytest.skip(f"no picture set: {folder}/labels.csv is missing (EFGAN_SHARED moves it)")
    return folder


@pytest.fixture(scope="session")
def cases() -> Path:
    """Small inputs that failed once, which lie beside the repository as the picture set does."""
    folder = _shared() / "cases"
    if not (folder / "files").is_dir():
        pytest.skip(f"no cases: {folder}/files is missing (EFGAN_SHARED moves it)")
    return folder


@pytest.fixture(scope="session")
def yunet_file() -> Path:
    """The YuNet detector that comes along."""
    from efgan_rt.faces.detector_file import shipped_file

    found = shipped_file()
    assert found is not None
    return found


@pytest.fixture(scope="session")
def london_images() -> Path:
    """Photographs of real people, which lie beside the repository as the picture set does."""
    folder = _shared() / "data" / "london" / "images"
    if not folder.is_dir():
        pytest.skip(f"no photographs of people: {folder} is missing (EFGAN_SHARED moves it)")
    return folder


@pytest.fixture(scope="session")
def astronaut() -> Any:
    """A public-domain photograph of a person, uint8 RGB (512, 512, 3), from scikit-image."""
    reason = "no photograph: scikit-image is missing; pip install 'scikit-image>=0.26'"
    return pytest.importorskip("skimage.data", reason=reason).astronaut()


@pytest.fixture(scope="session")
def fp32_engines(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`tests.built_engines.build_fp32`, once for all floors."""
    from tests.built_engines import build_fp32

    return build_fp32(tmp_path_factory.mktemp("fp32"))


@pytest.fixture(scope="session")
def motion_engines(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Engines of `tests.motion_models` in full precision, beside `motion.safetensors`."""
    from export.build import build_engines
    from tests.motion_models import smooth_faces, write_motion_checkpoint

    folder = tmp_path_factory.mktemp("motion")
    checkpoint = write_motion_checkpoint(folder / "motion.safetensors")
    build_engines(checkpoint, folder / "engines", faces=smooth_faces(2))
    return folder / "engines"


@pytest.fixture(scope="session")
def fp16_engines(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """`tests.built_engines.build_fp16`, once for all floors."""
    from tests.built_engines import build_fp16

    return build_fp16(tmp_path_factory.mktemp("fp16"))


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 400 KB."""
    folder = tmp_path / "disk"
    folder.mkdir()
    try:
        mount("-t", "tmpfs", "-o", "size=400k", "tmpfs", str(folder))
    except FileNotFoundError:
        pytest.skip("there is no command 'mount' here")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


@pytest.fixture(scope="session")
def c_compiler() -> None:
    """Skips where the kernels' sources cannot be compiled for the processor."""
    from tests.tensorrt_on_cpu import MissingPartError, find_compiler

    try:
        find_compiler()
    except MissingPartError as missing:
        pytest.skip(str(missing))


@pytest.fixture(autouse=True, scope="session")
def hears_ctrl_c() -> Iterator[None]:
    """A shell starts its background jobs deaf to Ctrl-C, and what they start inherits that."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


def _shared() -> Path:
    return Path(os.environ.get("EFGAN_SHARED", REPOSITORY.parent / "shared"))


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder beside the repository, with what is not ours to carry; it may be missing."""
    return _shared()


@pytest.fixture(scope="session")
def int8_toy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Toy engines of two stages with int8 files, made by NNCF; for reading only."""
    pytest.importorskip("nncf", reason='no NNCF: pip install "efgan-rt[int8]"')
    from export.int8_files import remake_int8

    plain = tmp_path_factory.mktemp("plain")
    write_toy_engines(plain)
    out = tmp_path_factory.mktemp("int8") / "engines"
    remake_int8(plain, out, faces=toy_faces())
    return out


@pytest.fixture(scope="session")
def tensorrt_libraries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of libraries that let TensorRT's bindings compile here, without a GPU."""
    try:
        return tensorrt_on_cpu.build_libraries(tmp_path_factory.mktemp("tensorrt"))
    except tensorrt_on_cpu.MissingPartError as missing:
        pytest.skip(str(missing))


@pytest.fixture(scope="session")
def loaded_tensorrt(tensorrt_libraries: Path) -> Any:
    """TensorRT's module, its real compiler working in this process."""
    try:
        tensorrt_on_cpu.load_libraries(tensorrt_libraries)
    except tensorrt_on_cpu.MissingPartError as missing:
        pytest.skip(str(missing))
    return import_tensorrt()


@pytest.fixture
def own_cache_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Keeps the tester's own timing caches out of the tests: the user's cache folder is empty."""
    folder = tmp_path / "user-cache"
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder))
    return folder
