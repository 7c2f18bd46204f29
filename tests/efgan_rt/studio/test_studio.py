"""What the studio's page can ask, over HTTP as the page asks it: previews, files, presets, runs."""

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest

from efgan_rt import Editor
from efgan_rt.pictures.mark import is_marked
from efgan_rt.pictures.original import Density, Metadata, Original, Picture
from efgan_rt.pictures.read import read_original, read_picture
from efgan_rt.pictures.write import write_original, write_picture
from efgan_rt.presets.library import load_preset
from efgan_rt.presets.preset import Preset
from tests.efgan_rt.studio.studio_client import Client, served

HAPPY = {"expression": "happy", "intensity": 0.7}


@pytest.fixture
def folder(tmp_path: Path, make_picture: Callable[..., Picture]) -> Path:
    """Three pictures, one of them in a folder, with a density and a profile's worth of metadata."""
    folder = tmp_path / "pictures"
    (folder / "sub").mkdir(parents=True)
    for number, name in enumerate(("a.png", "b.jpg", "sub/c.png")):
        original = Original(make_picture(96, 96, seed=number), None, Metadata())
        density = Metadata(density=Density(300, 300, "inch"))
        write_original(folder / name, Original(original.pixels, None, density))
    return folder


@pytest.fixture
def client(toy_engines: Path, folder: Path) -> Iterator[Client]:
    with served(toy_engines, folder=folder) as found:
        yield found


@pytest.fixture
def editor(toy_engines: Path) -> Iterator[Editor]:
    with Editor.open(toy_engines, backend="onnxruntime", crops=True) as opened:
        yield opened


def opened(client: Client, path: str = "a.png") -> int:
    answer = client.post("/open", path=path)
    assert answer.status == 200, answer.body
    return int(answer.json["picture"])


def wanted(number: int, ask: Any = None, **more: Any) -> dict[str, Any]:
    return {"picture": number, "edits": [{"face": 0, "ask": ask or HAPPY}], **more}


def test_a_picture_is_opened_with_its_faces_and_what_they_show(
    client: Client, editor: Editor, folder: Path
) -> None:
    found = client.post("/open", path="sub/c.png").json
    assert (found["name"], found["path"]) == ("c.png", "sub/c.png")
    assert (found["width"], found["height"]) == (96, 96)
    (face,) = found["faces"]
    assert face["box"] == [0, 0, 96, 96]
    units = editor.action_units(folder / "sub" / "c.png")[0]
    assert list(face["units"].values()) == pytest.approx(units.tolist(), abs=0.01)
    assert list(face["units"]) == list(editor.au_names)


def test_a_preview_is_the_editors_edit_pixel_for_pixel(
    client: Client, editor: Editor, folder: Path
) -> None:
    answer = client.post("/preview", **wanted(opened(client), changed=[0], scale=1))
    ((left, top, pixels),) = answer.regions
    expected = editor.edit(folder / "a.png", "happy", intensity=0.7)
    assert (left, top) == (0, 0)
    assert np.array_equal(pixels[..., :3], expected) and (pixels[..., 3] == 255).all()


def test_a_preview_at_another_size_is_close_to_the_edit_made_smaller(
    client: Client, editor: Editor, folder: Path
) -> None:
    number = opened(client)
    view = client.get(f"/view?picture={number}&scale=0.5").regions[0][2]
    assert view.shape == (48, 48, 4)
    answer = client.post("/preview", **wanted(number, changed=[0], scale=0.5))
    pixels = answer.regions[0][2][..., :3]
    full = editor.edit(folder / "a.png", "happy", intensity=0.7)
    smaller = cv2.resize(full, (48, 48), interpolation=cv2.INTER_AREA)
    assert np.abs(pixels.astype(int) - smaller).mean() < 2
    assert np.abs(pixels.astype(int) - view[..., :3]).mean() > 5


def test_nothing_asked_is_the_picture_again(client: Client, folder: Path) -> None:
    number = opened(client)
    answer = client.post("/preview", picture=number, edits=[], changed=[0], scale=1)
    assert np.array_equal(answer.regions[0][2][..., :3], read_picture(folder / "a.png"))


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"edits": [{"face": 0, "ask": {"expression": "hapy"}}]}, "did you mean happy?"),
        ({"edits": [{"face": 3, "ask": HAPPY}]}, "the picture has no face 4"),
        ({"changed": [2]}, "the picture has no face 3"),
        ({"changed": [-1]}, "the picture has no face 0"),
        ({"scale": 2}, "scale 2; expected more than 0 and up to 1"),
        ({"scale": 0}, "scale 0; expected more than 0 and up to 1"),
        ({"picture": 99}, "the picture is no longer open; open it again"),
        ({"edits": [{"face": 0, "ask": {"intensity": 5}}]}, "the request cannot be read: intens"),
        ({"edits": 3}, "the request cannot be read: Expected `array`"),
        ({"evil": 3}, "the request cannot be read: Object contains unknown field `evil`"),
    ],
)
def test_what_cannot_be_done_is_a_sentence(client: Client, change: Any, said: str) -> None:
    answer = client.post("/preview", **{**wanted(opened(client), changed=[0]), **change})
    assert answer.status == 400
    assert said in answer.json["error"]


def test_a_download_has_what_the_file_held_and_the_mark(
    client: Client, editor: Editor, folder: Path, tmp_path: Path
) -> None:
    answer = client.post("/download", **wanted(opened(client, "sub/c.png")))
    assert answer.headers["x-name"] == "c.png"
    (tmp_path / "made.png").write_bytes(answer.body)
    made = read_original(tmp_path / "made.png")
    assert np.array_equal(
        made.pixels, editor.edit(folder / "sub" / "c.png", "happy", intensity=0.7)
    )
    assert made.metadata.density is not None and is_marked(made.metadata)
    assert made.metadata.density.per("inch") == (300, 300)
    assert client.post("/download", picture=opened(client), edits=[]).status == 400


def test_an_edit_is_saved_below_the_folder_for_edits_and_replaces_nothing(
    client: Client, editor: Editor, folder: Path
) -> None:
    number = opened(client, "sub/c.png")
    first = client.post("/save", **wanted(number)).json["saved"]
    second = client.post("/save", **wanted(number)).json["saved"]
    assert first == str(folder / "edited" / "sub" / "c.png")
    assert second == str(folder / "edited" / "sub" / "c-2.png")
    expected = editor.edit(folder / "sub" / "c.png", "happy", intensity=0.7)
    assert np.array_equal(read_picture(Path(first)), expected)
    listed = client.get("/listing").json["pictures"]
    assert listed == ["a.png", "b.jpg", "sub/c.png"]  # edits are no inputs


def test_an_upload_is_edited_and_downloaded_but_not_saved_to_the_folder(
    client: Client, folder: Path
) -> None:
    data = (folder / "b.jpg").read_bytes()
    found = client.send("/upload", data, "holiday ä.jpg").json
    assert (found["name"], found["path"]) == ("holiday ä.jpg", None)
    answer = client.post("/download", **wanted(found["picture"]))
    assert answer.headers["x-name"] == "holiday%20%C3%A4.jpg" and answer.body[:2] == b"\xff\xd8"
    assert (
        "of no folder; download the edit"
        in client.post("/save", **wanted(found["picture"])).json["error"]
    )


def test_a_reference_lends_its_expression(client: Client, editor: Editor, folder: Path) -> None:
    found = client.send("/reference", (folder / "sub" / "c.png").read_bytes(), "c.png").json
    units = editor.action_units(folder / "sub" / "c.png")[0]
    assert list(found["units"].values()) == pytest.approx(units.tolist(), abs=0.01)
    ask = {"reference": found["units"]}
    answer = client.post("/preview", **wanted(opened(client), ask, changed=[0]))
    expected = editor.edit(folder / "a.png", towards=list(found["units"].values()))
    assert np.array_equal(answer.regions[0][2][..., :3], expected)


def test_an_expression_unfolds_as_an_animation(client: Client) -> None:
    number = opened(client)
    answer = client.post("/animation", **wanted(number, frames=5))
    assert answer.headers["content-type"] == "image/webp"
    done, animation = cv2.imdecodeanimation(np.frombuffer(answer.body, np.uint8)[None])
    assert done and 3 <= len(animation.frames) <= 5  # the codec joins frames that are alike
    saved = client.post("/download-animation", **wanted(number, frames=3, format=".gif"))
    assert saved.headers["x-name"] == "a.gif" and saved.body[:3] == b"GIF"
    assert (
        "99 frames; expected 2 to 60"
        in client.post("/animation", **wanted(number, frames=99)).json["error"]
    )


def test_a_preset_is_saved_listed_and_applied(client: Client) -> None:
    ask = {**HAPPY, "only_if": "AU12<5"}
    assert client.post("/presets", name="mild", ask=ask).json["presets"] == ["mild"]
    expected = Preset(version=1, expression="happy", intensity=0.7, only_if="AU12<5")
    assert load_preset("mild") == ("mild", expected)
    again = client.post("/presets", name="mild", ask=ask)
    assert again.status == 400 and "is there already" in again.json["error"]
    assert client.post("/presets", name="mild", ask=ask, overwrite=True).status == 200
    assert client.get("/listing").json["presets"] == ["mild"]
    found = client.post("/preset", name="mild", picture=opened(client)).json
    assert found["asks"] == [{**HAPPY, "only_if": "AU12<5"}]
    assert "expected 1 to 64 of a-z" in client.post("/presets", name="A", ask=ask).json["error"]
    assert "nothing is asked for" in client.post("/presets", name="b").json["error"]


def test_a_preset_with_rules_is_applied_face_by_face(client: Client, tmp_path: Path) -> None:
    from efgan_rt.presets.library import presets_folder

    presets_folder().mkdir(parents=True)
    (presets_folder() / "r.toml").write_text(
        'version = 1\nexpression = "happy"\n[[rules]]\npath = "sub"\nleave = true\n'
    )
    asks = [
        client.post("/preset", name="r", picture=opened(client, path)).json["asks"]
        for path in ("a.png", "sub/c.png")
    ]
    assert asks == [[{"expression": "happy"}], [None]]


def finished(client: Client) -> dict[str, Any]:
    from benchmarks.chromium import wait_for

    state: dict[str, Any] = wait_for(
        lambda: (now := client.get("/run").json)["state"] == "ended" and now, 120
    )
    return state


@pytest.mark.slow
def test_a_run_on_the_folder_is_what_the_command_line_does(
    client: Client, folder: Path, cli: Callable[..., Any], toy_engines: Path, tmp_path: Path
) -> None:
    assert client.get("/run").json["state"] == "none"
    assert client.post("/start", name="mild", ask=HAPPY).json["state"] == "running"
    state = finished(client)
    assert state["said"] == "done" and (state["done"], state["planned"]) == (3, 3)
    engines = ("--engines", toy_engines, "--backend", "onnxruntime", "--crops")
    done = cli(
        *("batch", folder, tmp_path / "out", "-e", "happy", "--intensity", 0.7, *engines),
        *("--exclude", "edited"),
    )
    assert done.status == 0
    for name in ("a.png", "b.jpg", "sub/c.png"):
        made = (folder / "edited" / "mild" / name).read_bytes()
        assert made == (tmp_path / "out" / name).read_bytes()
    report = client.get(f"/{state['report']}")
    assert report.status == 200 and b"Expression edits: mild" in report.body
    # Run again, nothing is left to do: it is the same journal.
    client.post("/start", name="mild", ask=HAPPY)
    assert any("3 were already done" in each for each in finished(client)["sentences"])


def many(tmp_path: Path, picture: Picture) -> Path:
    """A folder whose run takes a while."""
    folder = tmp_path / "many"
    folder.mkdir()
    write_picture(folder / "000.png", picture)
    for number in range(1, 400):
        shutil.copy(folder / "000.png", folder / f"{number:03}.png")
    return folder


@pytest.mark.slow
def test_a_run_can_be_stopped_and_another_waits_for_its_end(
    toy_engines: Path, tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    from benchmarks.chromium import wait_for

    folder = many(tmp_path, make_picture(400, 400))
    with served(toy_engines, folder=folder) as client:
        client.post("/start", name="a", ask=HAPPY)
        wait_for(lambda: client.get("/run").json["done"] > 0, 60)
        second = client.post("/start", name="b", ask=HAPPY)
        assert second.status == 400 and "a run is at work; wait" in second.json["error"]
        assert client.post("/stop").status == 200
        state = finished(client)
    assert state["said"] == "stopped" and 0 < state["done"] < 400
    made = list((folder / "edited" / "a").glob("*.png"))
    assert len(made) == state["done"]


def test_a_run_that_cannot_be_done_says_why(client: Client, folder: Path) -> None:
    (folder / "edited" / "a").mkdir(parents=True)
    (folder / "edited" / "a" / "a.png").write_bytes(b"somebody's")
    client.post("/start", name="a", ask=HAPPY)
    state = finished(client)
    assert state["said"] == "it could not be done"
    assert any("are there already" in each for each in state["sentences"])
    assert (folder / "edited" / "a" / "a.png").read_bytes() == b"somebody's"


def test_the_end_of_the_studio_ends_its_run(
    toy_engines: Path, tmp_path: Path, make_picture: Callable[..., Picture]
) -> None:
    folder = many(tmp_path, make_picture(400, 400))
    with served(toy_engines, folder=folder) as client:
        client.post("/start", name="a", ask=HAPPY)
    commands = [
        each.read_bytes() for each in Path("/proc").glob("[0-9]*/cmdline") if readable(each)
    ]
    assert not any(str(folder).encode() in each for each in commands)


def readable(path: Path) -> bool:
    try:
        path.read_bytes()
    except OSError:
        return False
    return True


def test_without_a_folder_there_is_nothing_of_one(toy_engines: Path) -> None:
    with served(toy_engines) as client:
        assert client.get("/listing").json["pictures"] == []
        for path, body in (("/open", {"path": "a"}), ("/start", {"name": "a", "ask": HAPPY})):
            assert "no folder was named" in client.post(path, **body).json["error"]
        assert b'id="run"' not in client.get("/").body
