"""`efgan-rt train`: weights from labelled pictures."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe's name, or a TOML file.")
    ],
    pictures: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="The folder that holds the pictures.", show_default=False),
    ] = None,
    labels: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.csv", help="Their action units, one row a picture.", show_default=False
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(
            metavar="DIR", help="The run: checkpoints, losses, grids.", show_default=False
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's latest checkpoint.")
    ] = False,
    device: Annotated[str, typer.Option(help="cpu or cuda.")] = "cpu",
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the recipe as it is understood, and stop.")
    ] = False,
) -> None:
    """Trains the networks on face crops with action-unit labels.

    Stopping is safe: --resume goes on from the latest checkpoint. Needs the extra `train`.

    **Example**

    - `efgan-rt train rendered-w16 --pictures crops --labels labels.csv --out runs/first`
    """
    from efgan_rt.cli.console import print_json, print_text, remark, training_progress
    from efgan_rt.extras import needs_extra

    with needs_extra("train"):
        from train.loop import Progress, load_faces
        from train.loop import train as run_recipe
        from train.recipe import read_recipe

    understood = read_recipe(recipe)
    if dry_run:
        print_json(understood.to_dict())
        return
    if pictures is None or labels is None or out is None:
        raise typer.BadParameter(
            "say what to train on and where the run goes", param_hint="--pictures --labels --out"
        )
    faces = load_faces(pictures, labels, understood.data, device)
    with training_progress() as bars:
        phases = {}  # phase number -> its bar

        def show(progress: Progress) -> None:
            number = progress.phase_number
            if number not in phases:
                title = f"{number}/{progress.phase_count} {progress.phase}"
                phases[number] = bars.add_task(title, total=progress.steps, losses="")
            losses = "  ".join(f"{name} {value:.3g}" for name, value in progress.losses.items())
            bars.update(phases[number], completed=progress.step, losses=losses)

        latest = run_recipe(understood, faces, out, resume=resume, device=device, on_progress=show)
    weights = latest.with_name("weights.safetensors")
    remark(f"compile them with: efgan-rt build-engines {weights}")
    print_text(str(weights))
