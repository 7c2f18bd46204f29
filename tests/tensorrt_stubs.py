"""Type stubs of TensorRT, made from its real bindings by pybind11-stubgen and put right.

What is put right is what the generator cannot know or Python cannot say: a handful of signatures
that are no valid Python, types without a name, and what two classes can do.
"""

import ast
import re
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Final

BINDINGS: Final = "tensorrt_bindings"
MOST_REPAIRS: Final = 20
ANYTHING: Final = "(self, *args: typing.Any, **kwargs: typing.Any) -> typing.Any:"
# `bytes(memory)` and `list(dims)` work, by means that the generator does not see.
ADDITIONS: Final = {
    "class IHostMemory:\n": "    def __buffer__(self, flags: int, /) -> memoryview: ...\n",
    "class Dims:\n": "    def __iter__(self) -> typing.Iterator[int]: ...\n",
}


def make_stubs(folder: Path, environment: Mapping[str, str]) -> Path:
    """Writes a stub package called `tensorrt`.

    Args:
        folder: where the package's folder goes.
        environment: of a process that can import the bindings.
    """
    command = ["-m", "pybind11_stubgen", BINDINGS, "--ignore-all-errors", "-o", str(folder)]
    subprocess.run([sys.executable, *command], env=environment, check=True, capture_output=True)
    package = (folder / BINDINGS).rename(folder / "tensorrt")
    for path in package.rglob("*.pyi"):
        path.write_text(put_right(path.read_text()))
    return package


def put_right(stub: str) -> str:
    """A stub that a type checker can read.

    Raises:
        AssertionError: more is wrong than a few signatures.
    """
    stub = stub.replace(BINDINGS, "tensorrt")
    stub = re.sub(r"(->|:) \.\.\.(?=[:,)=\n ])", r"\1 typing.Any", stub)
    for head, addition in ADDITIONS.items():
        stub = stub.replace(head, head + addition)
    for _ in range(MOST_REPAIRS):
        try:
            ast.parse(stub)
            return stub
        except SyntaxError as error:
            assert error.lineno is not None
            lines = stub.splitlines(keepends=True)
            line = lines[error.lineno - 1]
            signature = re.match(r"(\s*def \w+)\(", line)
            assert signature, f"no signature: {line}"
            lines[error.lineno - 1] = f"{signature[1]}{ANYTHING}\n"
            stub = "".join(lines)
    raise AssertionError("the stubs have more faults than expected")
