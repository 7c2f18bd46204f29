"""`efgan-rt info`: what this machine can run and which engines are used."""

import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from rich.table import Table


def info() -> None:
    """Tells what this machine can run, what is missing, and which engines are current."""
    import platform

    from efgan_rt import __version__
    from efgan_rt.cli.console import print_table, print_text
    from efgan_rt.errors import EfganError
    from engines.base import EngineError
    from engines.processor import this_processor

    processor = this_processor()
    print_text(f"efgan-rt   {__version__}")
    print_text(f"python     {platform.python_version()} ({sys.executable})")
    bf16 = f"bf16 by {processor.bf16}" if processor.bf16 else "no fast bf16"
    print_text(f"processor  {processor.name}, {processor.cores} cores, {bf16}")
    print_text(f"GPU        {_gpu()}")
    print_text(f"OpenCV     {_opencv()}")
    print_text(f"faces      {_detector()}")
    print_text(f"home       {_home()}")
    print_table(_packages())
    try:
        _print_engines()
    except (EfganError, EngineError) as error:
        print_text(f"engines    {error}")
    except (ImportError, AttributeError) as error:
        from efgan_rt.environment import installation_fault

        if installation_fault() is None:
            raise
        print_text(f"engines    cannot be looked at: {error}")


def _opencv() -> str:
    from efgan_rt.environment import installation_fault, opencv_packages

    found = ", ".join(f"{name} {number}" for name, number in opencv_packages().items())
    return installation_fault() or found or "of no known package"


def _detector() -> str:
    from efgan_rt.errors import EfganError

    try:
        from efgan_rt.faces.detector_file import open_detector

        return open_detector(None)[1]
    except EfganError as error:
        return str(error)
    except (ImportError, AttributeError) as error:  # of OpenCV, of which the line above tells
        return f"none: {error}"


def _home() -> str:
    from efgan_rt.errors import EfganError
    from efgan_rt.user_folders import cache_folder, data_folder

    try:
        return f"{data_folder()} (built, tuned), {cache_folder()} (compiled)"
    except EfganError as error:
        return f"{error}; nothing is kept"


def _gpu() -> str:
    from engines.nvidia_driver import present_gpu

    gpu = present_gpu()
    if gpu is None:
        return "none: no CUDA driver or no device"
    return f"{gpu.name}, compute capability {gpu.compute_capability}, driver {gpu.driver}"


def _packages() -> "Table":
    """The optional packages: what each is for, its version or the line that installs it."""
    from rich.table import Table

    from efgan_rt.extras import EXTRAS, install_line

    purposes = {
        "cpu": "run on the processor",
        "gpu": "run on a GPU",
        "tensorrt": "TensorRT plans",
        "nvimagecodec": "JPEGs on a GPU",
        "rtx": "TensorRT on RTX cards",
        "pycuda": "memory of GPUs",
        "studio": "the page to try edits on",
        "video": "videos, MP4 animations",
        "int8": "engines in int8",
        "ray": "the nodes of a cluster",
        "remote": "buckets, lists of addresses",
        "plot": "the picture of a bench",
        "train": "train and build engines",
        "portraits": "pairs from portraits",
        "evaluate": "the papers' tables",
        "inception": "FID's published features",
    }
    table = Table(title="Optional packages", title_justify="left")
    for heading in ("extra", "for", "package"):
        table.add_column(heading, overflow="fold")
    table.add_column("found", no_wrap=True)  # a line to be copied
    for extra, packages in EXTRAS.items():
        for package in packages:
            found = _version(package) if _is_there(package) else f"missing: {install_line(extra)}"
            table.add_row(extra, purposes[extra], package, found.replace("[", r"\["))
    return table


def _is_there(package: str) -> bool:
    from importlib.util import find_spec

    top, _, inner = package.partition(".")
    return find_spec(top) is not None and (not inner or find_spec(package) is not None)


def _version(package: str) -> str:
    from importlib.metadata import PackageNotFoundError, packages_distributions, version

    distributions = packages_distributions().get(package, [package.replace(".", "-")])
    try:
        return version(distributions[0])
    except PackageNotFoundError:
        return "present"


def _print_engines() -> None:
    from efgan_rt.cli.console import print_text
    from efgan_rt.engine_sets import SHIPPED_MODEL, current_set, find_set, shipped_set
    from efgan_rt.families.registry import FAMILIES, read_properties
    from engines.directory import EngineDirectory

    for family in FAMILIES.values():
        found = current_set(family.name)
        if found is None and family.name == SHIPPED_MODEL:
            found = shipped_set()
        print_text(f"{family.name:<10} {family.title}: {found or 'no engines built'}")
    print_text(f"current    {current_set() or 'none built: efgan-rt build-engines CKPT.pt'}")
    print_text(f"shipped    {shipped_set() or 'none in this copy'}")
    used = find_set(None)
    manifest = EngineDirectory(used.directory).manifest
    print_text(f"used       {used.directory} ({used.reason})")
    print_text(f"           {manifest.precision} graphs, {', '.join(manifest.networks)}")
    if plans := manifest.plans:
        place = f"for {plans.gpu}" if plans.gpu else "made without a GPU"
        print_text(f"           TensorRT plans: {plans.library} {plans.version}, {place}")
    if int8 := manifest.int8:
        worst = int8.parity.get("worst_pixels_psnr_db")
        kept = "" if worst is None else f", worst edit {worst:.1f} dB of fp32's"
        print_text(f"           int8 files for OpenVINO by NNCF {int8.nncf}{kept}")
    properties = read_properties(EngineDirectory(used.directory, manifest))
    print_text(f"expressions   {', '.join(properties.expressions) or 'none of its own'}")
    print_text(f"action units  {' '.join(properties.au_names) or 'reads none'}")
