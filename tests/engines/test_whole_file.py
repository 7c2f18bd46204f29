"""A file appears whole or not at all."""

from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from efgan_rt.written import write_file
from engines.whole_file import whole_file, write_whole


def test_a_file_has_its_name_once_it_is_whole(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 251 + ".txt")  # as long as a name may be
    with whole_file(path) as file:
        file.write(b"all of it")
        assert not path.exists()
    assert path.read_bytes() == b"all of it"
    write_whole(path, "a text\r\n")
    assert path.read_bytes() == b"a text\r\n"
    assert list(tmp_path.iterdir()) == [path]


def test_a_fault_leaves_what_was_there_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "kept"
    path.write_text("before")
    with pytest.raises(ValueError, match="half"), whole_file(path) as file:
        file.write(b"half")
        raise ValueError("half of it")
    assert path.read_text() == "before" and list(tmp_path.iterdir()) == [path]


def test_what_the_user_can_mend_is_one_sentence(tmp_path: Path) -> None:
    path = tmp_path / "none" / "x"
    with pytest.raises(EfganError, match=r"/none/x: cannot be written: No such file or directory$"):
        write_file(path, b"")
    write_file(path, b"", make_folder=True)
    assert path.exists()
