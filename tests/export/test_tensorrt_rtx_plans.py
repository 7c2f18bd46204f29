"""Plans of TensorRT for RTX by its real compiler; TensorRT's bindings stand for its module."""

import subprocess
import sys
from pathlib import Path

import pytest

from engines.manifest import read_manifest
from engines.nvidia_driver import present_gpu
from tests.built_engines import Built
from tests.tensorrt_on_cpu import environment

pytestmark = [
    pytest.mark.tensorrt,
    pytest.mark.usefixtures("own_cache_folder"),
    pytest.mark.skipif(present_gpu() is not None, reason="made for a machine without a GPU"),
]


def test_tensorrt_for_rtx_goes_the_same_way_where_it_alone_is_installed(
    fp16_engines: Built, tmp_path: Path, tensorrt_libraries: Path
) -> None:
    """Its module has the same interface; here the bindings stand for it, over its libraries."""
    out = tmp_path / "engines"
    script = (
        "import sys, tensorrt_bindings\n"
        "sys.modules.update(tensorrt_rtx=tensorrt_bindings, tensorrt=None)\n"
        "sys.modules['tensorrt_bindings'] = None\n"
        "from pathlib import Path\n"
        "from export.plans import PlanOptions, remake_plans\n"
        f"remake_plans(Path({str(fp16_engines.directory)!r}), Path({str(out)!r}), PlanOptions())\n"
    )
    subprocess.run([sys.executable, "-c", script], env=environment(tensorrt_libraries), check=True)
    plans = read_manifest(out).plans
    assert plans is not None
    assert plans.library == "tensorrt_rtx"


# What stands for `tensorrt_rtx`: the bindings over its libraries, with the one name that they lack.
# 28 is its number there: with it, and with no other, the compiler speaks of the flag by name.
AS_RTX = """
import sys, tensorrt_bindings
from types import SimpleNamespace
names = {name: getattr(tensorrt_bindings, name) for name in dir(tensorrt_bindings)}
flags = dict(tensorrt_bindings.BuilderFlag.__members__)
flags["REQUIRE_USER_ALLOCATION"] = tensorrt_bindings.BuilderFlag(28)
names["BuilderFlag"] = SimpleNamespace(**flags)
names["__spec__"] = tensorrt_bindings.__spec__
sys.modules.update(tensorrt_rtx=SimpleNamespace(**names), tensorrt=None)
sys.modules["tensorrt_bindings"] = None
from pathlib import Path
from export import to_tensorrt
from export.plans import PlanOptions, remake_plans
"""


def as_rtx(libraries: Path, lines: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", AS_RTX + lines],
        env=environment(libraries),
        capture_output=True,
        text=True,
        check=False,
    )


def test_plans_of_tensorrt_for_rtx_leave_all_memory_to_the_lane(
    fp16_engines: Built, tmp_path: Path, tensorrt_libraries: Path
) -> None:
    made = f"remake_plans(Path({str(fp16_engines.directory)!r}), Path({str(tmp_path / 'e')!r}), "
    # The compiler itself must see the flag: then it refuses what the flag forbids.
    forbidden = (
        "config_of = to_tensorrt._config\n"
        "def with_streaming(*arguments):\n"
        "    config = config_of(*arguments)\n"
        "    config.set_flag(to_tensorrt.trt.BuilderFlag.WEIGHT_STREAMING)\n"
        "    return config\n"
        "to_tensorrt._config = with_streaming\n"
    )
    refused = as_rtx(tensorrt_libraries, f"{forbidden}{made}PlanOptions())")
    expected = "kREQUIRE_USER_ALLOCATION is not compatible with BuilderFlag::kWEI"
    assert expected in refused.stderr, "the compiler was not told that all memory is the lane's"
    done = as_rtx(tensorrt_libraries, f"{made}PlanOptions())")
    assert done.returncode == 0, done.stderr
    plans = read_manifest(tmp_path / "e").plans
    assert plans is not None and plans.settings["user_allocation"] is True
