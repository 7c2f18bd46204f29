"""No malformed input ends in anything but one of our own sentences, nor is written elsewhere."""

from pathlib import Path

import pytest

from tests.mutations import MENDABLE, all_readers

TRIED = {"picture": 600, "labels": 400, "manifest": 400, "au": 600, "pickle": 600, "template": 400}


@pytest.mark.parametrize(
    "name",
    [
        *("picture", "labels", "manifest", "checkpoint.pt", "checkpoint.safetensors", "au"),
        *("label files", "pickle", "template", "target table"),
    ],
)
def test_only_sentences_that_a_user_can_act_on_escape(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "seeds").mkdir()
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    reader = all_readers(tmp_path / "seeds")[name]()
    for seed in reader.seeds:
        try:
            reader.read(seed, tmp_path / "work")  # good, but for networks without files
        except MENDABLE as error:
            assert name in ("manifest", "au", "picture", "labels"), error
    refused = 0
    tried = TRIED.get(name, 200)
    for number in range(tried):
        try:
            reader.read(reader.input(number), tmp_path / "work")
        except MENDABLE as error:
            refused += 1
            assert str(error).strip()
        except Exception as error:
            pytest.fail(f"{name} input {number}: {type(error).__name__}: {error}")
    assert refused > tried / 10, "too few inputs were malformed for this to mean anything"
    assert {path.name for path in tmp_path.iterdir()} == {"seeds", "work"}
    assert len(list((tmp_path / "work").iterdir())) <= 1
