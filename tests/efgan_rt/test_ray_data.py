"""`efgan_rt.ray.Edit`: batches of Ray Data, called as Ray calls it."""

from pathlib import Path

import numpy as np
import pytest

from efgan_rt.editor import Editor
from efgan_rt.ray import Edit
from tests.toy_engines import toy_faces


@pytest.fixture(scope="module")
def edit(tmp_path_factory: pytest.TempPathFactory) -> Edit:
    from tests.toy_engines import write_toy_engines

    folder = tmp_path_factory.mktemp("toy")
    write_toy_engines(folder)
    return Edit("happy", engines=folder, backend="onnxruntime", crops=True)


def test_pictures_of_one_size_stay_one_array(edit: Edit, toy_engines: Path) -> None:
    faces = toy_faces(3)
    given = {"image": faces, "path": np.array(["a", "b", "c"], np.object_)}
    made = edit(given)
    with Editor.open(toy_engines, "onnxruntime", crops=True) as editor:
        expected = np.stack([editor.edit(face, "happy") for face in faces])
    assert (made["image"] == expected).all()
    assert not (expected == faces).all()
    assert list(made["error"]) == ["", "", ""]
    assert list(made["path"]) == ["a", "b", "c"]


def test_an_error_stands_beside_its_picture_and_the_others_are_edited(edit: Edit) -> None:
    pictures = np.empty(2, np.object_)
    pictures[:] = [np.zeros((4, 4, 7), np.uint8), toy_faces(1)[0]]
    made = edit({"image": pictures})
    assert made["error"][0].startswith("found an array of 4 x 4 x 7 uint8, expected")
    assert made["error"][1] == ""
    assert made["image"][0] is pictures[0]
    assert made["image"][1].shape == (16, 16, 3)


@pytest.mark.slow
def test_ray_data_maps_batches(toy_engines: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("RAY_USAGE_STATS_ENABLED", "0")
    monkeypatch.setenv("RAY_worker_niceness", "0")  # else busy cores have nothing for them
    ray = pytest.importorskip("ray", reason='no Ray: pip install "efgan-rt[ray]"')
    pytest.importorskip("pyarrow", reason="no pyarrow, which Ray Data needs: pip install pyarrow")
    pytest.importorskip("pandas", reason="no pandas, which Ray Data needs: pip install pandas")
    ray.init(
        num_cpus=1,
        object_store_memory=80 * 1024 * 1024,
        include_dashboard=False,
        log_to_driver=False,
    )
    try:
        faces = toy_faces(4)
        made = (
            ray.data.from_numpy(faces)
            .map_batches(
                Edit,
                fn_constructor_args=("happy",),
                fn_constructor_kwargs={
                    "column": "data",
                    "engines": str(toy_engines),
                    "backend": "onnxruntime",
                    "crops": True,
                },
                batch_size=4,
                compute=ray.data.ActorPoolStrategy(size=1),
            )
            .take_all()
        )
    finally:
        ray.shutdown()
    with Editor.open(toy_engines, "onnxruntime", crops=True) as editor:
        for face, row in zip(faces, made, strict=True):
            assert row["error"] == ""
            assert (row["data"] == editor.edit(face, "happy")).all()
