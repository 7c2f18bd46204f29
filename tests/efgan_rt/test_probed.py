"""What `auto` goes by: a probe that is made once, and what a run was begun with."""

from pathlib import Path

import pytest

from efgan_rt import probed
from efgan_rt.pipeline.journal import Journal
from efgan_rt.probed import choose_for_run, measured_rates, note_beginning
from engines import choice as choice_of
from engines import probe
from engines.base import EngineError
from engines.choice import BackendChoice
from engines.directory import EngineDirectory
from engines.openvino_engine import has_bf16
from engines.processor import Processor
from tests.toy_engines import write_toy_engines

BOTH = {"fp32": 0.01, "bf16": 0.05}


@pytest.fixture
def engines(tmp_path: Path) -> EngineDirectory:
    folder = tmp_path / "engines"
    folder.mkdir()
    write_toy_engines(folder)
    return EngineDirectory(folder)


@pytest.fixture(autouse=True)
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "data"))
    monkeypatch.setattr(choice_of, "find_device_backend", lambda *_: (None, ""))
    return tmp_path / "data" / "efgan-rt" / "probes"


def with_bf16(monkeypatch: pytest.MonkeyPatch, name: str = "Some CPU") -> None:
    found = Processor(name, "AVX512-BF16", True, cores=2)
    for module in (choice_of, probed):
        monkeypatch.setattr(module, "this_processor", lambda: found)
    monkeypatch.setattr("engines.openvino_engine.has_bf16", lambda: True)


def test_a_network_is_timed_in_both_precisions(engines: EngineDirectory) -> None:
    if not has_bf16():
        with pytest.raises(EngineError, match="this processor does not have it"):
            probe.measure(engines, "stage_1", batch=2, threads=1, most_s=0.2)
        pytest.skip("this processor has no bf16")
    found = probe.measure(engines, "stage_1", batch=2, threads=1, most_s=20)
    assert found is not None
    assert set(found) == {"fp32", "bf16"}
    assert all(0 < each < 0.5 for each in found.values())


def test_compiling_for_too_long_is_no_measurement(engines: EngineDirectory) -> None:
    assert probe.measure(engines, "stage_1", batch=2, threads=1, most_s=0.0) is None


def test_a_probe_is_made_once_for_a_set_a_batch_and_a_machine(
    engines: EngineDirectory, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[int] = []

    def measure(*_: object, batch: int, **__: object) -> dict[str, float]:
        asked.append(batch)
        return BOTH

    monkeypatch.setattr(probed, "measure", measure)
    for batch in (4, 4, 8):
        assert measured_rates(engines, "stage_1", batch=batch, threads=None)() == BOTH
    assert asked == [4, 8]
    for file in home.iterdir():
        file.write_text("{}")  # what is damaged is measured again
    assert measured_rates(engines, "stage_1", batch=4, threads=None)() == BOTH
    with_bf16(monkeypatch, "Another CPU")
    assert measured_rates(engines, "stage_1", batch=4, threads=None)() == BOTH
    assert asked == [4, 8, 4, 4]


def test_without_a_data_folder_nothing_is_measured_and_the_rule_is_named(
    engines: EngineDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "file"))
    with_bf16(monkeypatch, "AMD EPYC")
    rates = measured_rates(engines, "stage_1", batch=4, threads=None)
    choice = choose_for_run("auto", engines, None, rates=rates)
    assert choice.precision == "bf16"
    assert choice.reason == (
        "OpenVINO in bf16: nothing was measured here, and with AVX512-BF16 on a processor like "
        "this one (AMD EPYC) bf16 was quicker than the other"
    )


@pytest.mark.parametrize("begun", ["fp32", "bf16"])
def test_a_run_goes_on_with_what_it_was_begun_with(
    engines: EngineDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, begun: str
) -> None:
    with_bf16(monkeypatch)
    output = tmp_path / "out"
    fast = {"fp32": 0.01, "bf16": 0.05} if begun == "bf16" else {"fp32": 0.05, "bf16": 0.01}
    with Journal(output):
        note_beginning(output, engines, BackendChoice("openvino", begun, ""))
    choice = choose_for_run("auto", engines, None, rates=lambda: fast, output=output)
    assert choice.precision == begun
    assert choice.reason == f"OpenVINO in {begun}, with which the run in {output} was begun"
    asked = "fp32" if begun == "bf16" else "bf16"
    assert choose_for_run("auto", engines, asked, rates=dict, output=output).precision == asked


def test_a_run_of_an_earlier_version_goes_on_in_bf16(
    engines: EngineDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_bf16(monkeypatch)
    output = tmp_path / "out"
    with Journal(output):
        pass
    choice = choose_for_run("auto", engines, None, rates=lambda: BOTH, output=output)
    assert choice.precision == "bf16"


def test_a_run_with_another_set_begins_anew(
    engines: EngineDirectory, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with_bf16(monkeypatch)
    output = tmp_path / "out"
    other = tmp_path / "other"
    other.mkdir()
    write_toy_engines(other, precision="fp16")
    with Journal(output):
        note_beginning(output, EngineDirectory(other), BackendChoice("openvino", "bf16", ""))
    choice = choose_for_run("auto", engines, None, rates=lambda: BOTH, output=output)
    assert choice.precision == "fp32"
    assert "by a probe" in choice.reason
