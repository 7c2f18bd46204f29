"""Which pictures a run reads, where each edit goes, and what is refused."""

import os
import subprocess
import sys
import tempfile
import tracemalloc
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path

import pytest

from efgan_rt.errors import EfganError
from efgan_rt.pipeline.files import Plan, PlanCount
from efgan_rt.shots import Product, stills


def touch(*paths: Path) -> None:
    for path in paths:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """`in/` with pictures at two depths, other files, and hidden ones."""
    source = tmp_path / "in"
    names = ["b.jpg", "a.PNG", "notes.txt", ".hidden.jpg", ".cache/x.jpg", "people/ann/1.webp"]
    touch(*(source / name for name in names))
    return source


def outputs(plan: Plan) -> list[str]:
    return [str(path.relative_to(plan.output)) for job in plan.jobs() for path in job.outputs]


def refusal(plan: Plan, *, overwrite: bool = False) -> str:
    with pytest.raises(EfganError) as caught:
        plan.check(overwrite=overwrite)
    return str(caught.value)


def test_the_output_tree_mirrors_the_input_tree(tree: Path, tmp_path: Path) -> None:
    plan = Plan(tree, tmp_path / "out", stills(""))
    assert outputs(plan) == ["a.PNG", "b.jpg", "people/ann/1.webp"]


def test_several_targets_have_a_folder_each(tree: Path, tmp_path: Path) -> None:
    plan = Plan(tree, tmp_path / "out", stills("happy", "angry"))
    assert outputs(plan)[:4] == ["happy/a.PNG", "angry/a.PNG", "happy/b.jpg", "angry/b.jpg"]


def test_a_product_may_have_a_suffix_and_an_extension_of_its_own(
    tree: Path, tmp_path: Path
) -> None:
    products = (Product("happy", (0,), "_01"), Product("", (0, 1), extension=".gif"))
    assert outputs(Plan(tree, tmp_path / "out", products))[2:4] == ["happy/b_01.jpg", "b.gif"]
    assert outputs(Plan(tree, tmp_path / "out", products, ".png"))[2:4] == [
        "happy/b_01.png",
        "b.gif",
    ]


def test_a_suffix_with_a_slash_makes_a_folder_of_each_picture(tree: Path, tmp_path: Path) -> None:
    products = tuple(Product("", (number,), f"/{number}") for number in range(2))
    assert outputs(Plan(tree, tmp_path / "out", products))[2:4] == ["b/0.jpg", "b/1.jpg"]


def test_files_of_one_name_in_a_folder_of_each_picture_do_not_collide(
    tree: Path, tmp_path: Path
) -> None:
    products = tuple(Product("", (number,), f"/{number}") for number in range(2))
    assert Plan(tree, tmp_path / "out", products).check(overwrite=False).pictures == 3


def test_a_suffix_that_makes_another_pictures_name_is_refused(tree: Path, tmp_path: Path) -> None:
    touch(tree / "b_1.jpg")
    products = (Product("", (0,)), Product("", (0,), "_1"))
    assert refusal(Plan(tree, tmp_path / "out", products)) == (
        f"{tree}/b.jpg and {tree}/b_1.jpg would both be written to {tmp_path}/out/b_1.jpg; "
        "rename one, or leave --format out"
    )


def test_a_format_replaces_the_extension(tree: Path, tmp_path: Path) -> None:
    plan = Plan(tree, tmp_path / "out", stills(""), ".png")
    assert outputs(plan) == ["a.png", "b.png", "people/ann/1.png"]


def test_other_files_are_counted_and_hidden_ones_are_not(tree: Path, tmp_path: Path) -> None:
    assert Plan(tree, tmp_path / "out", stills("")).check(overwrite=False) == PlanCount(
        3, 1, left={"not a picture": 1}
    )


def test_a_single_picture_is_a_source_too(tree: Path, tmp_path: Path) -> None:
    plan = Plan(tree / "b.jpg", tmp_path / "out", stills(""))
    assert plan.check(overwrite=False) == PlanCount(1, 0)
    assert outputs(plan) == ["b.jpg"]


def test_a_folder_called_like_a_picture_is_a_folder(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "x.jpg" / "y.jpg")
    assert outputs(Plan(tmp_path / "in", tmp_path / "out", stills(""))) == ["x.jpg/y.jpg"]


def test_an_output_folder_inside_the_input_is_not_read(tree: Path) -> None:
    plan = Plan(tree, tree / "edited", stills(""))
    touch(tree / "edited" / "b.jpg")
    assert outputs(plan) == ["a.PNG", "b.jpg", "people/ann/1.webp"]


def test_links_to_folders_are_followed_but_not_in_circles(tree: Path, tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "z.jpg")
    (tree / "link").symlink_to(tmp_path / "elsewhere")
    (tree / "people" / "circle").symlink_to(tree)
    plan = Plan(tree, tmp_path / "out", stills(""))
    assert outputs(plan) == ["a.PNG", "b.jpg", "link/z.jpg", "people/ann/1.webp"]


def test_dangling_links_and_pipes_are_left_for_the_reader_to_name(tmp_path: Path) -> None:
    source = tmp_path / "in"
    source.mkdir()
    (source / "dangling.jpg").symlink_to("nowhere")
    for name in ("pipe.jpg", "pipe"):  # the second one is none by its content
        os.mkfifo(source / name)
    assert outputs(Plan(source, tmp_path / "out", stills(""))) == ["dangling.jpg", "pipe.jpg"]


def test_a_link_to_itself_is_a_file_for_the_reader_to_name(tree: Path, tmp_path: Path) -> None:
    (tree / "loop").symlink_to("loop")
    (tree / "loop.jpg").symlink_to("loop.jpg")
    plan = Plan(tree, tmp_path / "out", stills(""))
    assert outputs(plan) == ["a.PNG", "b.jpg", "loop.jpg", "people/ann/1.webp"]
    assert plan.check(overwrite=False) == PlanCount(4, 2, left={"not a picture": 2})


def test_two_links_to_one_folder_are_two_folders(tree: Path, tmp_path: Path) -> None:
    touch(tmp_path / "elsewhere" / "z.jpg")
    for name in ("link-1", "link-2"):
        (tree / name).symlink_to(tmp_path / "elsewhere")
    found = outputs(Plan(tree, tmp_path / "out", stills("")))
    assert {"link-1/z.jpg", "link-2/z.jpg"} < set(found)


def test_a_tree_may_be_deeper_than_pythons_stack(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = tmp_path / "in"
    root.mkdir()
    monkeypatch.chdir(root)
    for _ in range(sys.getrecursionlimit() + 50):
        os.mkdir("d")
        os.chdir("d")
    Path("x.jpg").touch()
    assert len(outputs(Plan(root, tmp_path / "out", stills("")))) == 1
    monkeypatch.chdir(tmp_path)
    subprocess.run(["rm", "-r", root], check=True)  # pytest's own removal is recursive


def test_a_missing_source_is_refused(tmp_path: Path) -> None:
    plan = Plan(tmp_path / "none", tmp_path / "out", stills(""))
    assert refusal(plan) == (f"{tmp_path}/none: no such file or folder; expected pictures to edit")


def test_a_source_without_pictures_is_refused(tmp_path: Path) -> None:
    touch(tmp_path / "in" / "notes.txt")
    message = refusal(Plan(tmp_path / "in", tmp_path / "out", stills("")))
    assert message.startswith(f"{tmp_path}/in: no picture found; expected files ending in .jpg")


def test_two_pictures_for_one_output_are_refused(tree: Path, tmp_path: Path) -> None:
    touch(tree / "people" / "ann" / "1.jpg")
    plan = Plan(tree, tmp_path / "out", stills("happy", "angry"), ".png")
    assert refusal(plan, overwrite=True) == (
        f"{tree}/people/ann/1.jpg and {tree}/people/ann/1.webp would both be written to "
        f"{tmp_path}/out/happy/people/ann/1.png; rename one, or leave --format out"
    )


def test_existing_outputs_are_refused_by_name(tree: Path, tmp_path: Path) -> None:
    plan = Plan(tree, tmp_path / "out", stills("happy", "angry"))
    touch(tmp_path / "out" / "angry" / "b.jpg")
    assert refusal(plan) == (
        "1 of the outputs are there already, and not as an earlier run left them: "
        f"{tmp_path}/out/angry/b.jpg; "
        "choose another output folder, or replace them with --overwrite"
    )
    assert plan.check(overwrite=True).pictures == 3


def test_many_existing_outputs_are_named_in_part(tree: Path, tmp_path: Path) -> None:
    plan = Plan(tree, tmp_path / "out", stills("happy", "angry"))
    touch(*(path for job in plan.jobs() for path in job.outputs))
    message = refusal(plan)
    assert message.startswith("6 of the outputs are there already, and not as an earlier run left ")
    assert message.count(str(tmp_path)) == 3
    assert "/out/happy/b.jpg, ...; choose" in message


def test_existing_outputs_of_our_own_are_no_reason_to_refuse(tree: Path, tmp_path: Path) -> None:
    plan = Plan(tree, tmp_path / "out", stills(""))
    ours, foreign = tmp_path / "out" / "b.jpg", tmp_path / "out" / "a.PNG"
    touch(ours)
    assert plan.check(overwrite=False, is_ours=ours.__eq__).pictures == 3
    touch(foreign)
    with pytest.raises(EfganError, match=r"^1 of the outputs .*: /\S*/out/a.PNG; choose"):
        plan.check(overwrite=False, is_ours=ours.__eq__)


@pytest.mark.parametrize("folders", [("",), ("happy", "angry")])
def test_the_input_folder_is_no_output_folder(tree: Path, folders: tuple[str, ...]) -> None:
    for output in (tree, tree / "people" / ".."):
        assert refusal(Plan(tree, output, stills(*folders)), overwrite=True) == (
            f"{output}: the output folder is the input folder; choose another one"
        )


def test_an_input_is_never_overwritten(tmp_path: Path) -> None:
    source = tmp_path / "faces"
    touch(source / "faces" / "x.jpg", source / "x.jpg")
    plan = Plan(source, tmp_path, stills(""))
    assert refusal(plan, overwrite=True) == (
        f"{tmp_path}/faces/x.jpg: is an input as well; choose another output folder"
    )


def test_a_folder_that_cannot_be_listed_is_named(
    without_root: Callable[[], AbstractContextManager[None]],
) -> None:
    with tempfile.TemporaryDirectory() as name:  # pytest's own folders are closed to others
        tree = Path(name)
        tree.chmod(0o755)
        touch(tree / "in" / "a.jpg", tree / "in" / "people" / "b.jpg")
        (tree / "in" / "people").chmod(0)
        with without_root():
            count = Plan(tree / "in", tree / "out", stills("")).check(overwrite=False)
            message = refusal(Plan(tree / "in" / "people", tree / "out", stills("")))
    assert count == PlanCount(1, 0, unlisted=((tree / "in" / "people", "Permission denied"),))
    assert message == f"{tree}/in/people: the folder cannot be listed: Permission denied"


def test_a_large_folder_takes_a_few_hundred_bytes_a_picture(tmp_path: Path) -> None:
    count = 4000
    (tmp_path / "in").mkdir()
    for number in range(count):
        (tmp_path / "in" / f"{number:06}.jpg").touch()
    plan = Plan(tmp_path / "in", tmp_path / "out", stills("happy"))
    peaks = []
    for _ in range(2):  # Python's own table of names may grow in one of them
        tracemalloc.start()
        plan.check(overwrite=False)
        assert sum(1 for _ in plan.jobs()) == count
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert min(peaks) < 400 * count
