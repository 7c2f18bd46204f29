"""Networks from elsewhere: how bytes reach them, batches, lengths, and what is refused."""

from pathlib import Path

import numpy as np
import onnx
import pytest

from efgan_rt.errors import EfganError
from train.metrics.onnx_network import OnnxNetwork, as_range, parse_layout

HEADER = '<ir_version: 10, opset_import: ["" : 20]>'
CROPS = np.random.default_rng(4).integers(0, 256, (5, 8, 8, 3)).astype(np.uint8)


def write_network(path: Path, shape: str, kind: str = "float") -> Path:
    """A network that gives each channel's mean over the pixels."""
    axes = "1, 2" if shape.endswith("3") else "2, 3"
    batch = shape.split(",")[0]
    text = f"""
    means ({kind}[{shape}] pictures) => (float[{batch},3] features) {{
        as_float = Cast<to=1>(pictures)
        axes = Constant<value_ints=[{axes}]>()
        features = ReduceMean<keepdims=0>(as_float, axes)
    }}"""
    onnx.save(onnx.parser.parse_model(HEADER + text), path)
    return path


@pytest.mark.parametrize(
    ("shape", "kind"),
    [("B,3,8,8", "float"), ("B,8,8,3", "float"), ("B,3,8,8", "uint8"), ("B,8,8,3", "uint8"),
     ("B,3,H,W", "float"), ("2,3,8,8", "float"), ("1,8,8,3", "uint8")],
)  # fmt: skip
def test_every_order_type_and_batch_sees_the_same_pictures(
    tmp_path: Path, shape: str, kind: str
) -> None:
    network = OnnxNetwork(write_network(tmp_path / "means.onnx", shape, kind), "rgb,bytes")
    np.testing.assert_allclose(network.extract(CROPS), CROPS.mean(axis=(1, 2)), rtol=1e-5)
    assert network.name == "means.onnx"


def test_crops_are_brought_to_the_networks_size(tmp_path: Path) -> None:
    path = write_network(tmp_path / "means.onnx", "B,3,4,4")
    found = OnnxNetwork(path, "bytes").extract(CROPS)
    # Means of 2 x 2 pixels, rounded to bytes.
    np.testing.assert_allclose(found, CROPS.mean(axis=(1, 2)), atol=0.6)


def test_channels_can_be_the_other_way_round(tmp_path: Path) -> None:
    path = write_network(tmp_path / "means.onnx", "B,3,8,8")
    straight = OnnxNetwork(path, "rgb,unit").extract(CROPS)
    np.testing.assert_allclose(OnnxNetwork(path, "bgr,unit").extract(CROPS), straight[:, ::-1])


def test_an_embedding_has_length_1(tmp_path: Path) -> None:
    found = OnnxNetwork(write_network(tmp_path / "means.onnx", "B,3,8,8")).embed(CROPS)
    np.testing.assert_allclose(np.linalg.norm(found, axis=1), 1, rtol=1e-5)


def test_ranges_are_what_they_say() -> None:
    pixels = np.array([[[[0, 127, 255]]]], np.uint8)
    assert as_range(pixels, "bytes").ravel().tolist() == [0, 127, 255]
    np.testing.assert_allclose(as_range(pixels, "unit").ravel(), [0, 127 / 255, 1], atol=1e-6)
    np.testing.assert_allclose(as_range(pixels, "signed").ravel(), [-1, -1 / 255, 1], atol=1e-6)
    wanted = [(0 - 0.485) / 0.229, (127 / 255 - 0.456) / 0.224, (1 - 0.406) / 0.225]
    np.testing.assert_allclose(as_range(pixels, "imagenet").ravel(), wanted, atol=1e-5)


def test_layouts_have_defaults_in_any_order() -> None:
    assert parse_layout("") == ("rgb", "signed")
    assert parse_layout("unit, bgr") == ("bgr", "unit")


@pytest.mark.parametrize("text", ["rbg", "rgb,bgr", "unit,signed", "rgb,unit,x"])
def test_other_layouts_are_refused(text: str) -> None:
    message = (
        f"'{text}' is no layout of a network's input; expected one of rgb bgr and one of bytes "
        "unit signed imagenet, such as bgr,unit"
    )
    with pytest.raises(EfganError) as refused:
        parse_layout(text)
    assert str(refused.value) == message


def test_a_file_that_is_missing_or_no_network_is_named(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match=r"gone\.onnx: there is no such file, expected an ONNX"):
        OnnxNetwork(tmp_path / "gone.onnx")
    (tmp_path / "broken.onnx").write_bytes(b"no network")
    with pytest.raises(EfganError, match=r"broken\.onnx: cannot be opened as an ONNX network: "):
        OnnxNetwork(tmp_path / "broken.onnx")


def test_a_network_that_takes_no_pictures_is_refused(tmp_path: Path) -> None:
    text = "plain (float[B,4] x) => (float[B,4] y) { y = Identity(x) }"
    onnx.save(onnx.parser.parse_model(HEADER + text), tmp_path / "plain.onnx")
    with pytest.raises(
        EfganError, match=r"takes x tensor\(float\) \['B', 4\], expected one input of pictures"
    ):
        OnnxNetwork(tmp_path / "plain.onnx")
