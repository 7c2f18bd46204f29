"""`efgan-rt evaluate`: the papers' tables, measured on an engine directory."""

from pathlib import Path
from typing import Annotated

import typer

from efgan_rt.cli.options import (
    ModelOption,
    ThreadsOption,
    engines_option,
    files_option,
    panel,
    run_option,
)

people_option = panel("Who and what")
judges_option = panel("The judges")
TABLE_WIDTH = 170  # of figures with their intervals, a column each for several backends


def evaluate(
    data: Annotated[
        Path,
        typer.Argument(
            metavar="SET", help="Labelled crops as `prepare` writes them: images/ and labels.csv."
        ),
    ],
    out: Annotated[
        Path,
        files_option(
            metavar="DIR", help="Where evaluation.md, evaluation.json, pairs.csv and pictures/ go."
        ),
    ],
    json_: Annotated[
        Path | None,
        files_option("--json", metavar="FILE", help="Write the figures there as well."),
    ] = None,
    overwrite: Annotated[
        bool,
        files_option("--overwrite", help="Replace files that are no evaluation."),
    ] = False,
    engines: Annotated[
        list[Path] | None,
        engines_option(
            metavar="DIR",
            help="Engine directory; may be repeated (default: the one built last, else the "
            "shipped one).",
        ),
    ] = None,
    model: ModelOption = None,
    backend: Annotated[
        list[str] | None,
        engines_option(
            metavar="NAME[:PRECISION]",
            help="A column for each, such as openvino:bf16; `all`: every one that runs here "
            "(default: auto).",
        ),
    ] = None,
    half: Annotated[
        Path | None,
        engines_option(
            metavar="CKPT",
            help="One more column: a checkpoint in half arithmetic, as an fp16 set computes.",
        ),
    ] = None,
    threads: ThreadsOption = None,
    test_people: Annotated[
        str | None,
        people_option(
            metavar="PEOPLE",
            help="Whom no training has seen: FIRST:LAST, names joined by commas, or a file of "
            "names (default: the rendered set's).",
        ),
    ] = None,
    people: Annotated[
        int | None,
        people_option(metavar="N", min=1, help="Only the first N of them."),
    ] = None,
    references: Annotated[
        int,
        people_option(
            metavar="N",
            min=0,
            help="Pictures of other people whose expressions each picture takes over.",
        ),
    ] = 5,
    verification_pairs: Annotated[
        int,
        people_option(metavar="N", min=0, help="Pairs of one person, and as many of two."),
    ] = 5000,
    seed: Annotated[int, people_option(help="Of the pairs that are drawn.")] = 20261121,
    pairs: Annotated[
        Path | None,
        people_option(metavar="FILE", help="Take the pairs of an earlier run's pairs.csv."),
    ] = None,
    augment: Annotated[
        bool,
        judges_option("--augment", help="R+G too, of the first column: trains a classifier anew."),
    ] = False,
    judges: Annotated[
        Path | None,
        judges_option(
            metavar="DIR", help="Where trained judges are kept (default: among your cached files)."
        ),
    ] = None,
    features: Annotated[
        str,
        judges_option(
            metavar="NAME|FILE",
            help="What FID and KID look at: `local`, `inception` (the published one), or an ONNX "
            "file; `auto` is inception where it was fetched, else local.",
        ),
    ] = "auto",
    features_input: Annotated[
        str,
        judges_option(
            metavar="LAYOUT",
            help="Of an ONNX file: rgb or bgr, and bytes, unit, signed or imagenet.",
        ),
    ] = "rgb,signed",
    fetch_features: Annotated[
        bool,
        judges_option(
            "--fetch-features", help="Fetch inception's weights once (95 MB, from github.com)."
        ),
    ] = False,
    embedder: Annotated[
        str,
        judges_option(
            metavar="NAME|FILE", help="Who is shown: `local`, or an ONNX face recognition network."
        ),
    ] = "local",
    embedder_input: Annotated[
        str,
        judges_option(metavar="LAYOUT", help="As --features-input."),
    ] = "rgb,signed",
    batch_size: Annotated[
        int,
        run_option(metavar="N", min=1, help="Pictures that go through the networks together."),
    ] = 8,
) -> None:
    """Measures engines on people whom no training has seen, and prints the papers' tables.

    Every picture is edited to every other expression, and takes over the expressions of other
    people's pictures. Judges that took part in no training of the engines are trained on the other
    people's real crops on first use (some minutes on a core). Every figure has a 95 % interval over
    people; published figures stand beside ours, marked as of other data. Needs the extra
    `evaluate`.

    **Examples**

    - `efgan-rt evaluate rafd --test-people rafd66:rafd73 --out results`
    - `efgan-rt evaluate set --test-people unseen.txt --backend all --augment --out results`
    - `efgan-rt evaluate set --engines a --engines b --embedder face.onnx --out results`
    """
    from efgan_rt.cli.console import print_table, print_text, remark, write_json
    from efgan_rt.cli.evaluation_editors import open_editors
    from efgan_rt.cli.evaluation_places import check_out, check_set, make_out, own_judges
    from efgan_rt.cli.evaluation_progress import evaluation_progress
    from efgan_rt.extras import needs_extra

    check_set(data)
    check_out(out, overwrite=overwrite)
    with needs_extra("evaluate"):
        import matplotlib  # noqa: F401

        from train.evaluation.document import to_document
        from train.evaluation.judging import JudgeChoice
        from train.evaluation.page import to_rich, write_page
        from train.evaluation.pictures import write_pictures
        from train.evaluation.run import EvaluationOptions
        from train.evaluation.run import evaluate as measure
        from train.evaluation.tables import every_table

    chosen = _features(features, fetch=fetch_features)
    editors, notes = open_editors(engines, model, backend or ["auto"], batch_size, threads, half)
    options = EvaluationOptions(
        test_people=test_people,
        people=people,
        references=references,
        pairs=verification_pairs,
        seed=seed,
        pair_file=pairs,
        augment=augment,
        threads=threads,
        judges=JudgeChoice(chosen, features_input, embedder, embedder_input),
    )
    make_out(out)
    with evaluation_progress() as stage:
        evaluation = measure(
            data,
            editors,
            judges or own_judges(data),
            out / "pairs.csv",
            options,
            remark,
            stage,
        )
    document = to_document(evaluation)
    document["notes"] += notes
    pictures = write_pictures(out / "pictures", evaluation, document)
    write_page(out / "evaluation.md", document, pictures)
    for target in (out / "evaluation.json", *([json_] if json_ is not None else [])):
        write_json(target, document)
    for table in every_table(document):
        print_table(to_rich(table), width=TABLE_WIDTH)
    for note in document["notes"]:
        print_text(f"note: {note}")
    remark(f"written to {out / 'evaluation.md'}, with evaluation.json, pairs.csv and pictures")


def _features(wanted: str, *, fetch: bool) -> str:
    """The features to use, said aloud where they were not named."""
    from efgan_rt.cli.console import remark
    from train.metrics.inception import fetch_weights, own_weights

    if fetch:
        remark(f"fetched {fetch_weights()}")
    if wanted != "auto":
        return wanted
    if own_weights().is_file():
        remark("FID and KID: over Inception's features, as published ones are (fetched earlier)")
        return "inception"
    remark(
        "FID and KID: over local features, which compare with nothing published; "
        "--fetch-features fetches Inception's weights once"
    )
    return "local"
