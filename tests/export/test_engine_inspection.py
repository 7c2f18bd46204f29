"""What the engine inspector says of a built engine, in the words of TensorRT 10 and of 11.

An engine can be opened on a GPU only, so the texts here are written after the documentation: 10
joins format and type under `Format/Datatype`; 11 has them apart, and `I/O Tensors` for `Bindings`.
"""

import json
from typing import Any

import pytest

from efgan_rt.errors import EfganError

pytestmark = [pytest.mark.tensorrt, pytest.mark.usefixtures("loaded_tensorrt")]

FP16_10 = "Channel major FP16 format where channel % 8 == 0"
FP32_10 = "Row major linear FP32 format"


def layer(kind: str, *types: str, version: int = 11, name: str = "conv_1") -> dict[str, Any]:
    def tensor(text: str) -> dict[str, Any]:
        if version == 10:
            return {"Name": "t", "Location": "Device", "Format/Datatype": text}
        return {"Name": "t", "Format": "Row major linear", "Datatype": text}

    return {
        "Name": name,
        "LayerType": kind,
        "Inputs": [tensor(text) for text in types],
        "Outputs": [tensor(types[0])],
    }


def prove(rule: str, *layers: dict[str, Any] | str, version: int = 11) -> dict[str, int | str]:
    from export.arithmetic_proof import Arithmetic, prove_engine

    names = {"Bindings": ["pixels"]} if version == 10 else {"I/O Tensors": [{"Name": "pixels"}]}
    return prove_engine("stage_1", json.dumps({"Layers": layers} | names), Arithmetic[rule])


@pytest.mark.parametrize(("version", "half"), [(10, FP16_10), (11, "Half")])
def test_convolutions_in_half_prove_a_half_engine(version: int, half: str) -> None:
    float_ = FP32_10 if version == 10 else "Float"
    found = prove(
        "HALF",
        layer("CaskConvolution", half, version=version),
        layer("CaskDeconvolutionV2", half, version=version),
        layer("Normalization", float_, version=version),
        version=version,
    )
    assert found == {"engine_layers": 3, "engine_layers_in_half": 2}


@pytest.mark.parametrize(("version", "float_"), [(10, FP32_10), (11, "Float")])
def test_a_convolution_that_fell_to_fp32_is_named(version: int, float_: str) -> None:
    with pytest.raises(EfganError) as caught:
        prove(
            "HALF",
            layer("CaskConvolution", FP16_10, version=version, name="good"),
            layer("CaskConvolution", float_, version=version, name="bad"),
            version=version,
        )
    assert str(caught.value) == (
        f"stage_1: the engine that TensorRT built: bad takes {float_}, expected convolutions in "
        "half, normalisations in FP32; no plans were written; make the engines again with: "
        "efgan-rt build-engines CKPT.pt"
    )


@pytest.mark.parametrize("layers", [[layer("Myelin", "Float")], ["conv_1", "conv_2"]])
def test_an_engine_that_shows_no_half_is_noted_for_its_network_has_proved_it(
    layers: list[dict[str, Any] | str],
) -> None:
    assert prove("HALF", layer("Myelin", "Half", "Float"))["engine_layers_in_half"] == 1
    found = prove("HALF", *layers)
    assert found["engine_layers_in_half"] == 0
    assert found["note"] == (
        f"none of the engine's {len(layers)} layers shows half, as where TensorRT fuses a network "
        "into one; the network that it read computes in half"
    )


def test_a_full_precision_engine_has_nothing_in_half() -> None:
    found = prove("SINGLE", layer("CaskConvolution", "Float"))
    assert found == {"engine_layers": 1, "engine_layers_in_half": 0}
    with pytest.raises(EfganError, match="conv_1 takes Half, 1 of its 1 layers are in half"):
        prove("SINGLE", layer("CaskConvolution", "Half"))
