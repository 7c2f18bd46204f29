"""Facial expression editing for whole directories of pictures, and of arrays: `Editor`."""

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from efgan_rt.editor import Editor as Editor
    from efgan_rt.errors import EfganError as EfganError

__version__ = "0.1.0"
__all__ = ["Editor", "EfganError", "__version__"]


def __getattr__(name: str) -> Any:
    """`Editor` and `EfganError`, fetched when they are asked for: `--help` needs neither."""
    if name == "Editor":
        from efgan_rt.editor import Editor

        return Editor
    if name == "EfganError":
        from efgan_rt.errors import EfganError

        return EfganError
    raise AttributeError(f"module 'efgan_rt' has no attribute '{name}'")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
