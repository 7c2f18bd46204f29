"""A real Triton server, out of the wheel of NVIDIA's PyTriton; its Python backend alone.

Of that package nothing is imported: its own Python asks for numpy 1. `make` unpacks it beside the
environment's packages.
"""

import os
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import venv
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

PATIENCE_S = 120


def unpacked() -> Path:
    """Where the wheel lies; skips the test where it does not."""
    folder = Path(sys.prefix) / "triton"
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    server = folder / "pytriton" / "tritonserver"
    if not (server / "python_backend_stubs" / version).is_dir():
        pytest.skip(f"no Triton server for Python {version} in {folder}; `make test` unpacks it")
    return folder


def _free_ports(count: int) -> list[int]:
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports: list[int] = [each.getsockname()[1] for each in sockets]
    for each in sockets:
        each.close()
    return ports


@contextmanager
def served(repository: Path, model: str, scratch: Path, packages: Path) -> Iterator[Any]:
    """A client of a server that has loaded one model.

    Args:
        repository: of models.
        model: the one.
        scratch: an empty folder.
        packages: a folder whose packages come first in the models' Python.
    """
    from tritonclient import grpc

    folder = unpacked()
    server = folder / "pytriton" / "tritonserver"
    backend = scratch / "backends" / "python"
    shutil.copytree(server / "backends" / "python", backend)
    version = f"{sys.version_info.major}.{sys.version_info.minor}"
    stub = backend / "triton_python_backend_stub"
    shutil.copy(server / "python_backend_stubs" / version / stub.name, stub)
    stub.chmod(0o755)
    program = scratch / "tritonserver"
    shutil.copy(server / "bin" / "tritonserver", program)
    program.chmod(0o755)
    environment = scratch / "environment"
    venv.create(environment, with_pip=False)
    (found,) = environment.rglob("site-packages")
    (found / "found.pth").write_text(f"{packages}\n{sysconfig.get_path('purelib')}\n")
    http, rpc = _free_ports(2)
    libraries = (folder / "nvidia_pytriton.libs", sysconfig.get_config_var("LIBDIR"))
    log = scratch / "log"
    with open(log, "w") as file:
        process = subprocess.Popen(
            [
                *(str(program), "--model-repository", str(repository)),
                *("--backend-directory", str(backend.parent), "--allow-metrics", "false"),
                *("--model-control-mode", "explicit", "--load-model", model),
                *("--http-address", "127.0.0.1", "--http-port", str(http)),
                *("--grpc-address", "127.0.0.1", "--grpc-port", str(rpc), "--exit-timeout-secs=5"),
            ],
            env={
                **os.environ,
                "PATH": f"{environment / 'bin'}{os.pathsep}{os.environ['PATH']}",
                "LD_LIBRARY_PATH": os.pathsep.join(map(str, libraries)),
            },
            stdout=file,
            stderr=file,
        )
    try:
        client = grpc.InferenceServerClient(f"127.0.0.1:{rpc}")
        until = time.monotonic() + PATIENCE_S
        while not _is_ready(client, model):
            assert process.poll() is None, log.read_text()
            assert time.monotonic() < until, log.read_text()
            time.sleep(0.2)
        yield client
        client.close()
    finally:
        process.terminate()
        process.wait()


def _is_ready(client: Any, model: str) -> bool:
    from tritonclient.utils import InferenceServerException

    try:
        return bool(client.is_model_ready(model))
    except InferenceServerException:  # it does not listen yet
        return False
