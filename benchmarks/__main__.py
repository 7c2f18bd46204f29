"""Runs a benchmark by its name: python -m benchmarks NAME [OPTIONS].

A name is a module of this folder, with a dot for a folder in between; a folder's own `__main__`
goes by the folder's name.
"""

import importlib
import sys
from pathlib import Path


def main() -> int:
    """Runs one."""
    if len(sys.argv) < 2:
        print(__doc__)
        return 2
    name, *rest = sys.argv[1:]
    inside = Path(__file__).parent.joinpath(*name.split("."))
    module = f"benchmarks.{name}{'.__main__' if inside.is_dir() else ''}"
    sys.argv = [f"python -m benchmarks {name}", *rest]
    return importlib.import_module(module).main() or 0


if __name__ == "__main__":
    sys.exit(main())
