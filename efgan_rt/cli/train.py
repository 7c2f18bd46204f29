"""`efgan-rt train`: weights from labelled pictures."""

from pathlib import Path
from typing import Annotated

import typer


def train(
    recipe: Annotated[
        str, typer.Argument(metavar="RECIPE", help="A recipe's name, or a TOML file.")
    ],
    pictures: Annotated[
        list[Path] | None,
        typer.Option(
            metavar="DIR",
            help="The folder that holds the pictures; may be repeated, with a table for each.",
        ),
    ] = None,
    labels: Annotated[
        list[Path] | None,
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
    phase: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="Only the recipe's phases of this kind, such as cascade.",
        ),
    ] = None,
    start_from: Annotated[
        Path | None,
        typer.Option(
            "--from",
            metavar="CKPT",
            help="Start from these weights: .pt, or the .safetensors of a finished training.",
        ),
    ] = None,
    au_head: Annotated[
        Path | None,
        typer.Option(
            metavar="CKPT",
            help="Start the final critic from this checkpoint's action-unit head.",
        ),
    ] = None,
    change: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="Change the recipe: model.width=8, phases.2.steps=100. May be repeated.",
        ),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from the run's latest checkpoint.")
    ] = False,
    device: Annotated[
        str, typer.Option(help="cpu or cuda; under torchrun, one GPU a process.")
    ] = "cpu",
    tensorboard: Annotated[
        bool, typer.Option("--tensorboard", help="Write the losses for TensorBoard as well.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Print the recipe as it is understood, and stop.")
    ] = False,
) -> None:
    """Trains the networks on face crops with action-unit labels.

    Stopping is safe: the same command with --resume goes on from the latest checkpoint. Several
    processes under torchrun share every batch out among them. Needs the extra `train`.

    **Examples**

    - `efgan-rt train rendered-w16 --pictures crops --labels labels.csv --out runs/first`
    - `efgan-rt train paper --phase cascade --from runs/first/latest.pt --pictures crops
      --labels labels.csv --out runs/cascade`
    - `torchrun --nproc-per-node 4 -m efgan_rt.cli.app train paper --device cuda ...`
    """
    from efgan_rt.cli.console import print_json, print_text, remark
    from efgan_rt.cli.training_progress import training_progress
    from efgan_rt.errors import EfganError
    from efgan_rt.extras import needs_extra

    with needs_extra("train"):
        from train import distributed
        from train.loop import load_faces
        from train.loop import train as run_recipe
        from train.recipes import read_recipe

    understood = read_recipe(recipe, change or ())
    if phase is not None:
        understood = understood.only(phase)
    if dry_run:
        print_json(understood.to_dict())
        return
    if not pictures or not labels or out is None:
        raise typer.BadParameter(
            "say what to train on and where the run goes", param_hint="--pictures --labels --out"
        )
    place = distributed.join(device)
    try:
        faces = load_faces(pictures, labels, understood.data, str(place))
        with training_progress() as show:
            latest = run_recipe(
                understood,
                faces,
                out,
                resume=resume,
                start_from=start_from,
                au_head_from=au_head,
                device=place,
                on_progress=show,
                on_remark=remark if distributed.is_first() else None,
                tensorboard=tensorboard,
            )
        if distributed.is_first():
            weights = latest.with_name("weights.safetensors")
            remark(f"compile them with: efgan-rt build-engines {weights}")
            print_text(str(weights))
    except OSError as error:  # what it reads has sentences of its own, so this is the run's folder
        raise EfganError(
            f"{error.filename or out}: cannot be written: {error.strerror}; mend that and run the "
            "same command again, with --resume where a checkpoint was saved"
        ) from error
    except KeyboardInterrupt:
        latest = out / "latest.pt"
        saved = f"--resume goes on from {latest}" if latest.exists() else "nothing was saved yet"
        remark(f"interrupted: {saved}")
        raise typer.Exit(130) from None
    finally:
        distributed.leave()
