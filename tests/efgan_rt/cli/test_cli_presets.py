"""`efgan-rt presets`, `batch --preset` and `--only-if`, and the same from Python."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from efgan_rt import Editor, EfganError
from efgan_rt.pictures.read import read_picture
from efgan_rt.presets.preset import Preset
from tests.efgan_rt.cli.test_cli_edits import Cli, files_in, write_table


@pytest.fixture
def batch(cli: Cli, faces: Path, tmp_path: Path, toy_engines: Path) -> Cli:
    """`batch(*options)` edits `faces` into `tmp_path/out` with toy engines of two stages."""

    def run(*options: object, source: Path = faces, out: str = "out") -> Any:
        engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--batch-size", 4)
        return cli("batch", source, tmp_path / out, *engines, *options)

    return run


@pytest.fixture
def editor(toy_engines: Path) -> Any:
    with Editor.open(toy_engines, backend="onnxruntime", crops=True) as opened:
        yield opened


def readings(editor: Editor, faces: Path) -> dict[str, float]:
    """AU12 of each picture, as the toy's estimator reads it."""
    paths = sorted(faces.rglob("*.png"))
    names = [path.relative_to(faces).as_posix() for path in paths]
    return {n: float(editor.action_units(p)[0, 1]) for n, p in zip(names, paths, strict=True)}


def test_a_saved_preset_does_what_its_options_do(cli: Cli, batch: Cli, tmp_path: Path) -> None:
    said = cli("presets", "save", "mild", "-e", "happy", "--intensity", "0.5", "--au", "AU45=1")
    assert said.status == 0 and said.out.startswith("saved: ")
    assert "mild" in cli("presets", "list").out
    shown = cli("presets", "show", "mild").out
    assert shown == 'version = 1\nexpression = "happy"\nintensity = 0.5\nau = "AU45=1"\n'
    assert batch("--preset", "mild").status == 0
    options = ("-e", "happy", "--intensity", "0.5", "--au", "AU45=1")
    assert batch(*options, out="plain").status == 0
    for name in files_in(tmp_path / "plain"):
        left, right = (read_picture(tmp_path / each / name) for each in ("out", "plain"))
        np.testing.assert_array_equal(left, right)
    # The same edit, so that nothing is done again.
    again = batch("--preset", "mild", "--json", out="plain")
    assert json.loads(again.out)["already_done"] == 11


def test_presets_are_listed_and_a_broken_one_says_why(cli: Cli, tmp_path: Path) -> None:
    assert "no preset is saved" in cli("presets", "list").err
    cli("presets", "save", "a", "-e", "happy")
    folder = tmp_path / "user-data" / "efgan-rt" / "presets"
    (folder / "b.toml").write_text("version = 9\n")
    listed = " ".join(cli("presets", "list").out.split())
    assert "happy" in listed and "version 9 found" in listed
    shown = cli("presets", "show", "b")
    assert shown.status == 1 and "version 9 found; this efgan-rt reads version = 1" in shown.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("A", "-e", "happy"), "'A' cannot be a preset's name"),
        (("a",), "the preset cannot be saved: nothing is asked for"),
        (("a", "-e", "happy", "--intensity", "3"), "intensity is 3; expected 0 to 2"),
        (("a", "-e", "happy", "--faces", "no"), "faces: found 'no', expected 'all'"),
        (("a", "--from", "none.toml"), "none.toml: the preset cannot be read: No such file"),
    ],
)
def test_what_cannot_be_saved_is_one_line(cli: Cli, options: tuple[str, ...], said: str) -> None:
    result = cli("presets", "save", *options)
    assert result.status == 1 and said in result.err


def test_from_takes_no_other_options(cli: Cli) -> None:
    result = cli("presets", "save", "a", "--from", "b.toml", "-e", "happy")
    assert result.status == 2 and "is in place of all other options" in result.err


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--preset", "p.toml", "-e", "happy"), "--preset says what is edited; leave out"),
        (("--preset", "p.toml", "--preset", "q/p.toml"), "two edits are called 'p'"),
        (("--preset", "p.toml", "--preset", "one.toml"), "presets p, one are for different faces"),
        (("-e", "happy", "--only-if", "AU12"), "'AU12' is not a condition"),
    ],
)
def test_what_does_not_go_together_is_refused(
    batch: Cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, options: Any, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "q").mkdir()
    for name, faces in (("p", '"all"'), ("q/p", '"all"'), ("one", "1")):
        text = f'version = 1\nexpression = "happy"\nfaces = {faces}\n'
        (tmp_path / f"{name}.toml").write_text(text)
    result = batch(*options)
    assert result.status in (1, 2)
    assert said in " ".join(result.err.replace("│", " ").split())


def test_only_if_leaves_the_others_byte_for_byte(
    batch: Cli, faces: Path, tmp_path: Path, editor: Editor
) -> None:
    shown = readings(editor, faces)
    middle = float(np.median(list(shown.values())))
    result = batch("-e", "happy", "--only-if", f"AU12<{middle:.3f}", "--json")
    summary = json.loads(result.out)
    edited = {name for name, value in shown.items() if value < float(f"{middle:.3f}")}
    assert 0 < len(edited) < len(shown)
    assert summary["left_as_they_are"] == len(shown) - len(edited)
    assert summary["done"] == len(edited)
    batch("-e", "happy", out="all")
    for name in shown:
        made = (tmp_path / "out" / name).read_bytes()
        if name in edited:
            assert made == (tmp_path / "all" / name).read_bytes()
        else:
            assert made == (faces / name).read_bytes()
    again = json.loads(batch("-e", "happy", "--only-if", f"AU12<{middle:.3f}", "--json").out)
    assert again["already_done"] == len(shown)


def test_another_condition_is_another_edit(batch: Cli) -> None:
    batch("-e", "happy", "--only-if", "AU12<0.1")
    again = json.loads(batch("-e", "happy", "--only-if", "AU12>=0", "--json").out)
    assert again["made_again"] == 11 and again["already_done"] == 0


def test_the_summary_says_what_was_left(batch: Cli) -> None:
    result = batch("-e", "happy", "--only-if", "AU12>4.9")
    assert "11 show no face that was asked for and were copied as they are" in result.out


def test_rules_by_folder_edit_each_in_its_way(batch: Cli, tmp_path: Path) -> None:
    preset = write_table(
        tmp_path / "p.toml",
        'version = 1\nexpression = "happy"\n'
        '[[rules]]\npath = "a"\nexpression = "blink"\n'
        '[[rules]]\npath = "b/x.png"\nleave = true\n',
    )
    result = batch("--preset", preset)
    assert result.status == 0
    assert "1 pictures get no edit by the preset and are not written" in result.err
    batch("-e", "happy", "-e", "blink", out="both")
    for name, folder in {"00.png": "happy", "a/x.png": "blink", "b/z.png": "happy"}.items():
        expected = (tmp_path / "both" / folder / name).read_bytes()
        assert (tmp_path / "out" / name).read_bytes() == expected
    assert "b/x.png" not in files_in(tmp_path / "out")  # no face of it may be edited


def test_a_preset_of_rules_says_what_it_leaves_alone(batch: Cli, tmp_path: Path) -> None:
    preset = write_table(
        tmp_path / "p.toml", 'version = 1\n[[rules]]\npath = "a"\nexpression = "happy"\n'
    )
    result = batch("--preset", preset)
    assert "9 pictures get no edit by the preset and are not written" in result.err
    assert files_in(tmp_path / "out") == ["a/x.png", "a/y.png"]


def test_two_presets_have_a_folder_each_and_a_report_says_what_they_are(
    batch: Cli, tmp_path: Path
) -> None:
    for name in ("happy", "blink"):
        write_table(tmp_path / f"{name}s.toml", f'version = 1\nexpression = "{name}"\n')
    presets = ("--preset", tmp_path / "happys.toml", "--preset", tmp_path / "blinks.toml")
    assert batch(*presets, "--report", tmp_path / "run.json").status == 0
    assert {Path(name).parts[0] for name in files_in(tmp_path / "out")} == {"happys", "blinks"}
    about = json.loads((tmp_path / "run.json").read_text())
    assert 'expression = \\"happy\\"' in json.dumps(about)


def test_frames_of_a_face_that_is_left_are_the_picture(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    only = ("-e", "happy", "--frames", "3", "--only-if", "AU12>4.9")
    assert batch(*only, source=faces / "00.png").status == 0
    for number in (1, 2, 3):
        made = (tmp_path / "out" / "00" / f"{number:03}.png").read_bytes()
        assert made == (faces / "00.png").read_bytes()


def test_a_page_shows_what_was_left(batch: Cli, tmp_path: Path) -> None:
    page = tmp_path / "run.html"
    result = batch("-e", "happy", "--only-if", "AU12>4.9", "--report", page)
    assert result.status == 0
    assert "left as they are" in page.read_text()


def test_progress_comes_as_json_lines(batch: Cli) -> None:
    result = batch("-e", "happy", "--progress", "json")
    lines = [json.loads(line) for line in result.err.splitlines() if line.startswith("{")]
    assert lines[0] == {"done": 0, "failed": 0, "planned": 11}
    assert lines[-1] == {"done": 11, "failed": 0, "planned": 11}


def test_links_out_of_the_folder_are_left_alone_where_that_is_asked(
    batch: Cli, faces: Path, tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (faces / "00.png").rename(outside / "00.png")
    (faces / "00.png").symlink_to(outside / "00.png")
    (faces / "more").symlink_to(outside)
    (faces / "here.png").symlink_to(faces / "01.png")
    assert batch("-e", "happy", "--no-links").status == 0
    made = files_in(tmp_path / "out")
    assert "00.png" not in made and "more/00.png" not in made and "here.png" in made
    assert batch("-e", "happy", out="all").status == 0
    assert {"00.png", "more/00.png"} <= set(files_in(tmp_path / "all"))


# The same from Python.


def test_an_editor_takes_presets_and_conditions(editor: Editor, faces: Path, cli: Cli) -> None:
    path = faces / "00.png"
    plain = editor.edit(path, "happy", intensity=0.5)
    preset = Preset(version=1, expression="happy", intensity=0.5)
    assert np.array_equal(editor.edit(path, preset=preset), plain)
    cli("presets", "save", "mild", "-e", "happy", "--intensity", "0.5")
    assert np.array_equal(editor.edit(path, preset="mild"), plain)
    assert np.array_equal(editor.edit(path, preset="mild", only_if="AU12>4.9"), read_picture(path))
    assert np.array_equal(editor.edit(path, "happy", only_if="AU12<=5"), editor.edit(path, "happy"))
    several = editor.edit([path, path], preset=preset)
    assert len(several) == 2 and np.array_equal(several[1], plain)


def test_a_preset_says_what_is_edited_alone(editor: Editor, faces: Path) -> None:
    preset = Preset(version=1, expression="happy")
    with pytest.raises(EfganError, match="a preset says what is edited; leave out expression"):
        editor.edit(faces / "00.png", "happy", preset=preset)


def test_a_prepared_picture_edits_as_the_editor_does(
    editor: Editor, faces: Path, make_picture: Callable[..., Any]
) -> None:
    picture = make_picture(64, 64)
    prepared = editor.prepare(picture)
    (_, rule), *_ = editor.rules_of(Preset(version=1, expression="happy")).rules
    assert np.array_equal(prepared.edited([rule.target]), editor.edit(picture, "happy"))
    assert np.array_equal(prepared.edited([None]), picture)
    assert prepared.view(0.5).shape == (32, 32, 3)
    (region,) = prepared.regions([rule.target], [0], 0.5)
    assert (region.left, region.top) == (0, 0)
    assert np.array_equal(region.pixels, prepared.edited_view([rule.target], 0.5))
    frames = list(prepared.unfolding([rule.target], 4, probes=3))
    assert np.array_equal(frames[0], picture) and len(frames) == 4
    assert np.array_equal(frames[-1], prepared.edited([rule.target]))
    assert len(list(prepared.unfolding([None], 4))) == 1
