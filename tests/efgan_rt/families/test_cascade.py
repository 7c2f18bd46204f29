from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efgan_rt.editing import OpenedSet
from efgan_rt.errors import EfganError
from efgan_rt.expressions import target_places
from efgan_rt.families.registry import read_properties, wiring_of
from efgan_rt.lane import Edited, Lane
from engines.arrays import Array
from engines.base import Engine, EngineError, Request, TensorSpec
from engines.choice import BackendChoice
from engines.directory import EngineDirectory
from engines.host_lane import HostLane
from engines.manifest import Manifest, read_manifest
from engines.open import open_engine
from engines.openvino_engine import has_bf16
from tests.efgan_rt.asking import asked
from tests.toy_engines import AU_NAMES, CROP_PX, write_toy_engines

BATCH = 4
UNITS = len(AU_NAMES)
needs_bf16 = pytest.mark.skipif(
    not has_bf16(), reason="this processor has no bf16 arithmetic that OpenVINO uses"
)
EVERY_BACKEND = [
    pytest.param("onnxruntime", "fp32", id="onnxruntime"),
    pytest.param("openvino", "fp32", id="openvino-fp32"),
    pytest.param("openvino", "bf16", id="openvino-bf16", marks=needs_bf16),
]
every_backend = pytest.mark.parametrize(("backend", "precision"), EVERY_BACKEND)


@pytest.fixture(scope="module")
def directory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two stages."""
    folder = tmp_path_factory.mktemp("engines")
    write_toy_engines(folder, stages=2)
    return folder


def opened(directory: Path, backend: str = "onnxruntime", precision: str = "fp32") -> OpenedSet:
    return OpenedSet.open(directory, backend=backend, precision=precision, batch=BATCH, threads=1)


@pytest.fixture(scope="module")
def engines(directory: Path) -> OpenedSet:
    return opened(directory)


@dataclass(frozen=True)
class Job:
    """Pictures with a target each."""

    pixels: Array
    scale: Array
    offset: Array
    source_au: Array

    def rows(self, rows: slice) -> "Job":
        """Some of the pictures."""
        return Job(*(array[rows].copy() for array in vars(self).values()))


def job(count: int, seed: int = 0) -> Job:
    random = np.random.default_rng(seed)
    return Job(
        random.integers(0, 256, (count, CROP_PX, CROP_PX, 3), dtype=np.uint8),
        random.uniform(0, 1, (count, UNITS)).astype(np.float32),
        random.uniform(0, 4, (count, UNITS)).astype(np.float32),
        random.uniform(0, 5, (count, UNITS)).astype(np.float32),
    )


def arrays_of(edited: Edited) -> dict[str, Array]:
    """Each array, pictures first."""
    return {
        "pixels": edited.pixels,
        "source_au": edited.source_au,
        "stage_au": edited.stage_au.transpose(1, 0, 2),
        "attention": np.asarray(edited.attention),
    }


def assert_same(left: Mapping[str, Array], right: Mapping[str, Array]) -> None:
    assert left.keys() == right.keys()
    for name in left:
        np.testing.assert_array_equal(left[name], right[name], err_msg=name)


def test_opening_tells_what_the_set_holds(engines: OpenedSet) -> None:
    assert (engines.batch, engines.stages, engines.crop_px) == (BATCH, 2, CROP_PX)
    assert engines.au_names == AU_NAMES
    assert engines.choice.backend == "onnxruntime"
    assert set(engines.manifest.networks) == {"au_estimator", "interpolator", "stage_1", "stage_2"}


def test_expressions_are_float32_vectors_by_name(engines: OpenedSet) -> None:
    assert set(engines.expressions) == {"happy", "blink"}
    assert engines.expressions["happy"].dtype == np.float32
    assert engines.expressions["happy"].tolist() == [0.0, 4.5, 0.0]


@every_backend
def test_the_lane_is_the_networks_one_after_the_other(
    directory: Path, backend: str, precision: str
) -> None:
    manifest, work = read_manifest(directory), job(BATCH)

    def network(name: str, arithmetic: str) -> Request:
        return open_engine(
            EngineDirectory(directory, manifest),
            name,
            BackendChoice(backend, arithmetic, ""),
            batch=BATCH,
            threads=1,
        ).request()

    source_au = network("au_estimator", precision).run({"pixels": work.pixels})["au"]
    stage_au = network("interpolator", "fp32").run(
        {
            "source_au": source_au,
            "target_scale": work.scale,
            "target_offset": work.offset,
            "progress": np.tile(np.array([0.5, 1.0], np.float32), (BATCH, 1)),
        }
    )["stage_au"]
    first = network("stage_1", precision).run({"pixels": work.pixels, "au": stage_au[0]})
    second = network("stage_2", precision).run({"image_in": first["image_out"], "au": stage_au[1]})

    found = (
        opened(directory, backend, precision)
        .lane()
        .run(**asked(work.pixels, work.scale, work.offset))
    )

    assert_same(
        arrays_of(found),
        {
            "pixels": second["pixels_out"],
            "source_au": source_au,
            "stage_au": stage_au.transpose(1, 0, 2),
            "attention": second["attention"],
        },
    )


def test_stages_aim_at_equal_steps_from_source_to_target(engines: OpenedSet) -> None:
    work = job(BATCH)
    edited = engines.lane().run(
        work.pixels, target_places(work.scale, work.offset), known={"source_au": work.source_au}
    )
    target = np.clip(work.scale * work.source_au + work.offset, 0, 5)
    expected = np.stack([(work.source_au + target) / 2, target])
    np.testing.assert_allclose(edited.stage_au, expected, rtol=0, atol=1e-6)


def test_progress_given_for_each_picture_is_followed(engines: OpenedSet) -> None:
    work = job(BATCH)
    progress = np.array([[0, 0], [0, 1], [1, 0], [0.25, 0.75]], np.float32)
    edited = engines.lane().run(
        work.pixels,
        target_places(work.scale, work.offset),
        known={"source_au": work.source_au},
        progress=progress,
    )
    target = np.clip(work.scale * work.source_au + work.offset, 0, 5)
    change = progress.T[:, :, None] * (target - work.source_au)
    np.testing.assert_allclose(edited.stage_au, work.source_au + change, rtol=0, atol=1e-6)


def test_no_change_asked_is_no_change_of_action_units(engines: OpenedSet) -> None:
    work = job(BATCH)
    edited = engines.lane().run(
        work.pixels,
        target_places(np.ones_like(work.scale), np.zeros_like(work.offset)),
        known={"source_au": work.source_au},
    )
    assert_same({"stage_au": edited.stage_au}, {"stage_au": np.stack([work.source_au] * 2)})


def test_source_au_that_are_given_are_not_estimated(engines: OpenedSet) -> None:
    work = job(BATCH)
    edited = engines.lane().run(
        work.pixels, target_places(work.scale, work.offset), known={"source_au": work.source_au}
    )
    assert edited.source_au is work.source_au
    assert list(edited.seconds) == ["interpolator", "stage_1", "stage_2"]


def test_every_network_that_ran_has_its_time(engines: OpenedSet) -> None:
    work = job(BATCH)
    seconds = engines.lane().run(work.pixels, target_places(work.scale, work.offset)).seconds
    assert list(seconds) == ["au_estimator", "interpolator", "stage_1", "stage_2"]
    assert all(0 < taken < 60 for taken in seconds.values())


@every_backend
def test_a_lanes_arrays_are_overwritten_by_its_next_run_and_no_other(
    directory: Path, backend: str, precision: str
) -> None:
    engines, work = opened(directory, backend, precision), job(BATCH)
    lane, other = engines.lane(), engines.lane()
    first = lane.run(work.pixels, target_places(work.scale, work.offset))
    kept = {name: array.copy() for name, array in arrays_of(first).items()}
    changed = job(BATCH, seed=1)
    other.run(**asked(changed.pixels, changed.scale, changed.offset))
    assert_same(arrays_of(first), kept)
    second = lane.run(changed.pixels, target_places(changed.scale, changed.offset))
    for name, array in arrays_of(second).items():
        assert np.shares_memory(array, arrays_of(first)[name])
        assert not np.array_equal(array, kept[name])


@dataclass
class Recorder:
    """An engine that notes the very arrays that its requests take and give."""

    engine: Engine
    taken: dict[str, Array] = field(default_factory=dict)
    given: dict[str, Array] = field(default_factory=dict)

    @property
    def backend(self) -> str:
        return self.engine.backend

    @property
    def precision(self) -> str:
        return self.engine.precision

    @property
    def inputs(self) -> tuple[TensorSpec, ...]:
        return tuple(self.engine.inputs)

    @property
    def outputs(self) -> tuple[TensorSpec, ...]:
        return tuple(self.engine.outputs)

    def request(self) -> "Recorder":
        self._request = self.engine.request()
        return self

    def run(self, inputs: Mapping[str, Array]) -> Mapping[str, Array]:
        self.taken.update(inputs)
        self.given.update(self._request.run(inputs))
        return self.given


def test_nothing_is_copied_between_networks(directory: Path) -> None:
    manifest, work = read_manifest(directory), job(BATCH)
    recorders = {
        name: Recorder(
            open_engine(
                EngineDirectory(directory, manifest),
                name,
                BackendChoice("onnxruntime", "fp32", ""),
                batch=BATCH,
                threads=1,
            )
        )
        for name in manifest.networks
    }
    directory_of = EngineDirectory(directory)
    properties = read_properties(directory_of)
    wiring = wiring_of(directory_of, properties)
    lane = Lane(HostLane(recorders, wiring.program), wiring, properties, BATCH)
    lane.run(**asked(work.pixels, work.scale, work.offset))
    interpolator, first, second = (
        recorders[name] for name in ("interpolator", "stage_1", "stage_2")
    )
    assert interpolator.taken["source_au"] is recorders["au_estimator"].given["au"]
    assert first.taken["pixels"] is work.pixels
    assert second.taken["image_in"] is first.given["image_out"]
    stage_au = interpolator.given["stage_au"]
    for stage, recorder in enumerate((first, second)):
        assert recorder.taken["au"].ctypes.data == stage_au[stage].ctypes.data


@needs_bf16
def test_the_interpolator_is_fp32_whatever_the_others_compute_in(directory: Path) -> None:
    work = job(BATCH)
    exact, rounded = (
        opened(directory, "openvino", precision)
        .lane()
        .run(**asked(work.pixels, work.scale, work.offset, work.source_au))
        for precision in ("fp32", "bf16")
    )
    assert_same({"au": exact.stage_au}, {"au": rounded.stage_au})
    assert not np.array_equal(exact.pixels, rounded.pixels)


@every_backend
def test_a_single_picture_is_bit_for_bit_a_row_of_its_batch(
    directory: Path, backend: str, precision: str
) -> None:
    engines, work = opened(directory, backend, precision), job(BATCH)
    lane = engines.lane()
    together = arrays_of(lane.run(work.pixels, target_places(work.scale, work.offset)))
    for row in range(BATCH):
        one = work.rows(slice(row, row + 1))
        alone = arrays_of(engines.edit(one.pixels, target_places(one.scale, one.offset)))
        assert_same(alone, {name: array[row : row + 1] for name, array in together.items()})


def test_any_number_of_pictures_is_edited_in_order(engines: OpenedSet) -> None:
    work = job(2 * BATCH + 3)
    progress = np.random.default_rng(1).uniform(0, 1, (2 * BATCH + 3, 2)).astype(np.float32)
    found = arrays_of(
        engines.edit(
            work.pixels,
            target_places(work.scale, work.offset),
            known={"source_au": work.source_au},
            progress=progress,
        )
    )
    for row in range(len(work.pixels)):
        one = work.rows(slice(row, row + 1))
        alone = engines.edit(
            one.pixels,
            target_places(one.scale, one.offset),
            known={"source_au": one.source_au},
            progress=progress[row : row + 1],
        )
        assert_same(arrays_of(alone), {name: array[row : row + 1] for name, array in found.items()})


def test_stage_pictures_are_those_of_every_stage_and_the_last_is_the_edit(
    engines: OpenedSet,
) -> None:
    work = job(11)
    edited = engines.edit(work.pixels, target_places(work.scale, work.offset), stages=True)
    shapes = [each.shape for each in edited.stage_pixels]
    assert shapes == [work.pixels.shape] * engines.stages
    np.testing.assert_array_equal(edited.stage_pixels[-1], edited.pixels)
    without = engines.edit(work.pixels, target_places(work.scale, work.offset))
    assert without.stage_pixels == ()
    np.testing.assert_array_equal(without.pixels, edited.pixels)
    assert all((each != edited.pixels).any() for each in edited.stage_pixels[:-1])


def test_no_pictures_give_no_pictures(engines: OpenedSet) -> None:
    work = job(0)
    edited = engines.edit(work.pixels, target_places(work.scale, work.offset))
    assert edited.pixels.shape == (0, CROP_PX, CROP_PX, 3)
    assert edited.stage_au.shape == (2, 0, UNITS)
    assert edited.seconds == {}


def test_one_target_serves_all_pictures(engines: OpenedSet) -> None:
    work = job(BATCH + 1)
    scale, offset = work.scale[0], work.offset[0]
    repeated = [np.tile(array, (BATCH + 1, 1)) for array in (scale, offset)]
    assert_same(
        arrays_of(engines.edit(work.pixels, target_places(scale, offset))),
        arrays_of(engines.edit(**asked(work.pixels, *repeated))),
    )


def test_the_estimate_is_what_a_run_starts_from(engines: OpenedSet) -> None:
    work = job(BATCH + 1)
    edited = engines.edit(work.pixels, target_places(work.scale, work.offset))
    assert_same({"au": engines.estimate(work.pixels)}, {"au": edited.source_au})


def test_lanes_in_threads_of_their_own_give_what_one_lane_gives(directory: Path) -> None:
    engines = opened(directory, "openvino")
    works = [job(BATCH, seed) for seed in range(3)]

    def run(work: Job) -> dict[str, Array]:
        lane = engines.lane()
        for _ in range(10):
            edited = lane.run(work.pixels, target_places(work.scale, work.offset))
        return {name: array.copy() for name, array in arrays_of(edited).items()}

    expected = [run(work) for work in works]
    with ThreadPoolExecutor(3) as pool:
        for found, wanted in zip(pool.map(run, works), expected, strict=True):
            assert_same(found, wanted)


def test_a_half_precision_set_runs(tmp_path: Path) -> None:
    write_toy_engines(tmp_path, precision="fp16")
    work = job(BATCH)
    edited = opened(tmp_path).edit(**asked(work.pixels, work.scale, work.offset))
    assert edited.pixels.std() > 0


def test_a_single_stage_is_a_cascade(tmp_path: Path) -> None:
    write_toy_engines(tmp_path, stages=1)
    work = job(BATCH)
    edited = opened(tmp_path).edit(**asked(work.pixels, work.scale, work.offset, work.source_au))
    target = np.clip(work.scale * work.source_au + work.offset, 0, 5)
    np.testing.assert_allclose(edited.stage_au[0], target, rtol=0, atol=1e-6)


@pytest.mark.parametrize("name", ["source_au", "scale", "offset", "progress"])
@pytest.mark.parametrize("bad", [np.nan, np.inf])
def test_numbers_that_are_not_finite_are_refused(engines: OpenedSet, name: str, bad: float) -> None:
    work = job(BATCH)
    given: dict[str, Any] = {**vars(work), "progress": np.ones((BATCH, 2), np.float32)}
    given[name][2, 1] = bad
    place = name if name in ("source_au", "progress") else f"target_{name}"
    sentence = rf"^{place} holds NaN or infinity in rows \[2\], expected finite numbers"
    with pytest.raises(EfganError, match=sentence):
        engines.lane().run(**asked(**given))


@pytest.mark.parametrize(
    ("name", "array", "sentence"),
    [
        (
            "scale",
            np.ones((2, UNITS)),
            r"scale has shape \(2, 3\), expected a row for each of 4",
        ),
        ("offset", np.ones(5), r"'target_offset' has shape \(4, 5\), expected \(4, 3\)"),
        ("source_au", np.ones((4, 5)), r"'source_au' has shape \(4, 5\), expected \(4, 3\)"),
        ("progress", np.ones((4, 3)), r"'progress' has shape \(4, 3\), expected \(4, 2\)"),
    ],
)
def test_arrays_that_do_not_fit_the_pictures_are_refused(
    engines: OpenedSet, name: str, array: Array, sentence: str
) -> None:
    given: dict[str, Any] = {**vars(job(BATCH)), name: array.astype(np.float32)}
    with pytest.raises((EfganError, EngineError), match=sentence):
        engines.edit(**asked(**given))


@pytest.mark.parametrize(
    ("pixels", "sentence"),
    [
        (np.zeros((1, 8, 8, 3), np.uint8), r"shape \(4, 8, 8, 3\), expected \(4, 16, 16, 3\)"),
        (np.zeros((1, CROP_PX, CROP_PX, 3), np.float32), "'pixels' is float32, expected uint8"),
    ],
)
def test_pictures_that_the_networks_do_not_take_are_refused(
    engines: OpenedSet, pixels: Array, sentence: str
) -> None:
    with pytest.raises(EngineError, match=sentence):
        engines.edit(**asked(pixels, np.ones(UNITS, np.float32), np.zeros(UNITS, np.float32)))


@pytest.mark.parametrize(
    ("properties", "sentence"),
    [
        ({"stages": 0}, "property stages is 0, expected a positive integer"),
        ({"stages": 10**12}, "expected a positive integer, and a network for each"),
        ({"stages": True}, "property stages is True, expected a positive integer"),
        ({"crop_px": "128"}, "property crop_px is '128', expected a positive integer"),
        ({"au_names": []}, r"property au_names is \[\], expected a list of action units"),
        ({"expressions": None}, "expressions is None, expected 3 finite intensities for each name"),
        ({"expressions": {"sad": [1.0]}}, "expected 3 finite intensities for each name"),
        ({"expressions": {"sad": ["a", "b", "c"]}}, "expected 3 finite intensities for each name"),
        ({"stages": 3}, "network 'interpolator' takes .* expected .*progress float32 .*, 3"),
        ({"crop_px": 128}, r"network 'au_estimator' takes pixels uint8 \['B', 16, 16, 3\] and "),
        ({"au_names": ["AU01"], "expressions": {}}, r"gives au float32 \['B', 3\], expected "),
    ],
)
def test_a_set_that_is_no_cascade_is_refused(
    tmp_path: Path, properties: dict[str, Any], sentence: str
) -> None:
    write_toy_engines(tmp_path, properties=properties)
    with pytest.raises(EngineError, match=sentence) as caught:
        opened(tmp_path)
    assert str(caught.value).startswith(f"{tmp_path}: ")
    assert "efgan-rt build-engines CKPT.pt" in str(caught.value)


def rewritten(directory: Path, change: Callable[[Manifest], Manifest]) -> None:
    change(read_manifest(directory)).write(directory)


def test_a_property_that_is_missing_is_named(tmp_path: Path) -> None:
    write_toy_engines(tmp_path)
    rewritten(tmp_path, lambda manifest: replace(manifest, properties={}))
    with pytest.raises(EngineError, match="property crop_px is missing, expected a positive"):
        opened(tmp_path)


def test_a_set_without_one_of_its_stages_is_refused(tmp_path: Path) -> None:
    write_toy_engines(tmp_path)

    def without_stage_2(manifest: Manifest) -> Manifest:
        kept = {name: entry for name, entry in manifest.networks.items() if name != "stage_2"}
        return replace(manifest, networks=kept)

    rewritten(tmp_path, without_stage_2)
    with pytest.raises(EngineError, match="has no network 'stage_2', it has au_estimator, interp"):
        opened(tmp_path)
