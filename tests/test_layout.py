"""The shape of the house: which floor may import which, what ships, and what `--help` may cost."""

import ast
import resource
import subprocess
import sys
import zipfile
from collections.abc import Iterator, Mapping, Set
from dataclasses import dataclass
from pathlib import Path

import pytest

FLOORS = ("engines", "efgan_rt", "train", "export")
# importer -> what it may import of ours, as module prefixes.
ALLOWED = {
    "engines": ("engines",),
    "efgan_rt": ("efgan_rt", "engines"),
    "train": ("train", "efgan_rt", "engines.arrays", "engines.whole_file"),
    "export": (
        "export",
        "train.families",
        "train.checkpoint",
        "train.layers",
        "train.pixels",
        "train.torch_program",
        "train.evaluation.editors",
        "efgan_rt",
        "engines",
    ),
}
FRONT_DOOR = "efgan_rt.cli"
HEAVY = ("torch", "onnxruntime", "openvino", "cv2")
# An import of one of these by a file of that name would find the file instead of the library.
SHADOWING = {"onnx.py", "torch.py", "tensorrt.py", "openvino.py", "onnxruntime.py"}


@dataclass(frozen=True)
class Import:
    """One imported module and whether the import runs only when a function is called."""

    module: str
    inside_function: bool


def imports_of(source: str) -> Iterator[Import]:
    """Every import of a module's source; `from a import b` counts as a.b, which may be a module."""

    def walk(node: ast.AST, inside_function: bool) -> Iterator[Import]:
        if isinstance(node, ast.Import):
            yield from (Import(alias.name, inside_function) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, "imports are absolute here"
            yield from (Import(f"{node.module}.{a.name}", inside_function) for a in node.names)
        is_function = isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
        for child in ast.iter_child_nodes(node):
            yield from walk(child, inside_function or is_function)

    yield from walk(ast.parse(source), False)


def is_within(module: str, prefixes: tuple[str, ...]) -> bool:
    """True for a module that is one of the prefixes or lies under one."""
    return any(module == prefix or module.startswith(f"{prefix}.") for prefix in prefixes)


def modules_of(repository: Path) -> dict[str, Path]:
    """Every module of ours by its dotted name."""
    found = {}
    for floor in FLOORS:
        for path in (repository / floor).rglob("*.py"):
            parts = path.relative_to(repository).with_suffix("").parts
            found[".".join(parts[:-1] if parts[-1] == "__init__" else parts)] = path
    return found


def loaded_with(start: str, modules: Mapping[str, Path]) -> set[str]:
    """The modules of ours that importing one loads, itself among them."""
    loaded: set[str] = set()
    waiting = [start]
    while waiting:
        name = waiting.pop()
        if name in loaded:
            continue
        loaded.add(name)
        for each in imports_of(modules[name].read_text()):
            if not each.inside_function:
                waiting += {each.module, each.module.rpartition(".")[0]} & modules.keys()
    return loaded


def wrong_imports(floor: str, path_in_floor: str, source: str, eager: Set[str]) -> list[str]:
    """The modules of ours that this file imports and may not.

    Args:
        eager: names of the modules that `efgan-rt --help` loads.
    """
    name = f"{floor}.{path_in_floor.removesuffix('.py').replace('/', '.')}"
    wrong = []
    for found in imports_of(source):
        if not is_within(found.module, FLOORS) or is_within(found.module, ALLOWED[floor]):
            continue
        is_lazy = found.inside_function or name not in eager
        front_door = is_within(name, (FRONT_DOOR,)) and is_within(found.module, ("train", "export"))
        if front_door and is_lazy:
            continue
        wrong.append(found.module)
    return wrong


@pytest.mark.parametrize("floor", FLOORS)
def test_imports_point_only_downwards(repository: Path, floor: str) -> None:
    eager = loaded_with(f"{FRONT_DOOR}.app", modules_of(repository))
    assert f"{FRONT_DOOR}.batch" in eager
    wrong = {
        str(path.relative_to(repository)): found
        for path in sorted((repository / floor).rglob("*.py"))
        if (
            found := wrong_imports(
                floor, str(path.relative_to(repository / floor)), path.read_text(), eager
            )
        )
    }
    assert wrong == {}


@pytest.mark.parametrize(
    ("floor", "path", "source", "expected"),
    [
        ("engines", "base.py", "import efgan_rt.errors", ["efgan_rt.errors"]),
        ("engines", "base.py", "from efgan_rt import errors", ["efgan_rt.errors"]),
        ("export", "build.py", "from train.loop import run", ["train.loop.run"]),
        ("export", "build.py", "from train.families import registry", []),
        ("efgan_rt", "images.py", "def f():\n    import train.loop", ["train.loop"]),
        ("efgan_rt", "cli/train.py", "import train.loop", ["train.loop"]),
        ("efgan_rt", "cli/train.py", "def f():\n    import train.loop", []),
        ("efgan_rt", "cli/train.py", "def f():\n    import benchmarks", []),
        ("efgan_rt", "cli/made_by_train.py", "import train.loop", []),
    ],
)
def test_the_layout_rule_tells_right_from_wrong(
    floor: str, path: str, source: str, expected: list[str]
) -> None:
    assert wrong_imports(floor, path, source, {"efgan_rt.cli.train"}) == expected


def test_the_second_floor_never_imports_torch(repository: Path) -> None:
    found = [
        str(path.relative_to(repository))
        for floor in ("engines", "efgan_rt")
        for path in sorted((repository / floor).rglob("*.py"))
        if any(is_within(each.module, ("torch",)) for each in imports_of(path.read_text()))
    ]
    assert found == []


def circles(imports: dict[str, set[str]]) -> list[list[str]]:
    """Groups of modules that import each other, directly or through others; whenever it happens."""

    def reached(start: str) -> set[str]:
        seen: set[str] = set()
        waiting = [start]
        while waiting:
            for module in imports[waiting.pop()] - seen:
                seen.add(module)
                waiting.append(module)
        return seen

    within = {name: reached(name) for name in imports}
    groups = {
        tuple(sorted(other for other in within[name] if name in within[other]))
        for name in imports
        if name in within[name]
    }
    return [list(group) for group in sorted(groups)]


def test_no_module_imports_itself_through_others(repository: Path) -> None:
    modules = modules_of(repository)
    imports: dict[str, set[str]] = {}
    for name, path in modules.items():
        found = {each.module for each in imports_of(path.read_text())}
        found |= {module.rpartition(".")[0] for module in found}
        # The package is its front, which gathers what is public.
        imports[name] = {each for each in found if each in modules and each != "efgan_rt"}
    assert circles(imports) == []


def test_circles_are_found() -> None:
    assert circles({"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}) == [["b", "c"]]


def test_nothing_below_the_front_door_imports_it(repository: Path) -> None:
    found = {
        name
        for name, path in modules_of(repository).items()
        if not is_within(name, (FRONT_DOOR,))
        and any(is_within(each.module, (FRONT_DOOR,)) for each in imports_of(path.read_text()))
    }
    assert found == set()


FAMILIES = ("efgan_rt.families", "train.families")


def test_families_are_asked_by_registries_and_named_nowhere_else(repository: Path) -> None:
    names = [each.name for each in (repository / "train/families").iterdir() if each.is_dir()]
    of_a_family = tuple(f"{floor}.{name}" for floor in FAMILIES for name in names)
    assert "train.families.cascade" in of_a_family
    found = {
        name
        for name, path in modules_of(repository).items()
        if not is_within(name, FAMILIES)
        and any(is_within(each.module, of_a_family) for each in imports_of(path.read_text()))
    }
    assert found == set()


def test_no_module_shadows_a_library(repository: Path) -> None:
    paths = [path for floor in FLOORS for path in (repository / floor).rglob("*.py")]
    assert [str(path) for path in paths if path.name in SHADOWING] == []


@pytest.mark.parametrize("floor", ["engines", "train", "export"])
def test_a_private_floor_has_only_a_docstring_at_its_top(repository: Path, floor: str) -> None:
    body = ast.parse((repository / floor / "__init__.py").read_text()).body
    assert len(body) == 1
    statement = body[0]
    assert isinstance(statement, ast.Expr)
    assert isinstance(statement.value, ast.Constant)
    assert isinstance(statement.value.value, str)


@pytest.mark.parametrize("floor", FLOORS)
def test_every_floor_says_that_it_is_typed(repository: Path, floor: str) -> None:
    assert (repository / floor / "py.typed").is_file()


@pytest.fixture(scope="module")
def wheel_names(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """The names inside a wheel built from a copy of the tracked sources, with nothing fetched."""
    folder = tmp_path_factory.mktemp("wheel")
    source = folder / "source"
    source.mkdir()
    for name in (*FLOORS, "tests", "benchmarks", "pyproject.toml", "LICENSE", "README.md"):
        if (repository / name).exists():
            (source / name).symlink_to(repository / name)
    build = "from setuptools import build_meta; import sys; build_meta.build_wheel(sys.argv[1])"
    subprocess.run(
        [sys.executable, "-c", build, str(folder)], cwd=source, check=True, capture_output=True
    )
    (wheel,) = folder.glob("*.whl")
    with zipfile.ZipFile(wheel) as archive:
        return archive.namelist()


def test_the_wheel_has_exactly_four_packages(wheel_names: list[str]) -> None:
    tops = {name.split("/")[0] for name in wheel_names}
    assert {top for top in tops if not top.endswith(".dist-info")} == set(FLOORS)


def test_the_wheel_brings_every_module_and_data_file(
    repository: Path, wheel_names: list[str]
) -> None:
    wanted = {
        str(path.relative_to(repository))
        for floor in FLOORS
        for path in (repository / floor).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    assert wanted - set(wheel_names) == set()


def run_help(tmp_path: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Runs the command line in a process of its own that lists the modules it ends with."""
    script = (
        "import atexit, sys\n"
        "atexit.register(lambda: print('MODULES', *sys.modules, file=sys.stderr))\n"
        "from efgan_rt.cli.app import main\n"
        f"sys.argv = ['efgan-rt', *{list(arguments)!r}]\n"
        "main()\n"
    )
    # From elsewhere, so that what is installed answers and not the working directory.
    return subprocess.run(
        [sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=True
    )


@pytest.mark.parametrize("arguments", [("--help",), ("batch", "--help"), ("bench", "--help")])
def test_help_imports_nothing_heavy(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    modules = run_help(tmp_path, *arguments).stderr.split("MODULES")[1].split()
    assert "efgan_rt.cli.app" in modules
    assert set(HEAVY) & set(modules) == set()


def test_help_takes_under_0_3_seconds_of_processor_time(tmp_path: Path) -> None:
    run_help(tmp_path, "--help")  # writes the byte code
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(
            [sys.executable, "-m", "efgan_rt.cli.app", "--help"],
            cwd=tmp_path,
            check=True,
            capture_output=True,
        )
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < 0.3, seconds  # the others shared the processor with something else
