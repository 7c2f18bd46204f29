"""The paste on a GPU: one source as a kernel for real GPUs, and as C against the processor's."""

import cmath
import re
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing

import numpy as np
import pytest

from efgan_rt.faces import device_paste
from efgan_rt.faces.align import Similarity
from efgan_rt.faces.device_paste import (
    KERNEL,
    PLACES,
    SOURCE,
    DevicePaste,
    cubic_weights,
    lanczos_weights,
    made_up_pastes,
)
from efgan_rt.faces.exposure import exposure_of
from efgan_rt.faces.motion import FIELDS, MOUTH, MOVED, PAINT, SHADED, Motion
from efgan_rt.faces.motion_paste import MotionPaste
from efgan_rt.faces.mouths import Mouths
from efgan_rt.pictures.original import Picture, Pixels
from engines import cuda_kernel
from engines.base import EngineError
from engines.cuda_kernel import compile_kernel
from tests.engines.fake_cuda import FakeCuda, FakeEvent, FakeKernel, HazardError

pytestmark = pytest.mark.usefixtures("c_compiler")

CROP_PX, GRID = 64, 32
MOUTHS = Mouths(np.full((1, 24, 40, 3), 90, np.uint8), np.full((1, 3), 0.3, np.float32))
KINDS = ["rgb8", "grey8", "rgb16", "grey16"]


@pytest.fixture
def cuda() -> FakeCuda:
    return FakeCuda()


@pytest.fixture
def on_device(cuda: FakeCuda) -> Iterator[DevicePaste]:
    with closing(DevicePaste(cuda, pytest.fail)) as opened:
        yield opened


def picture_of(kind: str, rows: int, columns: int, *, noise: bool) -> Pixels:
    random = np.random.default_rng(rows)
    if noise:
        pixels = random.integers(0, 256, (rows, columns, 3)).astype(np.float64)
    else:
        down, across = np.mgrid[:rows, :columns] / 40
        pixels = np.stack([128 + 90 * np.sin(a * down + across) for a in (1, 2, 3)], axis=-1)
    pixels = pixels if kind.startswith("rgb") else pixels[..., 0]
    if kind.endswith("16"):
        return np.rint(pixels * 257).astype(np.uint16)
    return np.rint(pixels).astype(np.uint8)


def crop_of(light: str) -> Picture:
    rows, columns = np.mgrid[:CROP_PX, :CROP_PX] / 9
    waves = np.stack([140 + 50 * np.sin(rows + columns * a) for a in (0.7, 1, 1.3)], axis=-1)
    crop = waves * (1.2, 1.0, 0.8) if light == "usual" else 0.12 * waves * (1.2, 1.0, 0.8)
    return np.rint(np.clip(crop, 0, 255)).astype(np.uint8)


def some_fields(random: np.random.Generator) -> np.ndarray:
    """Smooth fields that move, shade, open and paint a part of the grid."""
    rows, columns = np.mgrid[:GRID, :GRID] / GRID
    fields = np.zeros((GRID, GRID, FIELDS), np.float16)
    a, b = random.uniform(1, 3, 2)
    bump = np.clip(np.sin(np.pi * rows) * np.sin(np.pi * columns) * 1.3 - 0.25, 0, 1)
    fields[..., MOVED] = np.stack(
        [2 * bump * np.sin(a * rows), -3 * bump * np.cos(b * columns)], -1
    )
    fields[..., SHADED] = (0.5 * bump * np.sin(5 * rows + b))[..., np.newaxis]
    alpha = np.where(rows > 0.6, bump, 0)
    fields[..., MOUTH] = np.stack([alpha * (columns - 0.5), alpha * (rows - 0.7), alpha], -1)
    fields[..., PAINT] = (0.5 * np.where(rows < 0.4, bump, 0))[..., np.newaxis] * (
        0.6,
        -0.4,
        0.2,
        1,
    )
    return fields


def pasting_of(
    kind: str,
    scale: float,
    degrees: float = 7,
    light: str = "usual",
    *,
    noise: bool = False,
    eyes: bool = False,
) -> MotionPaste:
    random = np.random.default_rng(round(100 * scale))
    to_region = Similarity(cmath.rect(scale, np.deg2rad(degrees)), complex(3.3, -2.2) * scale)
    side = round(CROP_PX * scale)
    atlas = random.integers(40, 250, (2, 48, 80, 3), np.uint8)
    mouths = Mouths(atlas, np.full((2, 3), 0.3, np.float32), eyes)
    fields = some_fields(random)
    if eyes:  # the mouth's part again, where eyes are
        fields[4:16, :, MOUTH] = fields[20:, :, MOUTH]
    motion = Motion(fields, 1, mouths)
    region = picture_of(kind, side + 5, side, noise=noise)
    mask = np.linspace(0.5, 1, GRID, dtype=np.float32) * np.ones((GRID, 1), np.float32)
    return MotionPaste(region, to_region, crop_of(light), motion, mask)


def both(on_device: DevicePaste, pasting: MotionPaste) -> tuple[Pixels, Pixels]:
    here, there = pasting.before.copy(), pasting.before.copy()
    pasting.into_region(here)
    on_device(pasting, there)
    return here, there


@pytest.mark.parametrize("light", ["usual", "dim"])
@pytest.mark.parametrize("scale", [0.4, 1.0, 3.7])
@pytest.mark.parametrize("kind", KINDS)
def test_the_kernels_source_pastes_as_the_processor_does(
    on_device: DevicePaste, kind: str, scale: float, light: str
) -> None:
    pasting = pasting_of(kind, scale, light=light)
    assert pasting.is_drawn and (pasting.exposure is not None) == (light == "dim")
    here, there = both(on_device, pasting)
    assert not np.array_equal(here, pasting.before)
    apart = np.abs(here.astype(np.float64) - there) / pasting.unit
    print(f"{kind}: at most {apart.max():.3f} of 255 apart, {apart.mean():.2e} on average")
    # A sample and the result are each rounded to a step; the sample's step is lightened by up to
    # exp(0.4). At 16 bits steps are 1/257 of a level, but a place on the edge between two parts of
    # a pixel, or two cells of the grid, may fall on either side.
    assert apart.max() <= 2
    assert (apart > (0.5 if kind.endswith("8") else 0.02)).mean() < 0.005


@pytest.mark.parametrize("scale", [0.4, 3.7])
def test_the_kernels_source_draws_eyes_as_the_processor_does(
    on_device: DevicePaste, scale: float
) -> None:
    with_eyes = pasting_of("rgb8", scale, eyes=True)
    here, there = both(on_device, with_eyes)
    without, _ = both(on_device, pasting_of("rgb8", scale))
    assert (here != without).any(axis=-1).mean() > 0.02
    apart = np.abs(here.astype(np.float64) - there)
    # An eye's rows lie close, and these are noise.
    assert apart.max() <= 24 and (apart > 1.5).mean() < 0.001


@pytest.mark.parametrize("kind", KINDS)
def test_in_noise_too_places_are_rounded_as_opencv_rounds_them(
    on_device: DevicePaste, kind: str
) -> None:
    here, there = both(on_device, pasting_of(kind, 2.3, degrees=-20, noise=True))
    unit = 257 if kind.endswith("16") else 1
    apart = np.abs(here.astype(np.float64) - there) / unit
    print(f"{kind}: at most {apart.max():.2f} of 255 apart, {apart.mean():.2e} on average")
    # A place that falls to the other side of an edge moves by 1/32 of a pixel: in noise, far.
    assert apart.max() <= 24
    assert (apart > 1.5).mean() < 0.001


def test_what_no_field_touches_keeps_every_bit(on_device: DevicePaste) -> None:
    pasting = pasting_of("rgb8", 2.0, noise=True)
    here, there = both(on_device, pasting)
    untouched = (here == pasting.before).all(axis=-1)
    assert 0.1 < untouched.mean() < 0.9
    corner = np.zeros_like(untouched)
    corner[:8, :8] = True
    assert untouched[corner].all()
    assert np.array_equal(there[corner], pasting.before[corner])


def test_fields_at_a_crops_border_reach_no_further_than_on_the_processor(
    on_device: DevicePaste,
) -> None:
    crop, motion = crop_of("usual"), Motion(np.zeros((GRID, GRID, FIELDS), np.float16), 0, MOUTHS)
    motion.fields[..., MOVED] = 1.5
    region = picture_of("rgb8", 90, 160, noise=False)
    mask = np.ones((GRID, GRID), np.float32)
    here, there = both(on_device, MotionPaste(region, Similarity(1, 40 + 10j), crop, motion, mask))
    assert (here[:, 60:90] != region[:, 60:90]).any() and (here[:, :30] == region[:, :30]).all()
    assert np.abs(here.astype(int) - there).max() <= 2


def test_a_face_that_only_moves_needs_no_mouth(on_device: DevicePaste) -> None:
    pasting = made_up_pastes()[0]
    for array in (pasting.mouth, pasting.paint):
        array[:] = 0
    pasting.is_drawn = False
    here, there = both(on_device, pasting)
    assert np.abs(here.astype(int) - there).max() <= 2


def test_weights_are_one_pixels_at_a_whole_place_and_add_up_to_one() -> None:
    for weights, middle in ((lanczos_weights(), 3), (cubic_weights(), 1)):
        assert weights[0].tolist() == np.eye(weights.shape[1])[middle].tolist()
        np.testing.assert_allclose(weights.sum(axis=1), 1, atol=1e-6)
        np.testing.assert_allclose(weights[1:], weights[:0:-1, ::-1], atol=1e-6)


def test_the_made_up_face_makes_use_of_everything() -> None:
    for pasting in made_up_pastes():
        assert pasting.is_drawn and pasting.paint[..., 3].any() and pasting.shade.any()
        after = pasting.before.copy()
        pasting.into_region(after)
        assert (after != pasting.before).mean() > 0.2
    assert exposure_of(crop_of("dim")) is not None


# On the device of the tests.


@pytest.mark.parametrize("seed", range(3))
def test_threads_that_paste_do_not_disturb_each_other(seed: int) -> None:
    cuda = FakeCuda(seed)
    faces = [pasting_of(kind, scale) for kind in KINDS for scale in (0.7, 1.9)]
    with closing(DevicePaste(cuda, pytest.fail)) as paste:
        alone = [both(paste, each)[1] for each in faces]

        def once_more(pasting: MotionPaste) -> Pixels:
            return both(paste, pasting)[1]

        with ThreadPoolExecutor(4) as threads:
            together = list(threads.map(once_more, faces))
    for left, right in zip(alone, together, strict=True):
        np.testing.assert_array_equal(left, right)


def test_memory_grows_to_the_largest_region_and_is_given_back(cuda: FakeCuda) -> None:
    before = cuda.free_bytes()
    with closing(DevicePaste(cuda, pytest.fail)) as paste:
        small = cuda.free_bytes()
        for _ in range(PLACES):
            both(paste, pasting_of("rgb16", 12.0))
        large = cuda.free_bytes()
        assert large < small < before
        for _ in range(PLACES):
            both(paste, pasting_of("rgb16", 12.0))
        assert cuda.free_bytes() == large
    assert cuda.free_bytes() == before


def test_a_region_without_memory_is_pasted_on_the_processor_and_that_is_said_once() -> None:
    said: list[str] = []
    cuda = FakeCuda(total_bytes=8 << 20)
    with closing(DevicePaste(cuda, said.append)) as paste:
        for _ in range(2):
            here, there = both(paste, pasting_of("rgb16", 20.0))
            np.testing.assert_array_equal(here, there)
        here, there = both(paste, pasting_of("rgb8", 1.0))  # what is small still fits
        assert np.abs(here.astype(int) - there).max() <= 2
    assert len(said) == 1
    assert said[0].startswith("a face is pasted on the processor: no free device memory: ")


def test_a_device_that_pastes_otherwise_is_not_used(
    cuda: FakeCuda, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = SOURCE.read_text().replace("expf(between(shade,", "1 + 0 * expf(between(shade,")
    monkeypatch.setattr(cuda, "kernel", with_source(cuda, source))
    before = cuda.free_bytes()
    with pytest.raises(EngineError) as error:
        DevicePaste(cuda, pytest.fail)
    assert re.fullmatch(
        "a device of the tests pastes a made-up face otherwise than the processor: [0-9.]+% of its "
        "values are more than 2 of 255 levels apart, at worst [0-9]+; expected at most 0.1%",
        str(error.value),
    )
    assert cuda.free_bytes() == before


def with_source(cuda: FakeCuda, source: str) -> Callable[[str, str], object]:
    kernel = FakeCuda.kernel
    return lambda _, name: kernel(cuda, source, name)


def test_a_device_that_fails_is_told_and_its_place_can_be_used_again(
    cuda: FakeCuda, on_device: DevicePaste, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise EngineError("cuLaunchKernel failed: CUDA_ERROR_LAUNCH_FAILED")

    pasting = pasting_of("rgb8", 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(FakeKernel, "launch", fail)
        for _ in range(PLACES + 1):
            with pytest.raises(EngineError, match="CUDA_ERROR_LAUNCH_FAILED"):
                on_device(pasting, pasting.before.copy())
    both(on_device, pasting)


# Broken on purpose: the device of the tests has to catch each hazard.


@pytest.fixture
def broken(cuda: FakeCuda) -> DevicePaste:
    """To be broken by the test, and so never closed."""
    return DevicePaste(cuda, pytest.fail)


def test_a_paste_that_does_not_wait_is_caught(
    broken: DevicePaste, monkeypatch: pytest.MonkeyPatch
) -> None:
    pasting = pasting_of("rgb8", 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(FakeEvent, "synchronize", lambda _: None)
        with pytest.raises(HazardError, match="read by the host while a pending 'download'"):
            broken(pasting, pasting.before.copy())


def test_a_kernel_before_its_picture_is_caught(
    cuda: FakeCuda, broken: DevicePaste, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cuda, "upload", lambda *_: None)
    with pytest.raises(HazardError, match="'motion_paste' reads what nothing has written"):
        broken(pasting_of("rgb8", 8.0), pasting_of("rgb8", 8.0).before)


def test_two_regions_in_one_place_are_caught(
    broken: DevicePaste, monkeypatch: pytest.MonkeyPatch
) -> None:
    pasting, (one, other) = pasting_of("rgb8", 1.0), broken._all
    both(broken, pasting)
    both(broken, pasting)
    monkeypatch.setattr(other, "_memory", one._memory)
    with monkeypatch.context() as patch:
        patch.setattr(FakeEvent, "synchronize", lambda _: None)
        with pytest.raises(HazardError):
            broken(pasting, pasting.before.copy())
        with pytest.raises(HazardError, match="touch the same memory"):
            broken(pasting, pasting.before.copy())


def test_a_paste_closed_while_it_runs_is_caught(
    broken: DevicePaste, monkeypatch: pytest.MonkeyPatch
) -> None:
    pasting = pasting_of("rgb8", 1.0)
    with monkeypatch.context() as patch:
        patch.setattr(FakeEvent, "synchronize", lambda _: None)
        with pytest.raises(HazardError):
            broken(pasting, pasting.before.copy())
        with pytest.raises(HazardError, match="memory was freed while"):
            broken.close()


# With NVIDIA's compiler.


@pytest.fixture(scope="module")
def nvrtc() -> None:
    try:
        compile_kernel('extern "C" __global__ void nothing() {}', "9.0")
    except EngineError as error:
        pytest.skip(str(error))


@pytest.mark.usefixtures("nvrtc")
@pytest.mark.parametrize("compute_capability", ["8.0", "9.0"])
def test_nvrtc_makes_machine_code_of_the_same_source(compute_capability: str) -> None:
    code = compile_kernel(SOURCE.read_text(), compute_capability)
    assert code.startswith(b"\x7fELF") and KERNEL.encode() in code
    # Of 64-bit CUDA machine code, the flags' second byte is the architecture.
    assert code[18:20] == (190).to_bytes(2, "little")
    assert str(int(float(compute_capability) * 10)).encode() in code


@pytest.mark.usefixtures("nvrtc")
def test_what_nvrtc_refuses_is_told_in_its_words() -> None:
    with pytest.raises(EngineError) as error:
        compile_kernel('extern "C" __global__ void wrong() { nonsense; }', "9.0")
    assert str(error.value).startswith(
        "CUDA's runtime compiler makes no code for compute capability 9.0 "
        "(NVRTC_ERROR_COMPILATION: kernel.cu(1): error: "
    )
    assert 'identifier "nonsense" is undefined' in str(error.value)
    words = r"no code for compute capability 3\.0 .*update nvidia-cuda-nvrtc"
    with pytest.raises(EngineError, match=words):
        compile_kernel(SOURCE.read_text(), "3.0")


@pytest.mark.usefixtures("nvrtc")
def test_without_the_compiler_the_line_that_installs_it_is_told(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from cuda.bindings import nvrtc as module

    def missing(*_: object) -> None:
        raise RuntimeError("Failed to dlopen libnvrtc.so.13")

    monkeypatch.setattr(module, "nvrtcCreateProgram", missing)
    with pytest.raises(EngineError) as error:
        compile_kernel(SOURCE.read_text(), "9.0")
    assert str(error.value) == (
        "CUDA's runtime compiler cannot be loaded (Failed to dlopen libnvrtc.so.13); "
        f"install it with: {cuda_kernel.INSTALL_LINE}"
    )


def test_opencvs_parts_of_a_pixel_are_the_kernels() -> None:
    assert f"#define PARTS {device_paste.PARTS} " in SOURCE.read_text()
