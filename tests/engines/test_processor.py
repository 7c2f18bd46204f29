import os
from pathlib import Path

import pytest

from engines.processor import this_processor


def cpuinfo(folder: Path, flags: str, cpus: list[tuple[int, int, int]]) -> Path:
    """The kernel's list of (processor, physical id, core id)."""
    path = folder / "cpuinfo"
    path.write_text(
        "\n\n".join(
            f"processor\t: {number}\nmodel name\t: Some CPU @ 2.00GHz\nphysical id\t: {package}\n"
            f"core id\t\t: {core}\nflags\t\t: fpu sse2 {flags}"
            for number, package, core in cpus
        )
        + "\n\n"
    )
    return path


@pytest.fixture
def first() -> int:
    """The number of a processor that this process may use."""
    return min(os.sched_getaffinity(0))


@pytest.mark.parametrize(
    ("flags", "feature"),
    [
        ("avx512f avx512_bf16", "AVX512-BF16"),
        ("avx512_bf16 amx_tile amx_bf16", "AMX"),
        ("avx512f avx512_vnni avx_vnni", None),
        ("amx_tile amx_int8", None),
    ],
)
def test_bf16_is_read_off_the_flags(
    tmp_path: Path, first: int, flags: str, feature: str | None
) -> None:
    found = this_processor(cpuinfo(tmp_path, flags, [(first, 0, 0)]))
    assert (found.name, found.bf16, found.listed) == ("Some CPU @ 2.00GHz", feature, True)


def test_the_two_threads_of_a_core_count_once(
    tmp_path: Path, first: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2, 3, 4, 5})
    cpus = [(0, 0, 0), (1, 0, 1), (2, 0, 0), (3, 0, 1), (4, 1, 0), (5, 1, 0)]
    assert this_processor(cpuinfo(tmp_path, "", cpus)).cores == 3


def test_only_cores_that_the_process_may_use_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2})
    cpus = [(0, 0, 0), (1, 0, 1), (2, 0, 2), (3, 0, 3)]
    assert this_processor(cpuinfo(tmp_path, "", cpus)).cores == 2


def test_without_a_list_of_flags_nothing_is_claimed(tmp_path: Path) -> None:
    found = this_processor(tmp_path / "none")
    assert (found.bf16, found.listed) == (None, False)
    assert found.cores >= 1


def test_without_core_numbers_the_usable_processors_count(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 1, 2})
    path = tmp_path / "cpuinfo"
    path.write_text("processor\t: 0\nFeatures\t: fp asimd bf16\n\nprocessor\t: 1\n\n")
    assert this_processor(path).cores == 3
