"""Runs a benchmark by its name, or lists all of them.

    python -m benchmarks                      the names, each with what it measures
    python -m benchmarks NAME [OPTIONS]       runs it; --help says what it takes

A benchmark is a module of this folder that has a `main`. Its name is the module's, with a dot for
a folder in between; a folder's own `__main__` goes by the folder's name.
"""

import ast
import importlib
import sys
from pathlib import Path

from efgan_rt.errors import EfganError
from engines.base import EngineError

FOLDER = Path(__file__).parent


def benchmarks() -> dict[str, str]:
    """What there is by name: the first line of each one's docstring; nothing is imported."""
    found = {}
    for file in sorted(FOLDER.rglob("*.py")):
        tree = ast.parse(file.read_text())
        names = {each.name for each in tree.body if isinstance(each, ast.FunctionDef)}
        parts = file.relative_to(FOLDER).with_suffix("").parts
        name = ".".join(parts[:-1] if parts[-1] == "__main__" else parts)
        if name and "main" in names:
            found[name] = (ast.get_docstring(tree) or "").partition("\n")[0]
    return found


def main() -> int:
    """Lists or runs; what the user can mend is one sentence and status 1."""
    known, (name, *rest) = benchmarks(), sys.argv[1:] or [""]
    if name not in known:
        if name and not name.startswith("-"):
            print(f"error: no benchmark is called {name!r}; there are:", file=sys.stderr)
        width = max(map(len, known))
        listed = "\n".join(f"{each:{width}}  {what}" for each, what in known.items())
        print(listed, file=sys.stderr if name else sys.stdout)
        return 2 if name and not name.startswith("-") else 0
    inside = FOLDER.joinpath(*name.split("."))
    module = f"benchmarks.{name}{'.__main__' if inside.is_dir() else ''}"
    sys.argv = [f"python -m benchmarks {name}", *rest]
    try:
        return importlib.import_module(module).main() or 0
    except (EfganError, EngineError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    sys.exit(main())
