"""Presets: their files, the user's own, the rules for faces, and the command line's `presets`."""

from pathlib import Path, PurePosixPath

import numpy as np
import pytest

from efgan_rt.errors import EfganError
from efgan_rt.face_rules import parse_conditions, target_of_face
from efgan_rt.families.cascade import CASCADE
from efgan_rt.families.properties import Properties
from efgan_rt.presets.asked import Model, ask_of_face, rules_of
from efgan_rt.presets.library import load_preset, preset_names, save_preset
from efgan_rt.presets.preset import (
    Preset,
    Rule,
    in_words,
    parse_preset,
    read_preset,
    read_rules,
)
from engines.arrays import FloatArray

NAMES = ("AU01", "AU12", "AU45")
HAPPY = np.array([0, 4, 0], np.float32)


@pytest.fixture
def own_presets(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path / "home"))
    return tmp_path / "home" / "efgan-rt" / "presets"


def units(*values: float) -> FloatArray:
    return np.array(values, np.float32)


def model() -> Model:
    properties = Properties(16, au_names=NAMES, expressions={"happy": HAPPY})
    return Model(CASCADE, properties, lambda path, _: units(len(path.name), 0, 0))


def preset_of(text: str) -> Preset:
    return parse_preset(text.encode(), Path("a.toml"))


def test_what_is_saved_is_read_again(own_presets: Path) -> None:
    preset = preset_of(
        'version = 1\nexpression = "happy"\nintensity = 0.5\nau = "AU45=0,AU01-=1"\n'
        'only_if = "AU12<1.5"\nfaces = 2\n[[rules]]\npath = "a"\nface = 1\nleave = true\n'
    )
    path = save_preset("group", preset)
    assert path == own_presets / "group.toml"
    assert load_preset("group") == ("group", preset)
    assert preset_names() == ("group",)
    assert path.read_text().startswith("version = 1\n")
    assert in_words(preset) == "happy 0.5 AU45=0,AU01-=1 if AU12<1.5; faces: 2; 1 rule"


@pytest.mark.parametrize("name", ["", "Group", "a b", "../a", "a/b", "a.b", "ä", "a" * 65])
def test_a_name_is_of_small_letters_digits_and_two_signs(own_presets: Path, name: str) -> None:
    with pytest.raises(EfganError, match="cannot be a preset's name; expected 1 to 64 of a-z"):
        save_preset(name, preset_of('version = 1\nau = "AU12=1"'))
    assert not own_presets.exists()


def test_a_preset_is_replaced_only_when_that_is_asked_for(own_presets: Path) -> None:
    first, second = (preset_of(f'version = 1\nau = "AU12={n}"') for n in (1, 2))
    save_preset("a", first)
    with pytest.raises(EfganError, match="a preset 'a' is there already; replace it with"):
        save_preset("a", second)
    assert load_preset("a")[1] == first
    save_preset("a", second, overwrite=True)
    assert load_preset("a")[1] == second
    assert [each.name for each in own_presets.iterdir()] == ["a.toml"]


def test_a_missing_preset_names_those_that_there_are(own_presets: Path) -> None:
    save_preset("portrait", preset_of('version = 1\nexpression = "happy"'))
    with pytest.raises(EfganError, match="no preset 'portait'; saved are: portrait; save one"):
        load_preset("portait")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('expression = "happy"', "no version found; this efgan-rt reads version = 1"),
        ('version = 2\nexpression = "happy"', "version 2 found; this efgan-rt reads version = 1"),
        ("version = 1", "nothing is asked for; expected an expression, au, a reference or rules"),
        ('version = 1\nexpresion = "a"', "contains unknown field `expresion`"),
        ("version = 1\nexpression = 3", "Expected `str | null`, got `int`"),
        ('version = 1\nexpression = "a"\nintensity = 3', "intensity is 3; expected 0 to 2"),
        ('version = 1\nexpression = "a"\nintensity = nan', "intensity is nan; expected 0 to 2"),
        ('version = 1\nau = "AU12=1"\nintensity = 0.5', "intensity is given without an expr"),
        ('version = 1\nau = "smile"', "au is 'smile'; expected something like AU12=3.5,AU04-=1"),
        ('version = 1\nexpression = "a"\nonly_if = "AU12"', "only_if is 'AU12'; expected some"),
        ('version = 1\nexpression = "a"\nreference = "b"', "expression and reference are both"),
        ("version = 1\nreference = {AU12 = 9.0}", "reference: AU12 is 9; expected 0 to 5"),
        ("version = 1\nreference = {smile = 1.0}", "reference: 'smile' is not an action unit"),
        ('version = 1\nexpression = "a"\nfaces = "some"', "faces: found 'some', expected 'all'"),
        ('version = 1\nonly_if = "AU12<1"\n[[rules]]\nleave = true', "only_if is given without"),
        ("version = 1\n[[rules]]\nface = 0\nleave = true", "face is 0; expected a number from 1"),
        ("version = 1\n[[rules]]\nface = 1", "a rule asks for nothing; leave = true leaves faces"),
        ('version = 1\n[[rules]]\nleave = true\nau = "AU12=1"', "leave and an edit are both"),
        ("version", "Expected '=' after a key"),
        ("a = " + "[" * 3000, "recursion"),
    ],
)
def test_a_broken_file_is_one_sentence(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.toml"
    path.write_text(text)
    with pytest.raises(EfganError) as caught:
        read_preset(path)
    message = str(caught.value)
    assert message.startswith(f"{path}: is no preset that can be used: ")
    assert said in message and "\n" not in message


def test_a_file_that_is_none_is_one_sentence(tmp_path: Path) -> None:
    with pytest.raises(EfganError, match=r"x\.toml: the preset cannot be read: No such file"):
        read_preset(tmp_path / "x.toml")
    (tmp_path / "x.toml").write_bytes(b"\xff")
    with pytest.raises(EfganError, match="is no preset that can be used: 'utf-8' codec"):
        read_preset(tmp_path / "x.toml")
    (tmp_path / "x.toml").write_bytes(b"#" * 1_000_001)
    with pytest.raises(EfganError, match=r"over 1,000,000 bytes; expected a preset's TOML"):
        read_preset(tmp_path / "x.toml")


def test_the_first_rule_that_fits_a_face_decides() -> None:
    preset = preset_of(
        'version = 1\nexpression = "happy"\nonly_if = "AU12<1.5"\n'
        '[[rules]]\npath = "wedding"\nface = 2\nleave = true\n'
        '[[rules]]\npath = "*/b*.jpg"\nau = "AU01=3"\n'
        '[[rules]]\nonly_if = "AU45>=1"\nau = "AU45=0"\n'
    )
    asked = rules_of(preset, model())

    def offset(path: str, face: int, *shown: float) -> list[float] | None:
        target = target_of_face(asked.of(PurePosixPath(path)), face, units(*shown))
        return None if target is None else target.places["target_offset"].tolist()

    assert offset("a.jpg", 0, 0, 0, 0) == [0, 4, 0]  # the preset's own edit
    assert offset("a.jpg", 0, 0, 2, 0) is None  # smiles already
    assert offset("a.jpg", 0, 0, 2, 1) == [0, 0, 0]  # eyes are opened, the rest stays
    assert offset("wedding/a.jpg", 1, 0, 0, 0) is None
    assert offset("wedding/x/a.jpg", 1, 0, 0, 0) is None
    assert offset("wedding/a.jpg", 0, 0, 0, 0) == [0, 4, 0]
    assert offset("wedding2/a.jpg", 1, 0, 0, 0) == [0, 4, 0]
    assert offset("c/b1.jpg", 0, 0, 5, 5) == [3, 0, 0]
    assert asked.asks(PurePosixPath("a.jpg"))
    words = ask_of_face(preset, PurePosixPath("a.jpg"), 0, units(0, 2, 1), model())
    assert words is not None and words.au == "AU45=0"
    assert ask_of_face(preset, PurePosixPath("wedding/a.jpg"), 1, units(0, 0, 0), model()) is None


def test_a_preset_of_rules_alone_asks_only_for_their_pictures() -> None:
    asked = rules_of(preset_of('version = 1\n[[rules]]\npath = "a"\nau = "AU12=1"'), model())
    assert asked.asks(PurePosixPath("a/1.jpg"))
    assert not asked.asks(PurePosixPath("b/1.jpg"))


def test_a_reference_is_a_path_beside_the_preset_or_units(tmp_path: Path) -> None:
    (tmp_path / "p.toml").write_text('version = 1\nreference = "four"')
    preset = read_preset(tmp_path / "p.toml")
    assert preset.reference == str(tmp_path / "four")
    (_, rule), *_ = rules_of(preset, model()).rules
    assert rule.target is not None and rule.target.places["target_offset"].tolist() == [4, 0, 0]
    (_, rule), *_ = rules_of(preset_of("version = 1\nreference = {AU12 = 2.5}"), model()).rules
    assert rule.target is not None and rule.target.places["target_offset"].tolist() == [0, 2.5, 0]


def test_rules_come_from_a_table(tmp_path: Path) -> None:
    (tmp_path / "rules.csv").write_text(
        "path,face,expression,intensity,AU12,AU45+,only_if,note\n"
        "wedding,1,happy,0.5,,,,the bride\n"
        ",2,,,3.5,-1,AU12<1,\n"
        "wedding,,,,,,,leave the rest\n"
    )
    (tmp_path / "p.toml").write_text('version = 1\nrules = "rules.csv"')
    assert read_preset(tmp_path / "p.toml").rules == (
        Rule(path="wedding", face=1, expression="happy", intensity=0.5),
        Rule(face=2, au="AU12=3.5,AU45-=1", only_if="AU12<1"),
        Rule(path="wedding", leave=True),
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        ("file\na.jpg\n", "columns missing: path or face, to say whom a rule is for"),
        ("face\n0\n", "row 0: face is 0; expected a number from 1"),
        ("face\nx\n", "row 0: face is 'x', expected a number"),
        ("face,expression,intensity\n1,happy,9\n", "row 0: intensity is 9; expected 0 to 2"),
        ("path,au\na,smile\n", "row 0: au is 'smile'; expected something like"),
    ],
)
def test_what_is_wrong_with_a_table_of_rules_names_the_row(
    tmp_path: Path, table: str, said: str
) -> None:
    (tmp_path / "r.csv").write_text(table)
    with pytest.raises(EfganError, match=said):
        read_rules(tmp_path / "r.csv")


def test_what_the_model_lacks_is_said() -> None:
    with pytest.raises(EfganError, match="the model has no expression 'hapy'"):
        rules_of(preset_of('version = 1\nexpression = "hapy"'), model())
    with pytest.raises(EfganError, match="the model has no AU26"):
        rules_of(preset_of('version = 1\nau = "AU12=1"\nonly_if = "AU26<1"'), model())


@pytest.mark.parametrize(
    ("text", "shown", "expected"),
    [
        ("AU12<1.5", (0, 1.4, 0), True),
        ("AU12<1.5", (0, 1.5, 0), False),
        ("AU12<=1.5", (0, 1.5, 0), True),
        ("12>=1.5, au45>1", (0, 1.5, 1.1), True),
        ("AU12>=1.5,AU45>1", (0, 1.5, 1.0), False),
        ("", (0, 0, 0), True),
    ],
)
def test_a_condition_is_read_and_held_against_a_face(
    text: str, shown: tuple[float, ...], expected: bool
) -> None:
    assert all(each.holds(units(*shown)) for each in parse_conditions(text, NAMES)) is expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("AU12", "'AU12' is not a condition; expected an action unit, < <= > or >=, and a number"),
        ("AU12<9", "'9' in 'AU12<9' is not a number from 0 to 5"),
        ("AU12<x", "'x' in 'AU12<x' is not a number from 0 to 5"),
        ("AU12<nan", "'nan' in 'AU12<nan' is not a number from 0 to 5"),
        ("AU26<1", "the model has no AU26"),
    ],
)
def test_a_condition_that_cannot_be_read_is_said(text: str, said: str) -> None:
    with pytest.raises(EfganError, match=said):
        parse_conditions(text, NAMES)
