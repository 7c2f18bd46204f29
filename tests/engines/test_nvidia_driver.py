"""Asking the driver which GPU is here. A library of our own answers in the driver's place."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.tensorrt_on_cpu import MissingPartError, find_compiler

DRIVER = """
#include <string.h>
int cuInit(unsigned flags) { return flags + STATUS; }
int cuDeviceGet(int *device, int number) { *device = number; return number == 0 ? 0 : 101; }
int cuDeviceGetName(char *name, int size, int device)
{ strncpy(name, "Toy GPU", size); return device; }
int cuDeviceGetAttribute(int *value, int attribute, int device)
{ *value = attribute == 75 ? 8 : attribute == 76 ? 9 : -1; return device; }
int cuDeviceGetPCIBusId(char *text, int size, int device)
{ strncpy(text, "0000:81:00.0", size); return device; }
int cuDriverGetVersion(int *version) { *version = 13020; return 0; }
"""
MANAGEMENT = """
#include <string.h>
int nvmlInit_v2(void) { return 0; }
int nvmlShutdown(void) { return 0; }
int nvmlSystemGetDriverVersion(char *text, unsigned size)
{ strncpy(text, "580.65.06", size); return 0; }
"""


def library(folder: Path, name: str, source: str, *options: str) -> None:
    try:
        compiler = find_compiler()
    except MissingPartError as missing:
        pytest.skip(str(missing))
    path = folder / f"{name}.c"
    path.write_text(source)
    command = [compiler, "-shared", "-fPIC", *options, "-o", str(folder / name), str(path)]
    subprocess.run(command, check=True)


def answer(folder: Path, device: int = 0, ask: str = "present_gpu") -> str:
    """What a process that finds the libraries in `folder` is told."""
    code = f"from engines.nvidia_driver import {ask}; print({ask}({device}))"
    done = subprocess.run(
        [sys.executable, "-c", code],
        env=os.environ | {"LD_LIBRARY_PATH": str(folder)},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def test_a_gpu_is_described_by_its_driver(tmp_path: Path) -> None:
    library(tmp_path, "libcuda.so.1", DRIVER, "-DSTATUS=0")
    library(tmp_path, "libnvidia-ml.so.1", MANAGEMENT)
    assert answer(tmp_path) == "Gpu(name='Toy GPU', compute_capability='8.9', driver='580.65.06')"


def test_without_the_management_library_the_cuda_version_stands_for_the_drivers(
    tmp_path: Path,
) -> None:
    library(tmp_path, "libcuda.so.1", DRIVER, "-DSTATUS=0")
    library(
        tmp_path,
        "libnvidia-ml.so.1",
        MANAGEMENT.replace("return 0; }\nint nvmlS", "return 9; }\nint nvmlS", 1),
    )
    assert "driver='CUDA 13.2'" in answer(tmp_path)


@pytest.mark.parametrize(("status", "device"), [(100, 0), (0, 1)])
def test_a_driver_without_such_a_device_is_no_gpu(tmp_path: Path, status: int, device: int) -> None:
    library(tmp_path, "libcuda.so.1", DRIVER, f"-DSTATUS={status}")
    assert answer(tmp_path, device) == "None"


def test_a_gpus_place_is_what_nvidia_smi_takes(tmp_path: Path) -> None:
    library(tmp_path, "libcuda.so.1", DRIVER, "-DSTATUS=0")
    assert answer(tmp_path, ask="pci_address") == "0000:81:00.0"
    assert answer(tmp_path, 1, ask="pci_address") == "None"
