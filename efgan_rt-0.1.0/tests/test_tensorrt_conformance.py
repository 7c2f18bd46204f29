"""Every name, keyword and type of TensorRT that is used here, held against the real bindings.

TensorRT 11 removed much of what 10 has, and a guard such as `hasattr(trt.BuilderFlag, "FP16")` rots
without a word. Stubs made from the bindings themselves, of both versions, let mypy read the modules
that use TensorRT as it reads any other code: a name that is gone, a keyword that was renamed or a
wrong type is an error. Modules that name TensorRT are found by themselves. Where one holds the
module as `Any`, mypy sees nothing, so names after `trt.` are looked up in the bindings as well.
"""

import ast
import importlib.util
import json
import re
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests import tensorrt_on_cpu
from tests.tensorrt_stubs import BINDINGS, make_stubs

FLOORS = ("engines", "efgan_rt", "export", "benchmarks")
USES_TENSORRT = re.compile(
    r"^\s*(import tensorrt\b|from tensorrt\b|trt\b.*import_tensorrt\(|.*\btrt\.[A-Za-z])", re.M
)


@dataclass(frozen=True)
class Bindings:
    """One version of the real bindings, as a folder of stubs and as the names they have."""

    version: str
    stubs: Path
    folder: Path | None
    libraries: Path

    @property
    def environment(self) -> dict[str, str]:
        """For a process that imports these bindings and no others."""
        path = {"PYTHONPATH": str(self.folder)} if self.folder else {}
        return tensorrt_on_cpu.environment(self.libraries) | path


@pytest.fixture(scope="module", params=[10, 11], ids=["TensorRT 10.16", "TensorRT 11.4"])
def bindings(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Bindings:
    """Stubs of the real bindings, as a package called `tensorrt`."""
    major: int = request.param
    older = Path(sys.prefix) / "tensorrt-10"
    if major == 10 and not (older / BINDINGS).is_dir():
        pytest.skip(f"no TensorRT 10 bindings here: {older} is missing, which `make test` fills")
    if major == 11 and importlib.util.find_spec(BINDINGS) is None:
        pytest.skip(f"no TensorRT bindings here: {tensorrt_on_cpu.INSTALL_LINE} brings them")
    if importlib.util.find_spec("pybind11_stubgen") is None:
        pytest.skip(f"no pybind11-stubgen here: {tensorrt_on_cpu.INSTALL_LINE} brings it")
    libraries = tmp_path_factory.mktemp(f"libraries{major}")
    try:
        tensorrt_on_cpu.build_libraries(libraries, major)
    except tensorrt_on_cpu.MissingPartError as missing:
        pytest.skip(str(missing))
    stubs = tmp_path_factory.mktemp(f"stubs{major}")
    found = Bindings("", stubs, older if major == 10 else None, libraries)
    version = in_bindings(found, "print(trt.__version__)")
    assert version.startswith(f"{major}.")
    make_stubs(stubs, found.environment)
    return Bindings(version, stubs, found.folder, libraries)


def in_bindings(bindings: Bindings, code: str) -> str:
    """What a process prints that has these bindings as `trt`."""
    done = subprocess.run(
        [sys.executable, "-c", f"import {BINDINGS} as trt\n{code}"],
        env=bindings.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def modules_that_use_tensorrt(repository: Path) -> list[Path]:
    return [
        path
        for floor in FLOORS
        for path in sorted((repository / floor).rglob("*.py"))
        if USES_TENSORRT.search(path.read_text())
    ]


def type_check(bindings: Bindings, sources: list[Path], folder: Path, cache: Path) -> str:
    """What mypy says of these files where `tensorrt` is the real bindings; empty if nothing."""
    configuration = folder / "mypy.ini"
    configuration.write_text(
        "[mypy]\nstrict = True\npython_version = 3.11\nexplicit_package_bases = True\n"
        # Ignored where TensorRT has no stubs; here it has.
        "warn_unused_ignores = False\n"
        f"mypy_path = {folder}:{bindings.stubs}\n"
        "follow_imports = silent\nfollow_imports_for_stubs = True\n"
        "[mypy-tensorrt.*]\nfollow_imports = silent\nignore_errors = True\n"
        "[mypy-torch.*,onnx.*,onnxscript.*,onnxruntime.*,openvino.*,cuda.*,pycuda.*]\n"
        "follow_imports = skip\nignore_missing_imports = True\n"
    )
    done = subprocess.run(
        [
            *(sys.executable, "-m", "mypy", "--config-file", str(configuration)),
            *("--cache-dir", str(cache), "--no-error-summary", *map(str, sources)),
        ],
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.stderr, done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def mypy_cache(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("mypy-cache")


def test_modules_that_use_tensorrt_are_found(repository: Path) -> None:
    found = {str(path.relative_to(repository)) for path in modules_that_use_tensorrt(repository)}
    assert {
        "export/tensorrt_module.py",
        "export/to_tensorrt.py",
        "export/arithmetic_proof.py",
        "export/build_progress.py",
        "export/timing_cache.py",
        "engines/tensorrt_engine.py",
    } <= found


def test_every_name_keyword_and_type_is_the_real_ones(
    bindings: Bindings, repository: Path, mypy_cache: Path
) -> None:
    found = type_check(
        bindings,
        modules_that_use_tensorrt(repository),
        repository_view(repository, bindings),
        mypy_cache,
    )
    assert found == "", f"against TensorRT {bindings.version}:\n{found}"


def repository_view(repository: Path, bindings: Bindings) -> Path:
    """A folder beside the stubs, for mypy's configuration, in which the floors are found."""
    folder = bindings.stubs / "view"
    folder.mkdir(exist_ok=True)
    for floor in FLOORS:
        if not (folder / floor).exists():
            (folder / floor).symlink_to(repository / floor)
    return folder


@pytest.mark.parametrize(
    ("line", "error"),
    [
        ("config.set_flag(trt.BuilderFlag.FP32)", 'has no attribute "FP32"'),
        ("config.set_timing_cache(cache=None, ignore=False)", "Unexpected keyword argument"),
        ("config.add_optimization_profile(3)", "incompatible type"),
        ("config.no_such_call()", 'has no attribute "no_such_call"'),
    ],
)
def test_what_the_bindings_do_not_have_is_an_error(
    bindings: Bindings, repository: Path, tmp_path: Path, mypy_cache: Path, line: str, error: str
) -> None:
    planted = tmp_path / "planted.py"
    planted.write_text(
        f"import tensorrt as trt\n\ndef f(config: trt.IBuilderConfig) -> None:\n    {line}\n"
    )
    assert error in type_check(bindings, [planted], tmp_path, mypy_cache)


def test_half_precision_as_a_builder_flag_is_gone_from_11(
    bindings: Bindings, tmp_path: Path, mypy_cache: Path
) -> None:
    planted = tmp_path / "planted_flag.py"
    planted.write_text("import tensorrt as trt\n\nFLAG = trt.BuilderFlag.FP16\n")
    found = type_check(bindings, [planted], tmp_path, mypy_cache)
    assert ('has no attribute "FP16"' in found) == bindings.version.startswith("11.")


def names_after_trt(source: str) -> Iterator[str]:
    """`BuilderFlag.TF32` for every `trt.BuilderFlag.TF32`; the longest chain of each."""

    def chain(node: ast.expr) -> list[str] | None:
        if isinstance(node, ast.Name):
            return [] if node.id == "trt" else None
        if isinstance(node, ast.Attribute):
            before = chain(node.value)
            return None if before is None else [*before, node.attr]
        return None

    def walk(node: ast.AST) -> Iterator[str]:
        if isinstance(node, ast.Attribute) and (found := chain(node)):
            yield ".".join(found)
            return
        for child in ast.iter_child_nodes(node):
            yield from walk(child)

    yield from walk(ast.parse(source))


def test_every_name_after_trt_is_in_the_bindings(bindings: Bindings, repository: Path) -> None:
    names = sorted(
        {
            name
            for path in modules_that_use_tensorrt(repository)
            for name in names_after_trt(path.read_text())
        }
    )
    assert len(names) > 20
    # Dunder chains such as `__name__` are Python's own.
    asked = [name for name in names if not name.startswith("__")]
    code = (
        "import functools, json\n"
        "def there(name):\n"
        "    try: functools.reduce(getattr, name.split('.'), trt)\n"
        "    except AttributeError: return False\n"
        "    return True\n"
        f"print(json.dumps([name for name in {asked!r} if not there(name)]))"
    )
    assert json.loads(in_bindings(bindings, code)) == []


def test_names_after_trt_are_seen_whole() -> None:
    source = "x = trt.BuilderFlag.FP16\ndef f():\n    return trt.Dims([trt.a.b, other.c])"
    assert sorted(names_after_trt(source)) == ["BuilderFlag.FP16", "Dims", "a.b"]
