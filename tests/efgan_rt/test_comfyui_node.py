"""The node for ComfyUI: what its loader reads, and what a run of it does. No ComfyUI is needed."""

import importlib.util
import inspect
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efgan_rt import Editor
from tests.toy_engines import toy_faces

torch = pytest.importorskip("torch", reason='no PyTorch: pip install "efgan-rt[train]"')
# Socket types of ComfyUI that the node may name; a list is a choice.
KINDS = {"IMAGE", "FLOAT", "INT", "STRING", "BOOLEAN"}


@pytest.fixture(scope="module")
def package(repository: Path) -> Iterator[Any]:
    """The folder, imported as ComfyUI imports one of its `custom_nodes`: by its path."""
    folder = repository / "examples" / "comfyui"
    name = "custom_nodes_efgan_rt"
    spec = importlib.util.spec_from_file_location(
        name, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    spec.loader.exec_module(module)
    yield module
    for each in [key for key in sys.modules if key.startswith(name)]:
        del sys.modules[each]


@pytest.fixture
def node(package: Any) -> Any:
    return package.NODE_CLASS_MAPPINGS["EfganEditExpression"]()


def test_the_loader_finds_nodes_with_names(package: Any) -> None:
    assert set(package.NODE_DISPLAY_NAME_MAPPINGS) == set(package.NODE_CLASS_MAPPINGS)
    assert all(inspect.isclass(each) for each in package.NODE_CLASS_MAPPINGS.values())


def test_the_node_declares_what_comfyui_asks_of_one(node: Any) -> None:
    kinds = type(node).INPUT_TYPES()
    assert set(kinds) <= {"required", "optional", "hidden"}
    for name, (kind, *options) in {**kinds["required"], **kinds["optional"]}.items():
        assert isinstance(kind, list) or kind in KINDS, name
        assert len(options) <= 1 and all(isinstance(each, dict) for each in options)
        default = options[0].get("default") if options else None
        if isinstance(kind, list):
            assert default in kind
        if kind == "FLOAT":
            assert options[0]["min"] <= default <= options[0]["max"]
    assert isinstance(node.RETURN_TYPES, tuple) and set(node.RETURN_TYPES) <= KINDS
    assert len(node.RETURN_NAMES) == len(node.RETURN_TYPES)
    assert isinstance(node.CATEGORY, str)
    parameters = inspect.signature(getattr(node, node.FUNCTION)).parameters
    assert set(parameters) == {*kinds["required"], *kinds["optional"]}
    optional = {name for name, each in parameters.items() if each.default is not each.empty}
    assert optional == set(kinds["optional"])


def test_its_expressions_are_those_of_the_engines_that_come_along(package: Any) -> None:
    from efgan_rt.engine_sets import shipped_set
    from efgan_rt.families.registry import family_of
    from engines.directory import EngineDirectory

    folder = shipped_set()
    assert folder is not None
    directory = EngineDirectory(folder)
    known = family_of(directory).read(directory).expressions
    shown, _ = package.NODE_CLASS_MAPPINGS["EfganEditExpression"].INPUT_TYPES()["required"][
        "expression"
    ]
    assert set(shown[1:]) == set(known)


def test_a_run_edits_as_the_editor_does(node: Any, toy_engines: Path) -> None:
    faces = toy_faces(3)
    images = torch.from_numpy(faces).float() / 255
    with Editor.open(toy_engines) as editor:
        expected = np.stack(editor.edit(list(faces), "happy", intensity=0.5))
        (made,) = node.edit(images, "happy", 0.5, engines=str(toy_engines))
        assert made.shape == images.shape and made.dtype == torch.float32
        assert np.array_equal((made * 255).round().to(torch.uint8).numpy(), expected)
        units = editor.action_units(faces[1])[0]
        borrowed = editor.edit(faces[0], towards=units)
    (made,) = node.edit(images[:1], "happy", 1.0, reference=images[1:2], engines=str(toy_engines))
    assert np.array_equal((made[0] * 255).round().to(torch.uint8).numpy(), borrowed)
    (same,) = node.edit(images, "happy", 1.0, only_if="AU12>4.99", engines=str(toy_engines))
    assert torch.equal(same, images)


def test_nothing_of_comfyui_is_imported(repository: Path) -> None:
    for path in (repository / "examples" / "comfyui").glob("*.py"):
        text = path.read_text()
        assert not any(f"import {each}" in text for each in ("comfy", "folder_paths", "nodes\n"))
